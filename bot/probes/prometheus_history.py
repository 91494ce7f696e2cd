"""For an hour the API servers can be scraped, requests take less than a second, and next to none fail.

These are the values that tell since when: the scrape that failed first and the good one before it, the latency of the slowest of
100 requests, and the rate of server errors, each now and over the hour. What somebody else measured before anybody asked is
nearer to the onset than any look from here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from bot.errors import Unavailable
from bot.model.finding import Finding, Status
from bot.probes._shared import history, scraping
from bot.registry import NoParams, ProbeContext, probe

_SUBJECT = "Prometheus's history"


@probe(needs=("metrics",), outcomes=history.OUTCOMES)
async def prometheus_history(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    reads = ctx.metrics
    if reads is None:
        # That there is none is said once, by prometheus-targets.
        yield ctx.finding(_SUBJECT, Status.NOT_APPLICABLE, "not-configured", "No Prometheus is configured for this cluster.")
        return
    try:
        place = await scraping.place_of(ctx, 0)
        api = scraping.matchers(await reads.targets(), place, reads).apis
        found = await history.read(reads, api, ctx.clock.now()) if api else []
    except Unavailable as error:
        says = f"Not checked: {error.what}."
        yield ctx.finding(_SUBJECT, Status.NOT_CHECKED, "not-answered", says, todo=error.next or None, raw_error=str(error))
        return
    for said in found:
        yield ctx.finding(said.subject, said.status, said.outcome, f"{said.says}.", evidence=said.evidence)
    if not found:
        says = "Prometheus has no history of this cluster's API servers."
        yield ctx.finding(_SUBJECT, Status.INCONCLUSIVE, "not-told", says)
