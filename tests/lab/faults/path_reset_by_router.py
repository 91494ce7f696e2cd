"""The firewall on the way rejects the balancer's port with a reset in the balancer's name."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import to_balancer
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="firewall-reject",
    acceptable={
        "bot": ("firewall-reject", "apiserver-not-running", "lb-down"),
        "bot+load-balancer": ("firewall-reject", "lb-down"),
        "bot+metrics": ("firewall-reject", "lb-down"),
    },
    because=(
        "A reset is all that comes back, whether nothing listens, it listens elsewhere, or a filter forges the reset. "
        "The balancer's statistics say that it is well and not where it listens."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with lab.router.filter(*to_balancer(lab), jump=["REJECT", "--reject-with", "tcp-reset"], chain="FORWARD") as rule:
        assert lab.client.dial(lab.lb.address, lab.balancer.port) == "refused"
        assert lab.balancer.up
        yield Ask(proof=f"the router's rule has reset {rule.packets} connections; the balancer sees its servers up")
