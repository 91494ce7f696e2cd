"""etcd is killed; the balancer takes both API servers out because their /readyz fails."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="etcd-unavailable",
    acceptable={
        "bot": ("lb-no-healthy-backend",),
        "bot+load-balancer": ("etcd-unavailable", "apiserver-checks-failing"),
        "bot+metrics": ("etcd-unavailable",),
        "bot+load-balancer+metrics": ("etcd-unavailable",),
    },
    because=(
        "The balancer accepts and closes: nothing behind it is seen from in front of it. "
        "The balancer sees checks that are answered, and fail; Prometheus that nothing listens where etcd should."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with lab.etcd.killed():
        lab.balancer.wait_for("DOWN")
        yield Ask(proof=f"the balancer's statistics: {lab.balancer.seen()}")
