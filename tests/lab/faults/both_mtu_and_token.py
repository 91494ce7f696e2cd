"""The way loses large packets without a word, and the client's token expired."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

from tests.lab import tokens
from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import handshake, small_packets
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="mtu-black-hole", acceptable={"bot": ("mtu-black-hole", "token-rejected")}, also=("token-rejected",))


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    mtu = draw.between(640, 900)
    one = tokens.account(lab, f"{draw.word()}-{draw.between(1000, 9999)}")
    try:
        text = tokens.token(lab, one, valid_in=-timedelta(days=2), expires_in=-draw.ago(timedelta(minutes=5), timedelta(days=1)))
        with (
            small_packets(lab, mtu),
            lab.router.filter("-p", "icmp", "--icmp-type", "fragmentation-needed", jump=["DROP"], chain="OUTPUT") as rule,
        ):
            assert handshake(lab.client, lab.lb.address, lab.balancer.port, name=lab.names.api) == "silent"
            assert [api.status("/livez", user=text) for api in lab.apis] == [401, 401]
            yield Ask(proof=f"an MTU of {mtu}, {rule.packets} messages about it lost; 401 to the token", user={"token": text})
    finally:
        tokens.remove(lab, one)
