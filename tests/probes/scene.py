"""What a probe's test needs around it: a clock that stands still, a cluster, credentials, an API, and the probe's run."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import bot.probes
from bot.clock import SystemClock
from bot.errors import Unavailable
from bot.model.base import Json
from bot.model.finding import Finding
from bot.model.target import Cluster, CredentialKind, Endpoint, Target
from bot.model.vantage import BOT
from bot.ports import (
    ApiObject,
    BalancerReads,
    EtcdAccess,
    Kind,
    KubernetesReads,
    Listing,
    LogAnswer,
    MetricsReads,
    Network,
    Scrape,
)
from bot.registry import Probe, ProbeContext, scan
from tests.fakes.network import NOW, ScriptedNetwork

PROBES = scan(bot.probes, Probe)

MET: set[tuple[str, str]] = set()
"""Each probe's outcomes that the tests of this run have met; ``test_outcomes`` compares them with what is declared."""

PASSED: dict[str, set[str]] = {}
"""By test file, the texts among the parameters of the tests that passed."""

HOST = "api.example.com"
ADDRESS = "10.0.0.1"
PLACE = f"{ADDRESS}:6443"


class StoppedClock:
    def __init__(self, now: datetime = NOW) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return 100.0


@dataclass
class OwnCredentials:
    """Credentials that say what the test wants of themselves, and cannot be had when there is an error."""

    about: Json = field(default_factory=lambda: {"kind": "token"})
    error: Unavailable | None = None
    kind: CredentialKind = CredentialKind.TOKEN

    async def headers(self) -> dict[str, str]:
        if self.error is not None:
            raise self.error
        return {"Authorization": "Bearer not-a-real-token"}

    def load_client_certificate(self, context: ssl.SSLContext) -> None:
        return None

    def describe(self) -> Json:
        return self.about


@dataclass
class KnownObjects:
    """``ports.KubernetesReads`` over objects in memory; ``error`` makes every read fail."""

    pods: Sequence[ApiObject] = ()
    endpoints: Sequence[Endpoint] = ()
    config_maps: dict[str, Json] = field(default_factory=dict)
    error: Unavailable | None = None
    listings: dict[Kind, Listing | Unavailable] = field(default_factory=dict)
    scrapes: Sequence[Scrape] = ()
    logs: Mapping[str, LogAnswer | Unavailable] = field(default_factory=dict)
    past_caches: list[int] = field(default_factory=list)
    """The numbers of the reads that were made past the caches."""

    async def list_pods(self, namespace: str, *, label_selector: str | None = None, limit: int = 50) -> Sequence[ApiObject]:
        self._check()
        in_namespace = [pod for pod in self.pods if pod.namespace == namespace]
        if label_selector and " in (" in label_selector:
            name, _, among = label_selector.partition(" in (")
            return [pod for pod in in_namespace if pod.data.get("labels", {}).get(name) in among.rstrip(")").split(",")]
        wanted = dict([label_selector.split("=")]) if label_selector else {}
        return [pod for pod in in_namespace if wanted.items() <= pod.data.get("labels", {}).items()]

    async def list_endpoint_addresses(self, namespace: str, service: str) -> Sequence[Endpoint]:
        self._check()
        return self.endpoints

    async def get_config_map(self, namespace: str, name: str) -> ApiObject | None:
        self._check()
        data = self.config_maps.get(f"{namespace}/{name}")
        return ApiObject(kind="ConfigMap", namespace=namespace, name=name, data=data) if data is not None else None

    async def list_objects(
        self,
        kind: Kind,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Listing:
        """Of a namespace, and for a service's name, only what is there; pages by their marks, which are numbers."""
        self._check()
        found = self.listings.get(kind, Listing())
        if isinstance(found, Unavailable):
            raise found
        begin = int(after or 0)
        inside = [item for item in found.items if namespace in (None, item.namespace)]
        if label_selector and kind is Kind.ENDPOINT_SLICES:
            inside = [
                item
                for item in inside
                if item.data.get("labels", {}).get(label_selector.split("=")[0]) == label_selector.split("=")[1]
            ]
        if field_selector and field_selector.startswith("metadata.name="):
            inside = [item for item in inside if item.name == field_selector.split("=")[1]]
        page = inside[begin : begin + limit]
        more = len(inside) - begin - len(page)
        mark = str(begin + len(page)) if more else None
        return found.model_copy(update={"items": tuple(page), "after": mark, "remaining": found.remaining or more})

    async def read_metrics(self, wanted: Mapping[str, tuple[str, ...]], *, reading: int = 1) -> Scrape:
        self._check()
        if not self.scrapes:
            raise Unavailable("the API answered 403 for metrics", next="Allow the credentials to get the path /metrics.")
        return self.scrapes[min(reading, len(self.scrapes)) - 1]

    async def read_past_caches(self, *, number: int) -> float:
        self._check()
        self.past_caches.append(number)
        return 0.001

    async def ask_for_log(self, namespace: str, pod: str, container: str) -> LogAnswer:
        found = self.logs[pod]
        if isinstance(found, Unavailable):
            raise found
        return found

    async def read_log(
        self, namespace: str, pod: str, container: str, *, previous: bool = False, since_s: int | None = None
    ) -> LogAnswer:
        """Logs of attempts before are kept under ``POD previous``."""
        return await self.ask_for_log(namespace, f"{pod} previous" if previous else pod, container)

    def _check(self) -> None:
        if self.error is not None:
            raise self.error


def target(url: str = f"https://{HOST}:6443", **given: Any) -> Target:
    return Target.from_url(url, **given)


@dataclass
class Scene:
    """One probe's surroundings; what a test changes is what it is about."""

    network: ScriptedNetwork = field(default_factory=ScriptedNetwork)
    target: Target = field(default_factory=target)
    configured: bool = True
    credentials: OwnCredentials | None = None
    api: KubernetesReads | None = None
    metrics: MetricsReads | None = None
    balancer: BalancerReads | None = None
    etcd: EtcdAccess | None = None
    controls: tuple[Endpoint, ...] = ()
    resolvers: tuple[str, ...] = ()
    nodes: tuple[Endpoint, ...] = ()
    now: datetime = NOW
    seconds: float = 9.0
    problems: tuple[str, ...] = ()
    live: bool = False
    """Whether time goes by."""

    def context(self, probe: str, params: Json, network: Network | None = None) -> ProbeContext:
        cluster = Cluster(
            name="prod",
            target=self.target,
            configured=self.configured,
            controls=self.controls,
            resolvers=self.resolvers,
            nodes=self.nodes,
        )
        clock = SystemClock() if self.live else StoppedClock(self.now)
        return ProbeContext(
            probe=probe,
            params=params,
            cluster=cluster,
            vantage=BOT,
            round=1,
            network=network or self.network,
            clock=clock,
            deadline=clock.monotonic() + self.seconds,
            credentials=self.credentials,
            api=self.api,
            metrics=self.metrics,
            balancer=self.balancer,
            etcd=self.etcd,
            problems=self.problems,
        )

    async def run(self, probe: str, *, network: Network | None = None, **params: Any) -> list[Finding]:
        found = PROBES[probe]
        context = self.context(probe, params, network)
        findings = [finding async for finding in found.run(context, found.validate(params))]
        for finding in findings:
            MET.add((probe, finding.outcome))
            assert finding.outcome in found.outcomes
            assert finding.sentence.endswith(".")
        return findings

    async def one(self, probe: str, **params: Any) -> Finding:
        (finding,) = await self.run(probe, **params)
        return finding
