"""The way takes small packets only, and the ICMP messages that would say so are dropped."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import handshake, small_packets
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="mtu-black-hole", acceptable={"bot": ("mtu-black-hole",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    mtu = draw.between(640, 900)
    with (
        small_packets(lab, mtu),
        lab.router.filter("-p", "icmp", "--icmp-type", "fragmentation-needed", jump=["DROP"], chain="OUTPUT") as rule,
    ):
        assert handshake(lab.client, lab.lb.address, lab.balancer.port, name=lab.names.api) == "silent"
        assert rule.packets
        yield Ask(
            proof=f"with an MTU of {mtu} the router has lost {rule.packets} messages that said so, and the handshake is silent"
        )
