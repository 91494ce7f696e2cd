"""The way loses a packet now and then in both directions; retransmission makes up for it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import handshake, to_balancer
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    nth = ("-m", "statistic", "--mode", "nth", "--every", str(draw.between(9, 14)), "--packet", "0")
    back = ("-s", lab.lb.address, "-p", "tcp", "--sport", str(lab.balancer.port))
    with (
        lab.router.filter(*to_balancer(lab, *nth), jump=["DROP"], chain="FORWARD") as there,
        lab.router.filter(*back, *nth, jump=["DROP"], chain="FORWARD") as here,
    ):
        found = [handshake(lab.client, lab.lb.address, lab.balancer.port, name=lab.names.api, within=6) for _ in range(3)]
        assert all(one.startswith("signed by") for one in found)
        assert there.packets
        assert here.packets
        yield Ask(
            proof=f"{there.packets} packets were lost there and {here.packets} back, and three of three handshakes succeeded"
        )
