"""Everything is well, through an HTTP proxy."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.boxes import box
from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import connect_proxy
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with box(lab.router, connect_proxy({lab.names.api: lab.lb.address})) as proxy:
        yield Ask(proof=f"the proxy leads to the balancer: {lab.balancer.seen()}", cluster={"proxy-url": f"http://{proxy.place}"})
        assert proxy.seen
