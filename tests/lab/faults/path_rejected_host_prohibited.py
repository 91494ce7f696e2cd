"""A control-plane host's firewall rejects the API server's port with ICMP host prohibited; it is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="firewall-reject", acceptable={"bot": ("firewall-reject",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    asked = draw.one_of(*lab.apis)
    match = ("-i", "eth0", "-p", "tcp", "--dport", str(asked.port))
    with asked.host.filter(*match, jump=["REJECT", "--reject-with", "icmp-host-prohibited"]) as rule:
        assert lab.client.dial(asked.host.address, asked.port) == "EHOSTUNREACH"
        assert asked.status("/readyz") == 200
        yield Ask(
            proof=f"{asked.host.name} has rejected {rule.packets} packets with ICMP 3/10, and is ready on 127.0.0.1",
            server=asked.url,
        )
