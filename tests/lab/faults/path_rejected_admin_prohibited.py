"""The firewall on the way rejects the balancer's port with ICMP administratively prohibited."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import to_balancer
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="firewall-reject", acceptable={"bot": ("firewall-reject",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with lab.router.filter(*to_balancer(lab), jump=["REJECT", "--reject-with", "icmp-admin-prohibited"], chain="FORWARD") as rule:
        assert lab.client.dial(lab.lb.address, lab.balancer.port) == "EHOSTUNREACH"
        yield Ask(proof=f"the router's rule has rejected {rule.packets} packets with ICMP 3/13")
