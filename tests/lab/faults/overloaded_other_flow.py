"""Priority and fairness turns away somebody else's flow; who asks is an administrator and is served."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._load import SMALL, Caller, metric, place_of, starved_flow
from tests.lab.faults._moves import meanwhile, soon
from tests.lab.seed import Draw
from tests.lab.topology import Lab

# An administrator may read the API server's metrics, which count what was turned away, by flow.
TRUTH = Truth(cause="overloaded", acceptable={"bot": ("overloaded",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    victim = Caller(lab, lab.client2, f"system:serviceaccount:default:{draw.word()}", "kubeadm:cluster-admins")

    def try_on(stop: threading.Event) -> None:
        while not stop.wait(0.2):
            victim.status(place_of(api), SMALL)

    def refused() -> float:
        return metric(api, "apiserver_flowcontrol_rejected_requests_total", f'flow_schema="{schema}"')

    with starved_flow(lab, draw, victim, api) as schema, meanwhile(try_on):
        soon(lambda: refused() >= 5, "its metrics count what is turned away")
        yield Ask(proof=f"{refused():.0f} requests of flow schema {schema} were turned away", server=api.url)
