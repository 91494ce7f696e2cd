"""One of two API servers is killed, and a balancer without checks goes on sending every second connection there."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="lb-backend-down",
    acceptable={"bot": ("lb-backend-down",), "bot+load-balancer": ("lb-backend-down",)},
)


def failed_connections(lab: Lab, name: str) -> int:
    """Tries one more connection; how many to this server have failed."""
    lab.client.dial(lab.lb.address, lab.balancer.port)
    return lab.balancer.backends()[name].refused


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    with lab.balancer.restarted(lab.balancer.config(check=None, more="no option redispatch\n  retries 0")), api.killed():
        wait_until(lambda: failed_connections(lab, api.node.name) > 0, "a connection was sent there", within=15)
        refused = failed_connections(lab, api.node.name)
        yield Ask(proof=f"connections refused by {api.node.name} so far: {refused}; there are no checks")
