"""Everything is well, at a port that nobody else uses."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    port = draw.port()
    with lab.balancer.restarted(lab.balancer.config(port=port)):
        lab.balancer.wait_for("UP")
        assert lab.client.dial(lab.lb.address, port) == "connected"
        yield Ask(proof=f"the balancer listens at {port}: {lab.balancer.seen()}", server=f"https://{lab.names.api}:{port}")
