"""A box on the way ends handshakes that carry ALPN with a reset."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import closes_alpn_by_reset, handshake, on_the_way
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="alpn-blocked", acceptable={"bot": ("alpn-blocked",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    place = lab.lb.address, lab.balancer.port
    with on_the_way(lab, closes_alpn_by_reset(place)) as met:
        assert "reset" in handshake(lab.client, *place, name=lab.names.api)
        without = handshake(lab.client, *place, name=lab.names.api, alpn=False)
        assert without.startswith("signed by")
        yield Ask(proof=f"the box met {met.seen} connections: with ALPN a reset, without it {without}")
