"""The router has no route to the balancer's network and says so."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="no-route",
    acceptable={"bot": ("no-route", "firewall-reject", "endpoint-private")},
    because="A firewall may reject with the same ICMP message, 3/0, and a private address may not be meant for who is outside.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    rule = f"to {lab.lb.address}/32 unreachable"
    with lab.router.changed([f"rule add {rule}"], [f"rule del {rule}"]):
        assert lab.client.dial(lab.lb.address, lab.balancer.port) == "ENETUNREACH"
        yield Ask(proof="the router answers ICMP net unreachable; the balancer sees its servers up")
