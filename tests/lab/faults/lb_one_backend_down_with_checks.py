"""One of two API servers is killed; the checks find it, and nobody is sent there."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="lb-backend-down",
    acceptable={
        "bot": ("lb-backend-down", "healthy"),
        "bot+load-balancer": ("lb-backend-down",),
        "bot+control-plane": ("lb-backend-down", "apiserver-not-running"),
    },
    because="The balancer sends nobody to the dead one: only its statistics, or the node, tell.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    with api.killed():
        lab.balancer.wait_for("DOWN", api.node.name, check="L4CON")
        yield Ask(proof=f"the balancer's statistics: {lab.balancer.seen()}")
