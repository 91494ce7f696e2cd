"""Both API servers are stopped by a signal; the balancer takes both out."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import BEHIND, BEHIND_BECAUSE, MUTE
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="apiserver-hung",
    acceptable={
        "bot": BEHIND,
        "bot+load-balancer": MUTE,
        "bot+control-plane": ("apiserver-hung",),
        "bot+metrics": ("apiserver-hung", "file-descriptors-exhausted"),
        "bot+load-balancer+metrics": ("apiserver-hung", "file-descriptors-exhausted"),
    },
    because=BEHIND_BECAUSE + " Prometheus sees that etcd is well and that both API servers say nothing.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with lab.api1.frozen(), lab.api2.frozen():
        lab.balancer.wait_for("DOWN")
        yield Ask(proof=f"both processes are in state T; the balancer's statistics: {lab.balancer.seen()}")
