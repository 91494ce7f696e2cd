"""The client's URL has the port of another protocol's server, which greets first."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.boxes import box
from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import handshake, speaks_first
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="client-misconfigured",
    acceptable={
        "bot": ("client-misconfigured", "dns-wrong-address"),
        "bot+load-balancer": ("client-misconfigured",),
        "bot+metrics": ("client-misconfigured",),
    },
    because=(
        "Whether the port or the address is the wrong one cannot be seen from what answers there. "
        "The name leads to the machine where the balancer is known to run."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    banner = f"SSH-2.0-OpenSSH_{draw.between(7, 9)}.{draw.between(0, 9)}\r\n"
    with box(lab.lb, speaks_first(banner.encode())) as other:
        port = int(other.place.rpartition(":")[2])
        assert handshake(lab.client, lab.lb.address, port) == "WRONG_VERSION_NUMBER"
        assert lab.balancer.up
        yield Ask(proof=f"the port greets with {banner.strip()}; the cluster is well", server=f"https://{lab.names.api}:{port}")
