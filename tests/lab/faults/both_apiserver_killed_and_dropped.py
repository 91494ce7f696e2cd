"""The API server is killed, and a firewall on the way drops what is sent to it; it is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="firewall-drop",
    acceptable={
        "bot": ("firewall-drop", "authorized-ip-ranges", "node-down"),
        "bot+metrics": ("firewall-drop", "authorized-ip-ranges", "apiserver-not-running"),
    },
    because=(
        "Silence comes first: what is behind it is not seen. "
        "Prometheus, past the filter, is refused, and sees that the machine is on."
    ),
    also=("apiserver-not-running",),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    match = ("-d", api.host.address, "-p", "tcp", "--dport", str(api.port))
    with api.killed(), lab.router.filter(*match, jump=["DROP"], chain="FORWARD") as rule:
        assert lab.client.dial(api.host.address, api.port) == "silent"
        yield Ask(proof=f"nothing listens on {api.host.name}; the router has dropped {rule.packets} packets", server=api.url)
