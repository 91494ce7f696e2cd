"""The way takes small packets only, and says so by ICMP, so that everything works."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import handshake, small_packets
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    mtu = draw.between(640, 1300)
    with (
        small_packets(lab, mtu),
        lab.router.filter("-p", "icmp", "--icmp-type", "fragmentation-needed", jump=["ACCEPT"], chain="OUTPUT") as told,
    ):
        found = handshake(lab.client, lab.lb.address, lab.balancer.port, name=lab.names.api)
        assert found.startswith("signed by")
        yield Ask(proof=f"an MTU of {mtu}, said {told.packets} times; a handshake succeeds, {found}")
