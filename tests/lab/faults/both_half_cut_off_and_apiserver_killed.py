"""The bot's own network is half cut, so that its controls fail, while the API server is dead."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="apiserver-not-running",
    also=("prober-cut-off",),
    acceptable={"bot": ("prober-cut-off", "apiserver-not-running", "firewall-reject")},
    because=(
        "A reset came back, so the way there is not cut; but the filter that swallows the controls may forge it. From a place "
        "whose own network is in doubt nothing is certain of the API server."
    ),
    never_high=("apiserver-not-running",),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    host, _, port = lab.control.rpartition(":")
    api = draw.one_of(*lab.apis)
    match = ("-d", host, "-p", "tcp", "--dport", port)
    with api.killed(), lab.client.filter(*match, jump=["DROP"], chain="OUTPUT") as rule:
        assert lab.client.dial(host, int(port)) == "silent"
        assert lab.client.dial(api.host.address, api.port, within=3) == "refused"
        yield Ask(
            proof=f"{rule.packets} packets to the control are dropped, and nothing listens on {api.host.name}", server=api.url
        )
