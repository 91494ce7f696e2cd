"""Every one of ten fresh connections works, one after another, and the same servers answer them all.

One connection sees by luck only what comes and goes: one dead server of two behind a balancer without checks, a process
that restarts, a fault that heals while it is looked at. So each address gets ten, one at a time, spread over 3 s, and a
refused one costs nothing above TCP. While none works they are further apart, so that a return is seen.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from bot.model.finding import Finding, Status
from bot.model.observation import Failure
from bot.model.target import Endpoint
from bot.probes._shared import fresh
from bot.probes._shared.addresses import over_addresses
from bot.probes._shared.row import MOST_ADDRESSES, Row, connections
from bot.registry import ProbeContext, probe


@probe(outcomes=fresh.OUTCOMES, params=Row)
def fresh_connections(ctx: ProbeContext, params: Row) -> AsyncGenerator[Finding, None]:
    async def look(ctx: ProbeContext, place: Endpoint) -> Finding:
        return await _look(ctx, place, params)

    return over_addresses(ctx, look, most=MOST_ADDRESSES)


async def _look(ctx: ProbeContext, place: Endpoint, params: Row) -> Finding:
    target = ctx.cluster.target
    if target.scheme == "http":
        sentence = f"{place} is configured as plain http, so there are no handshakes to compare."
        return ctx.finding(str(place), Status.NOT_APPLICABLE, "plain-http-target", sentence)
    seen = await connections(ctx, place, params)
    if all(one.failure is Failure.LOCAL_FAILURE for one in seen):
        sentence = f"This machine cannot open fresh connections to {place}: {seen[-1].raw_error or 'no reason given'}."
        return ctx.finding(str(place), Status.ERROR, "local-failure", sentence, seen=seen)
    # The ladder's own connection is one more that failed; that it was taken says too little.
    first = [] if target.proxy_url else [await ctx.network.connect(place.host, place.port)]
    tries = fresh.tries_of([*seen, *(one for one in first if not one.ok)])
    verdict = fresh.judge(tries, target, ctx.clock.now())
    status = fresh.STATUS.get(verdict.outcome, Status.PROBLEM)
    return ctx.finding(str(place), status, verdict.outcome, f"{place} {verdict.says}.", seen=seen, evidence=verdict.evidence)
