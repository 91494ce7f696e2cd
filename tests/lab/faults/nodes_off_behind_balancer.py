"""Both control-plane nodes are off; the balancer has nobody left to send to."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import BEHIND, BEHIND_BECAUSE
from tests.lab.faults._servers import unplugged
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="node-down",
    acceptable={
        "bot": BEHIND,
        "bot+load-balancer": ("node-down", "no-route", "firewall-drop"),
        "bot+metrics": ("node-down",),
        "bot+load-balancer+metrics": ("node-down",),
    },
    because=BEHIND_BECAUSE + " Prometheus finds no way to anything on either machine.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with unplugged(lab, "cp1", "cp2"):
        lab.balancer.wait_for("DOWN")
        yield Ask(proof=f"neither node's port has a link; the balancer's statistics: {lab.balancer.seen()}")
