"""A cluster and what belongs to it, resolved for one round: where each is, by which authority, and with which credentials."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bot.model.base import Json
from bot.model.metrics import Monitoring
from bot.model.target import Balancer, Cluster, CredentialKind, Etcd


class Credentials(Protocol):
    """A configured cluster's credentials. Only ``Network.request`` asks for them, and only for a verified connection."""

    kind: CredentialKind

    async def headers(self) -> dict[str, str]:
        """The Authorization header, or nothing. May run an exec plugin; raises Unavailable when that fails."""
        ...

    def load_client_certificate(self, context: ssl.SSLContext) -> None:
        """Adds the client certificate, where there is one, to a context that verifies its peer."""
        ...

    def describe(self) -> Json:
        """What may be said of them, as far as it can be read, and never the secret: ``kind``, ``subject``, ``issuer``, and
        ``not_before`` and ``not_after`` (of the certificate, or the token's own claims) as ``2026-11-20T14:03:22.000Z``."""
        ...


@dataclass(frozen=True, kw_only=True)
class MetricsAccess:
    """A cluster's Prometheus resolved for one round. ``headers`` hold credentials; ``problem`` says what of its files cannot
    be read, and then nothing is asked."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_pem: str | None = None
    proxy_url: str | None = field(default=None, repr=False)
    problem: str | None = None
    monitoring: Monitoring = field(default_factory=Monitoring)


@dataclass(frozen=True, kw_only=True)
class BalancerAccess:
    """A cluster's balancer resolved for one round. ``headers`` hold credentials, ``secrets`` their values; ``problem`` says what
    of its files cannot be read, and then nothing is asked."""

    balancer: Balancer
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    ca_pem: str | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class EtcdAccess:
    """A cluster's etcd resolved for one round: who is asked, by which authority, with which credentials. ``problem`` says what
    of its files cannot be read, and then no credentials are used."""

    etcd: Etcd
    ca_pem: str | None = None
    credentials: Credentials | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class ClusterAccess:
    """A cluster resolved for one round: its target as the files say now, and the credentials that go with it.

    ``problems`` are sentences about what could not be read or is not used; they become part of the thread. ``secrets`` tells
    the values of the credentials as far as they were read by now: nothing that the round writes may hold one. ``notes`` are
    sentences about the way to the cluster that nobody wrote into its configuration. ``metrics`` is its Prometheus, where one
    is configured, ``balancers`` the balancers that tell of it, ``etcd`` its etcd.
    """

    cluster: Cluster
    credentials: Credentials | None = None
    problems: tuple[str, ...] = ()
    secrets: Callable[[], frozenset[str]] = frozenset
    notes: tuple[str, ...] = ()
    metrics: MetricsAccess | None = None
    balancers: tuple[BalancerAccess, ...] = ()
    etcd: EtcdAccess | None = None
