"""What differs from run to run: names, ports, addresses, subjects and times, all drawn from one number.

A verdict that holds for one set of names only is worth nothing; and a run that found something must be repeatable.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

T = TypeVar("T")

_WORDS = (
    "amber",
    "birch",
    "cobalt",
    "delta",
    "ember",
    "fjord",
    "garnet",
    "harbor",
    "indigo",
    "juniper",
    "karst",
    "lagoon",
    "maple",
)
_ROLES = ("prod", "stage", "edge", "shop", "data", "core", "payments", "search")
_TOPS = ("example.com", "example.net", "example.org", "corp.test", "infra.test", "lab.test")
_PEOPLE = ("ops", "oncall", "deployer", "platform-admin", "breakglass", "ci-runner")
_COMPANIES = ("Northwind", "Contoso", "Fabrikam", "Initech", "Umbrella", "Globex")


class Draw:
    """A stream of choices. Two with the same seed and the same purpose draw the same."""

    def __init__(self, seed: int, purpose: str = "") -> None:
        self.seed = seed
        self._random = random.Random(f"{seed}/{purpose}")

    def for_(self, purpose: str) -> Draw:
        """A stream of its own, which other draws do not move."""
        return Draw(self.seed, purpose)

    def one_of(self, *choices: T) -> T:
        return self._random.choice(choices)

    def some_of(self, choices: Sequence[T], count: int) -> list[T]:
        return self._random.sample(choices, count)

    def between(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return self._random.randint(low, high)

    def seconds(self, low: float, high: float) -> float:
        return round(self._random.uniform(low, high), 2)

    def ago(self, low: timedelta, high: timedelta) -> timedelta:
        """A length of time between these, to the second: how long ago, or how far ahead."""
        return timedelta(seconds=self.between(int(low.total_seconds()), int(high.total_seconds())))

    def word(self) -> str:
        return self.one_of(*_WORDS)

    def cluster(self) -> str:
        """A cluster's name."""
        return f"{self.one_of(*_ROLES)}-{self.word()}-{self.between(1, 9)}"

    def zone(self) -> str:
        """A DNS zone of a cluster."""
        return f"{self.one_of(*_ROLES)}-{self.word()}.{self.one_of(*_TOPS)}"

    def host(self, role: str = "") -> str:
        """A host's name, such as ``cp-juniper-07``."""
        return f"{role or self.one_of('vm', 'node', 'host')}-{self.word()}-{self.between(1, 99):02d}"

    def person(self) -> str:
        """A user's name, as certificates' subjects carry it."""
        return f"{self.one_of(*_PEOPLE)}-{self.between(1, 99)}"

    def company(self) -> str:
        """Who runs an inspecting proxy or another cluster."""
        return f"{self.one_of(*_COMPANIES)} {self.one_of('TLS Inspection CA', 'Secure Web Gateway CA', 'Network Security CA')}"

    def port(self) -> int:
        """A port that nothing in the lab uses."""
        return self.between(20000, 29999)

    def network(self) -> ipaddress.IPv4Network:
        """A private /16."""
        first = self.one_of("10", "172", "192")
        if first == "10":
            # The services' range, 10.96.0.0/16, stays free.
            return ipaddress.IPv4Network(f"10.{self.one_of(*range(1, 95), *range(100, 250))}.0.0/16")
        return ipaddress.IPv4Network("192.168.0.0/16" if first == "192" else f"172.{self.between(16, 31)}.0.0/16")

    def subnets(self, network: ipaddress.IPv4Network, count: int) -> list[ipaddress.IPv4Network]:
        """Different /24 of it."""
        return self.some_of(list(network.subnets(new_prefix=24)), count)


@dataclass(frozen=True, kw_only=True)
class Names:
    """What one lab is called, and where its machines are."""

    cluster: str
    zone: str
    api: str
    port: int
    secure_port: int
    servers: ipaddress.IPv4Network
    clients: ipaddress.IPv4Network
    others: ipaddress.IPv4Network
    hosts: dict[str, str]
    addresses: dict[str, str]
    unused: tuple[str, ...]
    prometheus: int
    """The port of Prometheus."""
    jobs: dict[str, str]
    """What its jobs for node exporters and for etcd are called."""
    statistics: int
    """The port of the balancer's statistics page, and below it the page's path."""
    statistics_path: str


def draw_names(draw: Draw) -> Names:
    """``addresses`` by role: router, lb, cp1, cp2, node, dns in ``servers``; client in ``clients``; client2 in ``others``."""
    servers, clients, others = draw.subnets(draw.network(), 3)
    roles = ("router", "lb", "cp1", "cp2", "node", "dns")
    inside = [str(address) for address in draw.some_of(list(servers.hosts())[4:], len(roles) + 4)]
    zone = draw.zone()
    return Names(
        cluster=draw.cluster(),
        zone=zone,
        api=f"{draw.one_of('api', 'k8s', 'kube', 'apiserver', 'cp')}.{zone}",
        port=draw.one_of(443, 6443, 6443, 8443, 16443),
        secure_port=draw.one_of(6443, 6443, 8443, 9443),
        servers=servers,
        clients=clients,
        others=others,
        hosts=dict(zip(("lb", "cp1", "cp2", "node"), _different(draw), strict=True)),
        addresses={
            **dict(zip(roles, inside, strict=False)),
            "client": str(draw.one_of(*list(clients.hosts())[4:])),
            "client2": str(draw.one_of(*list(others.hosts())[4:])),
        },
        unused=tuple(inside[len(roles) :]),
        prometheus=draw.one_of(9090, 9090, 30090),
        jobs={"node": draw.one_of("node-exporter", "node"), "etcd": draw.one_of("etcd", "kube-etcd")},
        statistics=draw.one_of(8404, 1936, 9000),
        statistics_path=draw.one_of("/stats", "/haproxy?stats", "/"),
    )


def _different(draw: Draw) -> list[str]:
    words = draw.some_of(_WORDS, 2)
    role = draw.one_of("cp", "master", "control-plane", "k8s-m")
    return [f"{words[0]}-lb", f"{role}-{words[0]}-01", f"{role}-{words[0]}-02", f"worker-{words[1]}-01"]
