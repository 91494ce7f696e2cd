"""The bot's own machine sends nothing any more; the cluster is well."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="prober-cut-off", acceptable={"bot": ("prober-cut-off",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with lab.client.filter("-o", "eth0", jump=["DROP"], chain="OUTPUT") as rule:
        assert lab.client.dial(lab.router.address, 53) == "silent"
        assert lab.client2.dial(lab.lb.address, lab.balancer.port, within=2) == "connected"
        yield Ask(proof=f"the bot's host has dropped {rule.packets} packets of its own; another client connects")
