"""The balancer's answers to the client's network take another way, on which they are lost; its requests arrive."""

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
        "That the request arrived and only the answer is lost is not to be seen by who asks. "
        "Prometheus, inside, sees that the machine is on."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    lab.node.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    way = f"{lab.names.clients} via {lab.node.address}"
    match = ("-s", lab.lb.address, "-d", lab.client.address, "-p", "tcp", "--tcp-flags", "SYN,ACK", "SYN,ACK")
    with (
        lab.lb.changed([f"route add {way}"], [f"route del {way}"]),
        lab.node.filter(*match, jump=["ACCEPT"], chain="PREROUTING", table="raw") as strayed,
    ):
        assert lab.client.dial(lab.lb.address, lab.balancer.port, within=2) == "silent"
        assert strayed.packets
        assert lab.client2.dial(lab.lb.address, lab.balancer.port, within=2) == "connected"
        yield Ask(proof=f"{strayed.packets} SYN-ACKs for the client arrived at {lab.node.name}, which forwards nothing")
