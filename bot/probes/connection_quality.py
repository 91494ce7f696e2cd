"""The way to the server is quick and even, and loses nothing.

The kernel measures round trips and counts what it has to send again on every connection; that is read off those that the ladder
and `fresh-connections` make, some twelve at each address, and none is made for it. Only this machine's own packets are seen to be
lost, not those of the other end. Two connections with loss are needed, because one packet in a hundred is lost anywhere.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from bot.model.finding import Finding, Status
from bot.model.observation import Connection, Handshake
from bot.model.target import Endpoint
from bot.probes._shared import quality
from bot.probes._shared.addresses import over_addresses
from bot.probes._shared.layers import handshake
from bot.probes._shared.row import MOST_ADDRESSES, Row, connections
from bot.registry import NoParams, ProbeContext, probe

_BY_HAND = "By hand: ping -c 50 -i 0.2 {host}; mtr -rwc 50 {host}"


@probe(outcomes=quality.OUTCOMES)
def connection_quality(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    return over_addresses(ctx, _look, most=MOST_ADDRESSES)


async def _look(ctx: ProbeContext, place: Endpoint) -> Finding:
    target = ctx.cluster.target
    if target.proxy_url is not None:
        says = f"A proxy makes the connections to {place}, so that the way behind it cannot be measured from here."
        return ctx.finding(str(place), Status.NOT_APPLICABLE, "proxied", says)
    seen: list[Connection | Handshake] = [await ctx.network.connect(place.host, place.port)]
    if target.scheme == "https":
        if seen[0].ok:
            seen.append(await handshake(ctx, place))
        seen += await connections(ctx, place, Row())
    verdict = quality.judge(seen)
    status = quality.STATUS.get(verdict.outcome, Status.PROBLEM)
    todo = _BY_HAND.format(host=place.host) if status is Status.NOT_CHECKED else None
    return ctx.finding(str(place), status, verdict.outcome, f"{place} {verdict.says}.", evidence=verdict.evidence, todo=todo)
