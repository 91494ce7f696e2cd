"""Twenty clients poll a large list instead of watching it: their priority level is full and queues."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._load import Caller, large_objects, metric, place_of, slow_readers
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
    flags = ("--max-requests-inflight=4", "--max-mutating-requests-inflight=2")

    def lists() -> float:
        return metric(api, "apiserver_request_total", 'resource="configmaps"', 'verb="LIST"')

    with large_objects(lab, draw) as path, api.restarted(*flags):
        begun = lists()
        with slow_readers(poller, place_of(api), path, 20, hold_s=0.2) as counts:
            soon(lambda: metric(api, "apiserver_flowcontrol_current_inqueue_requests") >= 5, "polls wait in queues")
            soon(lambda: lists() - begun >= 20, "polls are counted")
            waiting = metric(api, "apiserver_flowcontrol_current_inqueue_requests")
            proof = f"{lists() - begun:.0f} lists, {counts[200]} of them by {name}, have begun, and {waiting:.0f} requests wait"
            yield Ask(proof=proof, server=api.url)
