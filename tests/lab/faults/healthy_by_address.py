"""Everything is well; the balancer is asked by its address, without a name."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    server = f"https://{lab.lb.address}:{lab.balancer.port}"
    yield Ask(proof=f"{server} is the balancer: {lab.balancer.seen()}", server=server)
