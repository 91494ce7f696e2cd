"""The client's URL has a port at which nothing listens; the cluster is well at its own."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="client-misconfigured",
    acceptable={
        "bot": ("client-misconfigured", "apiserver-not-running", "lb-down"),
        "bot+load-balancer": ("client-misconfigured",),
        "bot+metrics": ("client-misconfigured",),
    },
    because=(
        "A closed port is the same whether its server is gone or never was there; only the usual ports beside it tell. "
        "The balancer is known to run there, and to be well."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    port = draw.port()
    assert lab.client.dial(lab.lb.address, port) == "refused"
    assert lab.client.dial(lab.lb.address, lab.balancer.port, within=2) == "connected"
    yield Ask(proof=f"port {port} refuses, {lab.balancer.port} beside it connects", server=f"https://{lab.names.api}:{port}")
