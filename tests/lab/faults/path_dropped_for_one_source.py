"""The firewall on the way lets only some sources through, and the asker's network is not among them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import to_balancer
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="authorized-ip-ranges",
    acceptable={
        "bot": ("authorized-ip-ranges", "firewall-drop", "node-down"),
        "bot+load-balancer": ("authorized-ip-ranges", "firewall-drop"),
        "bot+metrics": ("authorized-ip-ranges", "firewall-drop"),
    },
    because=(
        "Silence is the same when a host is off, when a filter drops everybody, and when it drops this caller only. "
        "That the balancer's machine is on is seen by who watches it."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    match = ("-s", str(lab.names.clients), *to_balancer(lab))
    with lab.router.filter(*match, jump=["DROP"], chain="FORWARD") as rule:
        assert lab.client.dial(lab.lb.address, lab.balancer.port) == "silent"
        assert lab.client2.dial(lab.lb.address, lab.balancer.port, within=2) == "connected"
        yield Ask(proof=f"{rule.packets} packets of the asker were dropped; a client of another network connects")
