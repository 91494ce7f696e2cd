"""The API server's own host drops what comes for its port; it is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="firewall-drop",
    acceptable={
        "bot": ("firewall-drop", "node-down", "authorized-ip-ranges"),
        "bot+metrics": ("firewall-drop",),
    },
    because=(
        "Silence is the same when a host is off, when a filter drops everybody, and when it drops this caller only. "
        "Prometheus is dropped as well, and its exporter on the same machine answers: the machine is on, and no "
        "single caller is meant."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    asked = draw.one_of(*lab.apis)
    with asked.host.filter("-i", "eth0", "-p", "tcp", "--dport", str(asked.port), jump=["DROP"]) as rule:
        assert lab.client.dial(asked.host.address, asked.port) == "silent"
        assert asked.status("/readyz") == 200
        yield Ask(
            proof=f"{asked.host.name} has dropped {rule.packets} packets from outside, and is ready on 127.0.0.1",
            server=asked.url,
        )
