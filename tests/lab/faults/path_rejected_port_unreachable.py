"""The balancer's host rejects its port with ICMP port unreachable, as many packet filters do by default."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="firewall-reject", acceptable={"bot": ("firewall-reject",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    port = lab.balancer.port
    with lab.lb.filter(
        "-i", "eth0", "-p", "tcp", "--dport", str(port), jump=["REJECT", "--reject-with", "icmp-port-unreachable"]
    ) as rule:
        assert lab.client.dial(lab.lb.address, port) == "refused"
        assert lab.balancer.up
        yield Ask(proof=f"the rule has rejected {rule.packets} packets; the balancer runs and sees its servers up")
