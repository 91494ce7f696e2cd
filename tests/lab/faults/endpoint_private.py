"""The name has a private address that routes nowhere from here, and packets to it vanish."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import elsewhere
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="endpoint-private",
    acceptable={"bot": ("endpoint-private", "dns-wrong-address", "firewall-drop")},
    because="A private address that is silent may be a private endpoint, an old record, or shut off by a firewall.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    network = elsewhere(lab, draw)
    private = str(network.network_address + draw.between(1000, 60000))
    way = f"blackhole {network}"
    with lab.router.changed([f"route add {way}"], [f"route del {way}"]), lab.nameserver.saying({lab.names.api: [private]}):
        assert lab.nameserver.ask(lab.names.api, source=lab.client) == [private]
        assert lab.client.dial(private, lab.balancer.port) == "silent"
        yield Ask(proof=f"the name is {private}, which the router loses; the cluster is well inside")
