"""A route on the asker's own machine makes the cluster's network unreachable; everything else is reached."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="client-route-wrong",
    acceptable={"bot": ("client-route-wrong", "no-route")},
    because="The error is this machine's own, without a message from outside; whether it should be there is not in it.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    way = f"unreachable {lab.names.servers}"
    with lab.client.changed([f"route add {way}"], [f"route del {way}"]):
        assert lab.client.dial(lab.lb.address, lab.balancer.port) == "EHOSTUNREACH"
        assert lab.client2.dial(lab.lb.address, lab.balancer.port, within=2) == "connected"
        yield Ask(
            proof=f"the client's table has '{way}'; another client connects",
            server=f"https://{lab.lb.address}:{lab.balancer.port}",
        )
