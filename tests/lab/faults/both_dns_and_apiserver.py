"""The name's record leads to an address that nobody has, and both API servers are dead; their addresses are known."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="dns-wrong-address",
    acceptable={
        "bot": ("dns-wrong-address", "apiserver-not-running", "node-down"),
        "bot+metrics": ("dns-wrong-address", "apiserver-not-running"),
    },
    because=(
        "The name's address may be an old record or a machine that is off. "
        "Prometheus sees both machines on, and is refused at both API servers."
    ),
    also=("apiserver-not-running",),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    wrong = lab.spare(draw.between(0, 3))
    nodes = [f"{api.host.address}:{api.port}" for api in lab.apis]
    with lab.api1.killed(), lab.api2.killed(), lab.nameserver.saying({lab.names.api: [wrong]}):
        assert lab.nameserver.ask(lab.names.api, source=lab.client) == [wrong]
        yield Ask(proof=f"the name is {wrong}; no listener at {' and '.join(nodes)}", known={"nodes": nodes})
