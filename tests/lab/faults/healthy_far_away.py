"""Everything is well, and far away: whatever is said needs 300 ms each way."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.boxes import box
from tests.lab.fault import Ask, Truth
from tests.lab.faults._between import far_away
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    handle = far_away(lab.lb, (lab.lb.address, lab.balancer.port), draw.seconds(0.28, 0.32))
    with box(lab.lb, handle) as way:
        port = way.place.rpartition(":")[2]
        yield Ask(proof=f"the balancer, behind the long way: {lab.balancer.seen()}", server=f"https://{lab.names.api}:{port}")
        assert way.seen > 0
