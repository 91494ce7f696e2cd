"""What the balancer sends to one of two API servers is dropped, and without checks it goes on sending."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="lb-backend-down",
    acceptable={"bot": ("lb-backend-down",), "bot+load-balancer": ("lb-backend-down", "firewall-drop")},
    because="The balancer cannot reach one of its servers; that it is silent rather than refused looks like a filter.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    rule = api.host.filter("-s", lab.lb.address, "-p", "tcp", "--dport", str(api.port), jump=["DROP"])
    with lab.balancer.restarted(lab.balancer.config(check=None, more="no option redispatch\n  retries 0")), rule as met:

        def dropped() -> bool:
            lab.client.dial(lab.lb.address, lab.balancer.port)
            return met.packets > 0

        wait_until(dropped, "something was dropped", within=15)
        yield Ask(proof=f"packets from the balancer to {api.node.name} dropped so far: {met.packets}; there are no checks")
