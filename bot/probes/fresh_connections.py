"""Every one of ten fresh connections works, one after another, and the same servers answer them all.

One connection sees by luck only what comes and goes: one dead server of two behind a balancer without checks, a process
that restarts, a fault that heals while it is looked at. So each address gets ten, one at a time, spread over 3 s, and a
refused one costs nothing above TCP. While none works they are further apart, so that a return is seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from pydantic import Field

from bot.model.base import Value
from bot.model.finding import Finding, Status
from bot.model.observation import Failure, Handshake
from bot.model.target import Endpoint
from bot.probes._shared import fresh
from bot.probes._shared.addresses import over_addresses
from bot.registry import ProbeContext, probe

_MOST_ADDRESSES = 4
_IN_A_ROW = 3
_SLOWER = 3.5
_POINTLESS = frozenset({Failure.DEADLINE_CAPPED, Failure.ADDRESS_FORBIDDEN, Failure.NO_ADDRESS_FAMILY})


class Params(Value):
    """How many connections each address gets, and over how many seconds they are spread."""

    connections: int = Field(default=10, ge=2, le=10)
    seconds: float = Field(default=3.0, ge=0, le=8)


@probe(outcomes=fresh.OUTCOMES, params=Params)
def fresh_connections(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
    async def look(ctx: ProbeContext, place: Endpoint) -> Finding:
        return await _look(ctx, place, params)

    return over_addresses(ctx, look, most=_MOST_ADDRESSES)


async def _look(ctx: ProbeContext, place: Endpoint, params: Params) -> Finding:
    target = ctx.cluster.target
    if target.scheme == "http":
        sentence = f"{place} is configured as plain http, so there are no handshakes to compare."
        return ctx.finding(str(place), Status.NOT_APPLICABLE, "plain-http-target", sentence)
    seen = await _connections(ctx, place, params)
    if all(one.failure is Failure.LOCAL_FAILURE for one in seen):
        sentence = f"This machine cannot open fresh connections to {place}: {seen[-1].raw_error or 'no reason given'}."
        return ctx.finding(str(place), Status.ERROR, "local-failure", sentence, seen=seen)
    # The ladder's own connection is one more that failed; that it was taken says too little.
    first = [] if target.proxy_url else [await ctx.network.connect(place.host, place.port)]
    tries = fresh.tries_of([*seen, *(one for one in first if not one.ok)])
    verdict = fresh.judge(tries, target, ctx.clock.now())
    status = fresh.STATUS.get(verdict.outcome, Status.PROBLEM)
    return ctx.finding(str(place), status, verdict.outcome, f"{place} {verdict.says}.", seen=seen, evidence=verdict.evidence)


async def _connections(ctx: ProbeContext, place: Endpoint, params: Params) -> list[Handshake]:
    """One after another. Each begins when its turn has come and the one before has ended."""
    target, seen = ctx.cluster.target, list[Handshake]()
    for number in range(params.connections):
        if seen:
            failing = len(seen) >= _IN_A_ROW and not any(one.ok for one in seen[-_IN_A_ROW:])
            gap = params.seconds / params.connections * (_SLOWER if failing else 1)
            await asyncio.sleep(max(gap - seen[-1].duration_s, 0))
        one = await ctx.network.fresh_handshake(
            place.host, place.port, server_name=target.server_name, sample=number, proxy_url=target.proxy_url
        )
        seen.append(one)
        if one.failure in _POINTLESS:
            break
    return seen
