"""A row of fresh connections to one address, one after another, which several probes look at and nobody makes twice."""

from __future__ import annotations

import asyncio

from pydantic import Field

from bot.model.base import Value
from bot.model.observation import Failure, Handshake
from bot.model.target import Endpoint
from bot.registry import ProbeContext

MOST_ADDRESSES = 4
_IN_A_ROW = 3
_SLOWER = 3.5
_POINTLESS = frozenset({Failure.DEADLINE_CAPPED, Failure.ADDRESS_FORBIDDEN, Failure.NO_ADDRESS_FAMILY})


class Row(Value):
    """How many connections each address gets, and over how many seconds they are spread."""

    connections: int = Field(default=10, ge=2, le=10)
    seconds: float = Field(default=3.0, ge=0, le=8)


async def connections(ctx: ProbeContext, place: Endpoint, row: Row) -> list[Handshake]:
    """One after another. Each begins when its turn has come and the one before has ended; while none works they are further
    apart, so that a return is seen."""
    target, seen = ctx.cluster.target, list[Handshake]()
    for number in range(row.connections):
        if seen:
            failing = len(seen) >= _IN_A_ROW and not any(one.ok for one in seen[-_IN_A_ROW:])
            gap = row.seconds / row.connections * (_SLOWER if failing else 1)
            await asyncio.sleep(max(gap - seen[-1].duration_s, 0))
        one = await ctx.network.fresh_handshake(
            place.host, place.port, server_name=target.server_name, sample=number, proxy_url=target.proxy_url
        )
        seen.append(one)
        if one.failure in _POINTLESS:
            break
    return seen
