"""One of two API servers is killed; the checks find it, and nobody is sent there."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="lb-backend-down",
    warned_by=("balancer-statistics", "prometheus-targets"),
    acceptable={
        "bot": ("lb-backend-down", "healthy"),
        "bot+load-balancer": ("lb-backend-down",),
        "bot+control-plane": ("lb-backend-down", "apiserver-not-running"),
        "bot+metrics": ("lb-backend-down", "apiserver-not-running"),
    },
    because=(
        "The balancer sends nobody to the dead one: only its statistics, or the node, tell. "
        "One of two that is down breaks nothing yet: healthy with a warning of it is right."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    with api.killed():
        lab.balancer.wait_for("DOWN", api.node.name, check="L4CON")
        yield Ask(proof=f"the balancer's statistics: {lab.balancer.seen()}")
