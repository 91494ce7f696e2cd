"""What a Prometheus knows: which endpoints it scrapes, how its last scrape of each went, and numbers over time.

Times are on our clock: whoever asks turns the other side's into ours, and rather too early than too late.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from bot.model.base import Moment, Value


class Role(StrEnum):
    """What a scraped endpoint is to the cluster's control plane."""

    APISERVER = "apiserver"
    ETCD = "etcd"
    NODE = "node"
    KUBELET = "kubelet"
    BALANCER = "balancer"


USUAL_JOBS = MappingProxyType(
    {
        Role.APISERVER: (
            "apiserver",
            "kube-apiserver",
            "kubernetes-apiserver",
            "kubernetes-apiservers",
            "integrations/kubernetes/kube-apiserver",
        ),
        Role.ETCD: ("etcd", "kube-etcd", "kubernetes-etcd", "integrations/etcd"),
        Role.NODE: ("node-exporter", "node_exporter", "node", "prometheus-node-exporter", "integrations/node_exporter"),
        Role.KUBELET: ("kubelet", "kubernetes-nodes", "kubernetes-nodes-cadvisor", "integrations/kubernetes/kubelet"),
        Role.BALANCER: ("haproxy", "haproxy-exporter", "haproxy_exporter", "integrations/haproxy"),
    }
)
"""How kube-prometheus, the community's charts, kubeadm's examples and hosted collectors call their scrape jobs."""


class Monitoring(Value):
    """How a Prometheus calls what it scrapes. ``match`` are the labels that are this cluster's, and ``jobs`` the names
    that somebody gave its jobs, patterns with ``*``; what is not there has the usual names."""

    match: dict[str, str] = {}
    jobs: dict[Role, tuple[str, ...]] = {}

    def patterns(self, role: Role) -> tuple[str, ...]:
        return self.jobs.get(role) or USUAL_JOBS[role]

    def is_named(self, role: Role) -> bool:
        """Whether somebody said what this role's jobs are called, so that what has the name is meant."""
        return bool(self.jobs.get(role))


class ScrapedTarget(Value):
    """One endpoint and its last scrape. ``address`` is the host and port that are connected to. ``healthy`` is None before the
    first scrape; ``error`` is the other side's own words, None where it tells no reasons. ``interval_s`` is how far apart
    scrapes are, and ``scraped_at`` when the last one began."""

    role: Role
    job: str
    instance: str
    address: str
    labels: dict[str, str] = {}
    healthy: bool | None = None
    error: str | None = None
    scraped_at: Moment | None = None
    interval_s: float = 60.0

    @property
    def host(self) -> str:
        host, colon, port = self.address.rpartition(":")
        return (host if colon and port.isdigit() else self.address).strip("[]")


class Series(Value):
    """One time series: its labels, and its values with their times, oldest first."""

    labels: dict[str, str] = {}
    points: tuple[tuple[Moment, float], ...] = ()

    @property
    def last(self) -> float | None:
        return self.points[-1][1] if self.points else None
