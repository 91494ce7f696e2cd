"""A route on the router sends what is for the balancer to nowhere, without a word."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="route-broken",
    acceptable={
        "bot": ("firewall-drop", "node-down", "authorized-ip-ranges"),
        "bot+metrics": ("route-broken", "firewall-drop", "authorized-ip-ranges"),
    },
    because=(
        "A black hole is as silent as a filter that drops or a host that is off; only the route table shows it. "
        "Prometheus, inside, sees that the machine is on."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    way = f"blackhole {lab.lb.address}/32"
    with lab.router.changed([f"route add {way}"], [f"route del {way}"]):
        assert lab.client.dial(lab.lb.address, lab.balancer.port) == "silent"
        yield Ask(proof=f"the router's table has '{way}'")
