"""The balancer was configured anew and listens at another port; clients ask the old one."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import REFUSED, REFUSED_BECAUSE
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="lb-down",
    acceptable={
        "bot": REFUSED,
        "bot+load-balancer": ("lb-down", "firewall-reject"),
        "bot+metrics": ("lb-down", "firewall-reject"),
    },
    because=(
        REFUSED_BECAUSE
        + " Its statistics say that it is well, and not where it listens: elsewhere, or a filter forges the reset."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    port = draw.port()
    with lab.balancer.restarted(lab.balancer.config(port=port)):
        lab.balancer.wait_for("UP")
        assert not lab.lb.listens(lab.balancer.port)
        yield Ask(proof=f"{lab.lb.name} listens at {port} and not at {lab.balancer.port}; its statistics: {lab.balancer.seen()}")
