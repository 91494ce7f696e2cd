"""A client leaks watches at one API server; the other one is dead, and the balancer does not check."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._load import Caller, leaked_watches, metric, place_of
from tests.lab.faults._moves import soon
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="lb-backend-down", also=("watch-leak",), acceptable={"bot": ("lb-backend-down", "watch-leak")})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api, dead = draw.one_of((lab.api1, lab.api2), (lab.api2, lab.api1))
    leaking = Caller(lab, lab.node, f"system:serviceaccount:default:{draw.word()}", "kubeadm:cluster-admins")
    count = draw.between(1400, 1600)
    config = lab.balancer.config(check=None)
    with dead.killed(), lab.balancer.restarted(config), leaked_watches(leaking, place_of(api), count):
        soon(
            lambda: metric(api, "apiserver_longrunning_requests", 'resource="configmaps"', 'verb="WATCH"') >= count,
            "watches are open",
        )
        yield Ask(proof=f"{count} watches are open at {api.host.name}, and nothing listens on {dead.host.name}")
