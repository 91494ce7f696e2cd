"""Priority and fairness is off, one request is let in at a time, and slow readers hold that place: everybody else gets 429."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._load import CONFIG_MAPS, Caller, large_objects, place_of, slow_readers
from tests.lab.faults._moves import soon
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="overloaded", acceptable={"bot": ("overloaded",)})
FLAGS = ("--enable-priority-and-fairness=false", "--max-requests-inflight=1", "--max-mutating-requests-inflight=1")


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    # Who is in system:masters is let in whatever happens; who is a cluster's administrator otherwise is not.
    crowd = Caller(lab, lab.node, f"system:serviceaccount:default:{draw.word()}", "kubeadm:cluster-admins")
    asker = Caller(lab, lab.client2, draw.person(), "kubeadm:cluster-admins")
    with large_objects(lab, draw) as path, api.restarted(*FLAGS), slow_readers(crowd, place_of(api), path, 4) as counts:
        soon(lambda: counts[200] and api.status("/readyz", user="nobody") == 429, "it turns its own health requests away")
        assert asker.status(place_of(api), CONFIG_MAPS) == 429
        yield Ask(
            proof=f"{api.host.name} answers /readyz with 429 while {counts[200]} list is read slowly",
            server=api.url,
            user=asker.user,
        )
