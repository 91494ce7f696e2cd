"""A control-plane node is off; its API server is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import GONE, GONE_BECAUSE
from tests.lab.faults._servers import entered, unplugged
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="node-down",
    acceptable={
        "bot": GONE,
        "bot+metrics": ("node-down",),
    },
    because=GONE_BECAUSE + " Prometheus, on the same network, finds no way to anything on that machine, and finds the others.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    # etcd is on the other one.
    with unplugged(lab, "cp2"):
        wait_until(lambda: lab.client.dial(lab.cp2.address, lab.api2.port, within=4) == "EHOSTUNREACH", "it is gone", within=15)
        yield Ask(proof=f"the router's neighbour {lab.cp2.name} is {entered(lab.router, lab.cp2.address)}", server=lab.api2.url)
