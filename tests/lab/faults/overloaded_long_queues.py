"""Priority and fairness queues the flow of who asks for many seconds; nothing is turned away."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._load import SMALL, Caller, large_objects, metric, place_of, slow_readers
from tests.lab.faults._moves import soon
from tests.lab.seed import Draw
from tests.lab.topology import Lab

# Health requests, and a version that nobody asks for by name, are answered at once: it is the caller's own queue that is long.
TRUTH = Truth(cause="overloaded", acceptable={"bot": ("overloaded",)})
FLAGS = ("--max-requests-inflight=1", "--max-mutating-requests-inflight=1")


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    asker = Caller(lab, lab.client2, draw.person(), "kubeadm:cluster-admins")
    place = place_of(api)
    with large_objects(lab, draw) as path, api.restarted(*FLAGS), slow_readers(asker, place, path, 12, hold_s=0.9):
        soon(lambda: metric(api, "apiserver_flowcontrol_current_inqueue_requests") >= 8, "requests wait in queues")
        assert asker.status(place, SMALL, timeout=4) is None
        assert api.status("/readyz") == 200
        waiting = metric(api, "apiserver_flowcontrol_current_inqueue_requests")
        yield Ask(proof=f"{waiting:.0f} requests wait, and one small object is not read in 4 s", server=api.url, user=asker.user)
