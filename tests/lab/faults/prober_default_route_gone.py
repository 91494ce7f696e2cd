"""The bot's own machine has lost its default route; the cluster is well."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.boxes import box
from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="prober-cut-off", acceptable={"bot": ("prober-cut-off",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    way = f"default via {lab.names.clients.network_address + 1}"
    with box(lab.client2, lambda connection: None) as outside, lab.client.changed([f"route del {way}"], [f"route add {way}"]):
        assert lab.client.dial(lab.lb.address, lab.balancer.port) == "ENETUNREACH"
        assert lab.client2.dial(lab.lb.address, lab.balancer.port, within=2) == "connected"
        yield Ask(proof="the bot's host has no default route; another client connects", controls=(outside.place,))
