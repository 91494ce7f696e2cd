"""The balancer is stopped by a signal; the API servers behind it are well."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import MUTE, MUTE_BECAUSE
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="lb-down",
    acceptable={
        "bot": MUTE,
        "bot+load-balancer": ("lb-down",),
        "bot+control-plane": ("lb-down",),
        "bot+metrics": ("lb-down",),
    },
    because=MUTE_BECAUSE + " Prometheus sees that it does not answer, and that its machine and what is behind it do.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with lab.balancer.frozen():
        assert lab.client.dial(lab.lb.address, lab.balancer.port) == "connected"
        assert all(api.is_ready() for api in lab.apis)
        yield Ask(proof=f"its process is in state {lab.balancer.process.state}, its port is open, and both API servers are ready")
