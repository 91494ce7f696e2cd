"""A control-plane host's firewall rejects the API server's port as if its own network were unreachable; it is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="firewall-reject",
    acceptable={"bot": ("firewall-reject", "no-route")},
    because="The message says that there is no route; that the host itself sends it shows that there is.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    asked = draw.one_of(*lab.apis)
    match = ("-i", "eth0", "-p", "tcp", "--dport", str(asked.port))
    with asked.host.filter(*match, jump=["REJECT", "--reject-with", "icmp-net-unreachable"]) as rule:
        assert lab.client.dial(asked.host.address, asked.port) == "ENETUNREACH"
        assert asked.status("/readyz") == 200
        yield Ask(
            proof=f"{asked.host.name} itself has sent ICMP 3/0 {rule.packets} times, and is ready on 127.0.0.1", server=asked.url
        )
