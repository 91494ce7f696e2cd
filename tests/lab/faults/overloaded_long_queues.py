"""Priority and fairness queues the flow of who asks for many seconds; nothing is turned away."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._load import SMALL, Caller, large_objects, narrow_flow, place_of, slow_readers, waiting
from tests.lab.faults._moves import soon
from tests.lab.seed import Draw
from tests.lab.topology import Lab

# Health requests, and a version that nobody asks for by name, are answered at once: it is the caller's own queue that is long.
TRUTH = Truth(cause="overloaded", acceptable={"bot": ("overloaded",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    asker = Caller(lab, lab.client2, draw.person(), "kubeadm:cluster-admins")
    place = place_of(api)
    with (
        large_objects(lab, draw) as path,
        narrow_flow(lab, draw, asker, api, queues=True) as schema,
        slow_readers(asker, place, path, 24, hold_s=1.2) as counts,
    ):
        soon(lambda: counts[200] and waiting(api, schema) >= 15, "a few requests are served, and many wait")
        assert asker.status(place, SMALL, timeout=4) is None
        assert api.status("/readyz") == 200
        proof = f"{waiting(api, schema):.0f} requests of flow schema {schema} wait, and a namespace is not read in 4 s"
        yield Ask(proof=proof, server=api.url, user=asker.user)
