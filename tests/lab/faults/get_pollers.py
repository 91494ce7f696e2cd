"""Twenty clients poll a large list instead of watching it: their priority level is full and queues."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._load import Caller, large_objects, metric, narrow_flow, place_of, slow_readers, waiting
from tests.lab.faults._moves import soon
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="watch-leak",
    acceptable={"bot": ("watch-leak", "overloaded")},
    because="The API server counts what is asked for, and what waits. Whether so many lists are a defect, it cannot say.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    name = f"system:serviceaccount:default:{draw.word()}"
    poller = Caller(lab, lab.node, name, "system:serviceaccounts", "kubeadm:cluster-admins")

    def lists() -> float:
        return metric(api, "apiserver_request_total", 'resource="configmaps"', 'verb="LIST"')

    with large_objects(lab, draw) as path, narrow_flow(lab, draw, poller, api, queues=True) as schema:
        begun = lists()
        with slow_readers(poller, place_of(api), path, 20, hold_s=0.2) as counts:
            soon(lambda: lists() - begun >= 20 and waiting(api, schema) >= 5, "polls are counted, and wait in queues")
            proof = f"{counts[200]} lists of {name} are served, and {waiting(api, schema):.0f} wait in flow schema {schema}"
            yield Ask(proof=proof, server=api.url)
