"""Probing from this very process.

This is the boundary around every probe: here a probe gets its context, its deadline and only the ports it declared, and
here whatever goes wrong inside it becomes a finding. One probe never stops another.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from bot.clock import Clock
from bot.model.base import Json
from bot.model.finding import Finding, Status
from bot.model.target import Target
from bot.model.vantage import BOT, Vantage
from bot.ports import (
    BalancerAccess,
    BalancerReads,
    ClusterAccess,
    Credentials,
    KubernetesReads,
    MetricsAccess,
    MetricsReads,
    Network,
)
from bot.registry import BOUNDARY_OUTCOMES, Probe, ProbeContext
from bot.vantage.gate import GatedReads

_log = structlog.get_logger(__name__)

# What a probe may take to say that its last operation timed out.
_GRACE_S = 0.2


class ClosableNetwork(Network, Protocol):
    """A network whose operations belong to one round and end with it."""

    async def aclose(self) -> None: ...


class ClosableReads(KubernetesReads, Protocol):
    """Kubernetes reads whose connections belong to one round."""

    def requests_made(self) -> int: ...

    async def aclose(self) -> None: ...


class ClosableMetrics(MetricsReads, Protocol):
    """Questions to a Prometheus whose connections belong to one round."""

    async def aclose(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class LocalVantage:
    """The vantage point of this process. The factories make one round's network, its Kubernetes reads, and its questions to
    the cluster's Prometheus and balancers."""

    probes: Mapping[str, Probe[Any]]
    clock: Clock
    make_network: Callable[[Target, float], ClosableNetwork]
    make_api: Callable[[Target, Credentials | None], ClosableReads]
    make_metrics: Callable[[MetricsAccess, Clock], ClosableMetrics] | None = None
    make_balancer: Callable[[Sequence[BalancerAccess]], BalancerReads] | None = None
    vantage: Vantage = BOT

    def open_round(self, access: ClusterAccess, *, round: int, ladder_deadline: float) -> LocalRound:
        return LocalRound(
            self,
            access=access,
            round=round,
            network=self.make_network(access.cluster.target, ladder_deadline),
            api=self.make_api(access.cluster.target, access.credentials) if access.credentials else None,
            metrics=self.make_metrics(access.metrics, self.clock) if access.metrics and self.make_metrics else None,
        )


class LocalRound:
    """One round here; implements ``ports.ProbeRound``."""

    def __init__(
        self,
        place: LocalVantage,
        *,
        access: ClusterAccess,
        round: int,
        network: ClosableNetwork,
        api: ClosableReads | None,
        metrics: ClosableMetrics | None = None,
    ) -> None:
        self._place = place
        self._access = access
        self._round = round
        self._network = network
        self._api = api
        self._metrics = metrics
        self._balancer = place.make_balancer(access.balancers) if access.balancers and place.make_balancer else None
        self._gated = None if api is None else GatedReads(api, network, access.cluster.target)

    def requests_made(self) -> int:
        """HTTP requests to API servers, health and object reads together."""
        return self._network.requests_made() + (0 if self._api is None else self._api.requests_made())

    async def aclose(self) -> None:
        closing: list[Awaitable[None]] = [self._network.aclose()]
        if self._api is not None:
            closing.append(self._api.aclose())
        if self._metrics is not None:
            closing.append(self._metrics.aclose())
        await asyncio.gather(*closing)

    async def run(self, probe: str, params: Json, *, deadline: float) -> AsyncIterator[Finding]:
        """The probe's findings; an exception becomes an ``error`` finding, a passed deadline a ``not-checked`` one."""
        found = self._place.probes.get(probe)
        if found is None:
            yield self._boundary(probe, params, Status.NOT_CHECKED, "not-checked", f"Not checked: no probe {probe} here.")
            return
        context = self._context(found, params, deadline)
        findings = _findings(found, context)
        try:
            ended = False
            while not ended:
                finding, ended = await self._next(findings, found, context)
                if finding is not None:
                    yield finding
        finally:
            await self._close(findings, found)

    async def _next(
        self, findings: AsyncGenerator[Finding, None], probe: Probe[Any], context: ProbeContext
    ) -> tuple[Finding | None, bool]:
        """The next finding, if there is one, and whether it was the last."""
        left = context.deadline + _GRACE_S - self._place.clock.monotonic()
        scope = asyncio.timeout(max(left, 0))
        try:
            async with scope:
                finding = await anext(findings)
        except StopAsyncIteration:
            return None, True
        except Exception as error:  # noqa: BLE001 - the probe boundary
            if scope.expired() and isinstance(error, TimeoutError):
                sentence = "Not checked: the round's time was over before this answered."
                return self._boundary(probe.id, context.params, Status.NOT_CHECKED, "deadline-passed", sentence), True
            _log.exception("probe-failed", probe=probe.id, cluster=context.cluster.name)
            sentence = f"The probe itself failed ({type(error).__name__}); this says nothing about the cluster."
            return self._boundary(probe.id, context.params, Status.ERROR, "probe-error", sentence, raw=repr(error)), True
        if finding.outcome not in probe.outcomes and finding.outcome not in BOUNDARY_OUTCOMES:
            _log.error("undeclared-outcome", probe=probe.id, outcome=finding.outcome)
            sentence = f"The probe concluded with {finding.outcome}, which it does not declare."
            return self._boundary(probe.id, context.params, Status.ERROR, "probe-error", sentence), True
        return finding, False

    async def _close(self, findings: AsyncGenerator[Finding, None], probe: Probe[Any]) -> None:
        """What a probe does on its way out is inside the boundary as well."""
        try:
            await findings.aclose()
        except Exception:  # noqa: BLE001 - the probe boundary
            _log.exception("probe-failed", probe=probe.id, cluster=self._access.cluster.name)

    def _context(self, probe: Probe[Any], params: Json, deadline: float) -> ProbeContext:
        return ProbeContext(
            probe=probe.id,
            params=params,
            cluster=self._access.cluster,
            vantage=self._place.vantage,
            round=self._round,
            network=self._network,
            clock=self._place.clock,
            deadline=deadline,
            credentials=self._access.credentials,
            api=self._gated if "api" in probe.needs else None,
            metrics=self._metrics if "metrics" in probe.needs else None,
            balancer=self._balancer if "balancer" in probe.needs else None,
            etcd=self._access.etcd if "etcd" in probe.needs else None,
            problems=self._access.problems,
        )

    def _boundary(
        self, probe: str, params: Json, status: Status, outcome: str, sentence: str, *, raw: str | None = None
    ) -> Finding:
        return Finding(
            probe=probe,
            params=params,
            vantage=self._place.vantage,
            subject=probe,
            round=self._round,
            status=status,
            outcome=outcome,
            sentence=sentence,
            raw_error=raw,
            started_at=self._place.clock.now(),
        )


async def _findings(probe: Probe[Any], context: ProbeContext) -> AsyncGenerator[Finding, None]:
    """The probe with its parameters checked; a generator from the start, so that nothing fails outside the boundary."""
    async with contextlib.aclosing(probe.run(context, probe.validate(context.params))) as findings:
        async for finding in findings:
            yield finding
