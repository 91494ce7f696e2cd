"""The balancer in front of the API servers has them all up, by its own checks, and takes sessions.

Behind a balancer nearly every fault looks the same to clients; what its own checks meet tells them apart. HAProxy is asked for
its statistics where the cluster's `balancer` says: each API server's state, since when, and how its last check ended; how many
are left; whether the frontend has room. Where servers are up it is asked again some seconds later, to see what comes and goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from pydantic import Field

from bot.model.balancer import BalancerStatistics
from bot.model.base import Value
from bot.model.finding import Finding
from bot.model.target import Balancer
from bot.ports import BalancerReads, StatisticsUnavailable
from bot.probes._shared import backends
from bot.probes._shared.balancer import Backend, NotTold, choose
from bot.probes._shared.balancer_reads import known_places, told, unread, watch
from bot.registry import ProbeContext, probe

_TODO = "echo 'show stat' | socat stdio /run/haproxy/admin.sock | cut -d, -f1,2,18,24,37,38,57"


class Params(Value):
    """``seconds`` lie between two readings, where servers are up; with 0 there is one."""

    seconds: float = Field(default=3.0, ge=0, le=8)


@probe(needs=("balancer",), params=Params, outcomes=backends.OUTCOMES)
async def balancer_statistics(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
    if ctx.balancer is None:
        says = "No balancer is configured that tells of itself; HAProxy can, where the cluster's key balancer says."
        yield ctx.finding("balancer", backends.STATUS["none-configured"], "none-configured", says, todo=_TODO)
        return
    async with asyncio.TaskGroup() as group:
        looks = [
            group.create_task(_look(ctx, ctx.balancer, one, params), name=f"balancer {one.called}")
            for one in ctx.balancer.balancers
        ]
    for look in looks:
        for finding in look.result():
            yield finding


async def _look(ctx: ProbeContext, reads: BalancerReads, one: Balancer, params: Params) -> list[Finding]:
    known = await known_places(ctx)

    def chosen(said: BalancerStatistics) -> list[Backend]:
        return choose(said, wanted=one.backend, hosts=known.hosts, ports=known.ports)

    try:
        first, last = await watch(reads, one, chosen, seconds=params.seconds)
        return [finding for backend in chosen(last) for finding in told(ctx, one, backend, last, first, known)]
    except StatisticsUnavailable as error:
        return [await unread(ctx, one, error, todo=_TODO)]
    except NotTold as error:
        says = f"The balancer {one.called} tells its statistics, and {error}."
        todo = "Say backend: NAME beside it in the configuration."
        return [ctx.finding(one.called, backends.STATUS["backend-not-told"], "backend-not-told", says, todo=todo)]
