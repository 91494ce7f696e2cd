"""Both API servers are killed; the balancer has nobody left to send to."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import BEHIND, BEHIND_BECAUSE, REFUSED
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="apiserver-not-running",
    acceptable={
        "bot": BEHIND,
        "bot+load-balancer": REFUSED,
        "bot+control-plane": ("apiserver-not-running",),
        "bot+metrics": REFUSED,
    },
    because=BEHIND_BECAUSE + " Prometheus is refused as the balancer is.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with lab.api1.killed(), lab.api2.killed():
        lab.balancer.wait_for("DOWN", check="L4CON")
        yield Ask(proof=f"the balancer's statistics: {lab.balancer.seen()}")
