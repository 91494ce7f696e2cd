"""Prometheus can scrape the API servers at their own addresses, etcd, their machines and the balancer.

It is a second look from a second place: whoever is refused or met with silence cannot tell a dead process from a closed way,
and who looks from inside can. Only scrapes count that began after the failure was seen from here; those that are due are waited
for, `seconds` at the most, while the first verdict stands already.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from pydantic import Field

from bot.errors import Unavailable
from bot.model.base import Value
from bot.model.finding import Finding, Status
from bot.probes._shared import scrapes, scraping
from bot.registry import ProbeContext, probe

_SUBJECT = "Prometheus"
_CONFIGURE = "Configure the cluster's `prometheus:`, or look at its page of targets: /targets."
_TODO = {
    "no-such-target": "Let Prometheus scrape the API servers (the chart has a ServiceMonitor), or set `jobs` and `match` of the "
    "cluster's `prometheus:`.",
    "clusters-mixed": "Set `match` of the cluster's `prometheus:` to this cluster's label.",
}


class Params(Value):
    """``seconds``: how long scrapes that are due are waited for."""

    seconds: float = Field(default=45.0, ge=0, le=55)


@probe(needs=("metrics",), params=Params, outcomes=scrapes.OUTCOMES)
async def prometheus_targets(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
    if ctx.metrics is None:
        says = "No Prometheus is configured for this cluster, so there is no look from inside."
        yield ctx.finding(_SUBJECT, Status.NOT_CHECKED, "not-configured", says, todo=_CONFIGURE)
        return
    try:
        place = await scraping.place_of(ctx, params.seconds)
        async with aclosing(scraping.told(ctx, ctx.metrics, place)) as told:
            async for said in told:
                yield ctx.finding(
                    said.subject,
                    said.status,
                    said.outcome,
                    f"{said.says}.",
                    evidence=said.evidence,
                    raw_error=said.raw_error,
                    warning=said.warning,
                    todo=_TODO.get(said.outcome),
                )
    except Unavailable as error:
        says = f"Not checked: {error.what}."
        yield ctx.finding(_SUBJECT, Status.NOT_CHECKED, "not-answered", says, todo=error.next or None, raw_error=str(error))
