"""The balancer's machine is off; the API servers behind it are well."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import NAME_LEADS_NOWHERE, NAME_LEADS_NOWHERE_BECAUSE
from tests.lab.faults._servers import entered, unplugged
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="lb-down",
    acceptable={
        "bot": NAME_LEADS_NOWHERE,
        "bot+control-plane": ("lb-down", "no-route"),
        "bot+metrics": ("lb-down",),
    },
    because=NAME_LEADS_NOWHERE_BECAUSE + " Prometheus sees that its machine is gone and the others are on.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with unplugged(lab, "lb"):
        address = lab.lb.address
        wait_until(lambda: lab.client.dial(address, lab.balancer.port, within=4) == "EHOSTUNREACH", "it is gone", within=15)
        assert all(api.is_ready() for api in lab.apis)
        yield Ask(proof=f"the router's neighbour {lab.lb.name} is {entered(lab.router, address)}; both API servers are ready")
