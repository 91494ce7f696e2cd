"""Everything is well; the name has three addresses, and each of them serves."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    more = [lab.spare(0), lab.spare(1)]
    addresses = draw.some_of([lab.lb.address, *more], 3)
    do, undo = ([f"address {verb} {address}/24 dev eth0" for address in more] for verb in ("add", "del"))
    with lab.lb.changed(do, undo), lab.nameserver.saying({lab.names.api: addresses}):
        assert [lab.client.dial(address, lab.balancer.port, within=3) for address in addresses] == ["connected"] * 3
        yield Ask(proof=f"{', '.join(addresses)} all take connections; {lab.balancer.seen()}")
