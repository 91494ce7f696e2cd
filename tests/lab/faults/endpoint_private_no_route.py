"""The name has a private address that no router on the way knows, and one says so."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import elsewhere
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="endpoint-private",
    acceptable={"bot": ("endpoint-private", "dns-wrong-address", "no-route")},
    because="A private address without a route may be a private endpoint, an old record, or a route that is missing.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    private = str(elsewhere(lab, draw).network_address + draw.between(1000, 60000))
    with lab.nameserver.saying({lab.names.api: [private]}):
        assert lab.nameserver.ask(lab.names.api, source=lab.client) == [private]
        wait_until(
            lambda: lab.client.dial(private, lab.balancer.port) == "ENETUNREACH", f"no route to {private} is known", within=10
        )
        yield Ask(proof=f"the name is {private}, for which the router has no route; the cluster is well inside")
