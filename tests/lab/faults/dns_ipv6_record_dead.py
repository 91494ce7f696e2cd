"""The name has an IPv6 address, too, and it leads nowhere; clients have IPv6."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="dns-wrong-address",
    acceptable={
        "bot": ("dns-wrong-address", "firewall-drop", "node-down"),
        "bot+load-balancer": ("dns-wrong-address", "firewall-drop"),
        "bot+metrics": ("dns-wrong-address", "firewall-drop"),
    },
    because=(
        "The silent address may be an old record, a machine that is off, or closed by a filter; the other one answers. "
        "Who watches the machines sees them all on."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    here, there = (f"fd{draw.between(10, 99)}:{draw.between(1000, 4999)}:{part}" for part in (1, 2))
    dead = f"{there}::{draw.between(10, 99)}"
    routes = [f"{there}::/64"]
    with (
        lab.router.sysctl("net.ipv6.conf.all.forwarding", 1),
        lab.router.changed([f"address add {here}::1/64 dev client nodad"], [f"address del {here}::1/64 dev client"]),
        lab.router.changed(
            [f"route add blackhole {route}" for route in routes], [f"route del blackhole {route}" for route in routes]
        ),
        lab.client.changed([f"address add {here}::2/64 dev eth0 nodad"], [f"address del {here}::2/64 dev eth0"]),
        lab.client.changed([f"route add ::/0 via {here}::1 dev eth0"], [f"route del ::/0 via {here}::1 dev eth0"]),
        lab.nameserver.saying({lab.names.api: [lab.lb.address, dead]}),
    ):
        assert lab.client.dial(dead, lab.balancer.port, within=1) == "silent"
        assert lab.client.dial(lab.lb.address, lab.balancer.port, within=2) == "connected"
        yield Ask(proof=f"the name is {lab.lb.address} and {dead}; the second one is silent")
