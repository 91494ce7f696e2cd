"""Everything is well and there is work to do: some clients poll, list and watch, far below any limit."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._load import SMALL, Caller, leaked_watches, metric, place_of, pollers
from tests.lab.faults._moves import soon
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    groups = ("system:serviceaccounts", "kubeadm:cluster-admins")
    crowd = [Caller(lab, lab.node, f"system:serviceaccount:default:{draw.word()}-{number}", *groups) for number in range(6)]
    paths = [SMALL, "/api/v1/nodes", "/apis/coordination.k8s.io/v1/leases"]
    with leaked_watches(crowd[0], place_of(api), 40), pollers(crowd, place_of(api), paths, every_s=0.25) as counts:
        soon(lambda: sum(counts.values()) >= 60, "requests are answered")
        assert counts[429] == 0
        assert metric(api, "apiserver_flowcontrol_current_inqueue_requests") == 0
        yield Ask(
            proof=f"{dict(counts)} answers to polls at {api.host.name}; nothing waits, nothing is turned away", server=api.url
        )
        assert counts[429] == 0
