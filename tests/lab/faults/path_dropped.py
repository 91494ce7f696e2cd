"""A firewall on the way drops what clients send to the balancer's port."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="firewall-drop",
    acceptable={
        "bot": ("firewall-drop", "node-down", "authorized-ip-ranges"),
        "bot+load-balancer": ("firewall-drop", "authorized-ip-ranges"),
        "bot+metrics": ("firewall-drop", "authorized-ip-ranges"),
    },
    because=(
        "Silence is the same when a host is off, when a filter drops everybody, and when it drops this caller only. "
        "That the balancer's machine is on is seen by who watches it."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    port = lab.balancer.port
    with lab.router.filter("-d", lab.lb.address, "-p", "tcp", "--dport", str(port), jump=["DROP"], chain="FORWARD") as rule:
        assert lab.client.dial(lab.lb.address, port) == "silent"
        yield Ask(proof=f"the router's rule has dropped {rule.packets} packets of a connection that was tried")
