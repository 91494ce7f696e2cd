"""The balancer passes packets on with the sender's address: a control-plane node that is sent to itself drops its own packets."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="lb-hairpin",
    acceptable={"bot": ("lb-hairpin", "firewall-drop", "authorized-ip-ranges")},
    because=(
        "Silence at the balancer alone is what a filter leaves, too; that the asker is the one behind it speaks for the first."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    port = str(lab.balancer.port)
    own = ("-s", lab.cp1.address, "-d", lab.lb.address, "-p", "tcp", "--dport", port)
    target = ["DNAT", "--to-destination", f"{lab.cp1.address}:{lab.api1.port}"]
    with lab.lb.sysctl("net.ipv4.ip_forward", 1), lab.lb.filter(*own, jump=target, chain="PREROUTING", table="nat") as rule:
        assert lab.cp1.dial(lab.lb.address, lab.balancer.port) == "silent"
        assert lab.client.dial(lab.lb.address, lab.balancer.port) == "connected"
        assert lab.cp1.dial(lab.cp1.address, lab.api1.port) == "connected"
        yield Ask(
            proof=f"{lab.cp1.name} was sent back {rule.packets} of its own connections; the client outside connects",
            server=f"https://{lab.lb.address}:{port}",
            where="cp1",
        )
