"""Packets as large as this machine sends them pass on the way to the server, and back.

A handshake with a first message that fills more than one packet is compared with the usual one, and with one in small segments
where it hangs. Datagrams of 1500 bytes that nobody may take apart say what a router on the way, or the link, takes. No rights
are needed; other systems than Linux do not tell sizes. A large first message is nothing odd: clients with post-quantum keys
send one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from bot.model.finding import Finding, Status
from bot.model.target import Endpoint
from bot.probes._shared import sizes
from bot.probes._shared.addresses import over_addresses
from bot.probes._shared.layers import handshake, not_reached
from bot.probes._shared.row import MOST_ADDRESSES
from bot.registry import NoParams, ProbeContext, probe

_BY_HAND = "By hand: ping -c 3 -M do -s 1472 {host}; ping -c 3 -M do -s 1200 {host}; tracepath -n {host}"


@probe(outcomes=sizes.OUTCOMES)
def path_mtu(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    return over_addresses(ctx, _look, most=MOST_ADDRESSES)


async def _look(ctx: ProbeContext, place: Endpoint) -> Finding:
    target = ctx.cluster.target
    if target.proxy_url is not None or target.scheme == "http":
        outcome, why = (
            ("proxied", "a proxy makes the connections") if target.proxy_url else ("plain-http-target", "it is plain http")
        )
        return ctx.finding(str(place), Status.NOT_APPLICABLE, outcome, f"Sizes of packets to {place} are not compared: {why}.")
    connection = await ctx.network.connect(place.host, place.port)
    if connection.failure is not None:
        return not_reached(ctx, place, connection.failure.value, connection)
    seen = sizes.Seen(connection=connection, normal=await handshake(ctx, place))
    seen = await _compare(ctx, place, seen)
    verdict = sizes.judge(seen)
    status = sizes.STATUS.get(verdict.outcome, Status.PROBLEM)
    todo = _BY_HAND.format(host=place.host) if status is Status.NOT_CHECKED else None
    says, shown = f"{place} {verdict.says}.", sizes.evidence(seen)
    return ctx.finding(str(place), status, verdict.outcome, says, seen=seen.normal, evidence=shown, todo=todo)


async def _compare(ctx: ProbeContext, place: Endpoint, seen: sizes.Seen) -> sizes.Seen:
    """What was sent in large packets, and where that hangs the same in small ones."""
    alpn = sizes.filler(seen.connection)
    async with asyncio.TaskGroup() as group:
        asked = ctx.network.packets(place.host, place.port, sizes=(sizes.SMALL, sizes.FULL, sizes.LARGER))
        packets = group.create_task(asked, name=f"packets to {place}")
        if sizes.through(seen.normal):
            large = await handshake(ctx, place, alpn=alpn)
            in_small = await handshake(ctx, place, alpn=alpn, max_segment=sizes.SMALL_SEGMENT) if sizes.hangs(large) else None
            seen = seen.model_copy(update={"large": large, "large_in_small": in_small})
        elif sizes.hangs(seen.normal):
            seen = seen.model_copy(update={"small": await handshake(ctx, place, max_segment=sizes.SMALL_SEGMENT)})
    seen = seen.model_copy(update={"packets": packets.result()})
    if (sizes.hangs(seen.normal) or sizes.hangs(seen.large)) and sizes.is_small_one_answered(seen.packets):
        seen = seen.model_copy(update={"between": await ctx.network.packets(place.host, place.port, sizes=sizes.BETWEEN)})
    return seen
