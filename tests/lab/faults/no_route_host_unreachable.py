"""The router's route to the balancer is unreachable; it says so at once."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="no-route",
    acceptable={
        "bot": ("no-route", "firewall-reject", "node-down"),
        "bot+metrics": ("no-route", "firewall-reject"),
    },
    because=(
        "A firewall may reject with the same ICMP message, and a router says it of a neighbour that it knows to be dead. "
        "Prometheus, inside, sees that the machine is on."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    way = f"unreachable {lab.lb.address}/32"
    with lab.router.changed([f"route add {way}"], [f"route del {way}"]):
        assert lab.client.dial(lab.lb.address, lab.balancer.port) == "EHOSTUNREACH"
        yield Ask(proof=f"the router's table has '{way}'; it answers at once")
