"""The API servers that answer have run for a while, and go on answering.

An API server presents a certificate that it made at its start to whoever asks for its loopback client's name, with the second
of its start in it. Three handshakes tell how many servers are behind an address and since when each runs. Where one is young, or
a handshake fails, more follow, so that one that starts and dies again is told from one that shares its address with a dead one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from pydantic import Field

from bot.model.base import Value
from bot.model.finding import Finding, Status
from bot.model.observation import Handshake
from bot.model.target import Endpoint
from bot.probes._shared import starts
from bot.probes._shared.addresses import over_addresses
from bot.probes._shared.row import MOST_ADDRESSES
from bot.registry import ProbeContext, probe

_FEW, _MOST = 3, 24
_GAP_S, _LATER_GAP_S, _LATER_S = 0.9, 1.6, 8.0
_TO_SPARE_S = 0.3


class Params(Value):
    """``seconds``: for how long what comes and goes is looked at. What never answers is left after eight of them."""

    seconds: float = Field(default=8.0, ge=0, le=40)


@probe(outcomes=starts.OUTCOMES, params=Params)
def apiserver_starts(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
    async def look(ctx: ProbeContext, place: Endpoint) -> Finding:
        return await _look(ctx, place, params.seconds)

    return over_addresses(ctx, look, most=MOST_ADDRESSES)


async def _look(ctx: ProbeContext, place: Endpoint, seconds: float) -> Finding:
    target = ctx.cluster.target
    if target.proxy_url is not None or target.scheme == "http":
        says = f"The starts of the API servers behind {place} are not looked at: a proxy is in between, or plain http."
        return ctx.finding(str(place), Status.NOT_APPLICABLE, "proxied", says)
    seen = await _handshakes(ctx, place, seconds)
    samples = starts.samples_of(seen)
    verdict = starts.judge(samples, ctx.clock.now())
    status = starts.STATUS.get(verdict.outcome, Status.PROBLEM)
    says, shown = f"{place} {verdict.says}.", starts.evidence(samples)
    return ctx.finding(str(place), status, verdict.outcome, says, seen=seen, evidence=shown, warning=verdict.warning)


async def _handshakes(ctx: ProbeContext, place: Endpoint, seconds: float) -> list[Handshake]:
    """One after another, until nothing more is to be expected of them or the time is over."""
    begin, seen = ctx.clock.monotonic(), list[Handshake]()
    for number in range(_MOST):
        one = await ctx.network.fresh_handshake(
            place.host, place.port, server_name=starts.LOOPBACK_NAME, sample=number, deadline=ctx.deadline
        )
        seen.append(one)
        samples, spent = starts.samples_of(seen), ctx.clock.monotonic() - begin
        settled = len(seen) >= _FEW and starts.is_steady(samples, ctx.clock.now())
        in_vain = spent > _LATER_S and not starts.processes(samples)
        if settled or in_vain or not samples or any(not item.failed and item.process is None for item in samples):
            break
        gap = _GAP_S if spent < _LATER_S else _LATER_GAP_S
        if spent + gap > seconds or ctx.clock.monotonic() + gap + _TO_SPARE_S > ctx.deadline:
            break
        await asyncio.sleep(max(gap - one.duration_s, 0))
    return seen
