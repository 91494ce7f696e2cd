"""etcd is down, and one of the API servers is killed as well; the balancer has nobody left to send to."""

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
        "bot+load-balancer": ("etcd-unavailable", "apiserver-not-running", "apiserver-checks-failing"),
        "bot+metrics": ("etcd-unavailable", "apiserver-not-running"),
        "bot+load-balancer+metrics": ("etcd-unavailable", "apiserver-not-running"),
    },
    because=BEHIND_BECAUSE + " Prometheus sees both.",
    also=("apiserver-not-running",),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    with api.killed(), lab.etcd.killed():
        lab.balancer.wait_for("DOWN")
        yield Ask(proof=f"etcd's process is gone; the balancer's statistics: {lab.balancer.seen()}")
