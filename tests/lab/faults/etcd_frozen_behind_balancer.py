"""etcd is stopped by a signal; the balancer takes both API servers out because their /readyz fails."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import BEHIND, BEHIND_BECAUSE
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="etcd-unavailable",
    acceptable={
        "bot": BEHIND,
        "bot+load-balancer": ("etcd-unavailable", "apiserver-checks-failing", "apiserver-hung"),
        "bot+control-plane": ("etcd-unavailable",),
        "bot+metrics": ("etcd-unavailable",),
        "bot+load-balancer+metrics": ("etcd-unavailable",),
    },
    because=BEHIND_BECAUSE + " Prometheus sees that etcd itself is silent.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with lab.etcd.frozen():
        lab.balancer.wait_for("DOWN")
        yield Ask(proof=f"etcd is in state {lab.etcd.process.state}; the balancer's statistics: {lab.balancer.seen()}")
