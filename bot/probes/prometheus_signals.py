"""The API servers' processes run through with files to spare, and etcd has a leader, space and all of its clients.

Prometheus keeps what a process said of itself last: open files before it took no more connections, starts of a crash loop, the
size of etcd before it refused writes. And etcd tells whether an API server that refuses is gone: a process that ends takes its
watches there with it, and one that only listens elsewhere does not. Values that are due are waited for, `seconds` at the most.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

from pydantic import Field

from bot.errors import Unavailable
from bot.model.base import Value
from bot.model.finding import Finding, Status
from bot.model.metrics import Role
from bot.ports import MetricsReads
from bot.probes._shared import scrapes, scraping, signals
from bot.registry import ProbeContext, probe

_SUBJECT = "Prometheus's values"


class Params(Value):
    """``seconds``: how long values that are due are waited for."""

    seconds: float = Field(default=45.0, ge=0, le=55)


@probe(needs=("metrics",), params=Params, outcomes=signals.OUTCOMES)
async def prometheus_signals(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
    reads = ctx.metrics
    if reads is None:
        # That there is none is said once, by prometheus-targets.
        says = "No Prometheus is configured for this cluster."
        yield ctx.finding(_SUBJECT, Status.NOT_APPLICABLE, "not-configured", says)
        return
    try:
        found = await _signals(ctx, reads, params.seconds)
    except Unavailable as error:
        says = f"Not checked: {error.what}."
        yield ctx.finding(_SUBJECT, Status.NOT_CHECKED, "not-answered", says, todo=error.next or None, raw_error=str(error))
        return
    for said in found:
        yield ctx.finding(said.subject, said.status, said.outcome, f"{said.says}.", evidence=said.evidence, warning=said.warning)
    if not found:
        says = "Prometheus has no values of this cluster's API servers and of etcd that tell something."
        yield ctx.finding(_SUBJECT, Status.INCONCLUSIVE, "not-told", says)


async def _signals(ctx: ProbeContext, reads: MetricsReads, patience_s: float) -> list[signals.Said]:
    place = await scraping.place_of(ctx, patience_s)
    targets = await reads.targets()
    of = scraping.matchers(targets, place, reads)
    servers = len({one.address for one in targets if one.role is Role.APISERVER})
    failing = place.failed_at is not None
    refusing = await _refusing(ctx, reads, place) if failing and of.etcd else 0
    asked: list[Coroutine[Any, Any, list[signals.Said]]] = []
    if of.apis:
        asked.append(signals.of_processes(reads, of.apis, failing=failing))
    if of.etcd:
        asked.append(signals.of_etcd(reads, of.etcd))
    if of.etcd and failing:
        asked.append(signals.of_watches(ctx, reads, place, of.etcd, servers=servers, refusing=refusing))
    if of.nodes and failing:
        asked.append(signals.of_queues(ctx, reads, place, of.nodes))
    return [said for group in await asyncio.gather(*asked) for said in group]


async def _refusing(ctx: ProbeContext, reads: MetricsReads, place: scraping.Place) -> int:
    """How many API servers it is that clients ask, where all of them refuse Prometheus now; else 0."""
    meant = await scraping.settled_apis(ctx, reads, place)
    return len(meant) if meant and all(scrapes.kind_of(one) == "refused" for one in meant) else 0
