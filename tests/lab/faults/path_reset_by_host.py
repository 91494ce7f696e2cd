"""A control-plane host's firewall rejects the API server's port with a reset; it is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="firewall-reject",
    acceptable={"bot": ("firewall-reject", "apiserver-not-running", "apiserver-wrong-bind-address")},
    because="A reset is all that comes back, whether nothing listens, it listens elsewhere, or a filter forges the reset.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    asked = draw.one_of(*lab.apis)
    match = ("-i", "eth0", "-p", "tcp", "--dport", str(asked.port))
    with asked.host.filter(*match, jump=["REJECT", "--reject-with", "tcp-reset"]) as rule:
        assert lab.client.dial(asked.host.address, asked.port) == "refused"
        assert asked.status("/readyz") == 200
        yield Ask(proof=f"{asked.host.name} has reset {rule.packets} connections, and is ready on 127.0.0.1", server=asked.url)
