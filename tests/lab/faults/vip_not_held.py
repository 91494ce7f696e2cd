"""The virtual address is on no machine: who should hold it gave it up, and nobody took it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import NAME_LEADS_NOWHERE, NAME_LEADS_NOWHERE_BECAUSE
from tests.lab.faults._servers import entered
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="vip-not-held",
    acceptable={
        "bot": NAME_LEADS_NOWHERE,
        "bot+load-balancer": ("vip-not-held", "dns-wrong-address"),
        "bot+metrics": ("vip-not-held", "dns-wrong-address"),
    },
    because=(
        NAME_LEADS_NOWHERE_BECAUSE
        + " The balancer answers at another address of the same network, so that neither it nor the way there is gone."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    address = lab.spare(draw.between(0, 3))
    with lab.nameserver.saying({lab.names.api: [address]}):
        assert not any(address in host.run("ip", "-4", "-o", "address") for host in lab.hosts.values())
        wait_until(lambda: lab.client.dial(address, lab.balancer.port, within=4) == "EHOSTUNREACH", "nobody answers", within=15)
        yield Ask(proof=f"no machine has {address}; the router's neighbour entry is {entered(lab.router, address)}")
