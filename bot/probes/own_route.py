"""What goes to the server leaves by the interface that everything else leaves by.

A VPN or a route of this machine's own may cover a range that the cluster's addresses lie in, and lead what is for them elsewhere.
The kernel is asked which way it takes; nothing is sent. Another way is no fault by itself: many clusters are behind a VPN. It
counts where nothing answers. There it is also looked whether this machine runs one of the cluster's API servers itself, because
a balancer in front of it may not be able to send it to itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from bot.model.base import Json
from bot.model.finding import Finding, Status
from bot.model.observation import Connection, Failure, Way
from bot.model.target import Endpoint
from bot.probes._shared.addresses import over_addresses
from bot.probes._shared.own import api_server_here
from bot.registry import NoParams, ProbeContext, probe


@probe(
    outcomes={
        "usual-way": "it leaves as everything else does, as the controls do, or the address is a neighbour's",
        "other-way": "this machine has a route of its own for the address, by another interface than for everything else",
        "asks-itself": "nothing answers, and this machine runs an API server of the cluster itself, at its own address",
        "way-not-told": "this system does not tell its ways, has none, or a proxy makes the connections",
        "no-address": "the name gives no address to connect to",
    },
)
def own_route(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    return over_addresses(ctx, _look, nowhere="no-address")


async def _look(ctx: ProbeContext, place: Endpoint) -> Finding:
    if ctx.cluster.target.proxy_url is not None:
        says = f"The proxy makes the connections to {place}, so this machine's own way there does not matter."
        return ctx.finding(str(place), Status.NOT_APPLICABLE, "way-not-told", says)
    seen = await ctx.network.connect(place.host, place.port)
    way, usual = seen.way, seen.usual_way
    if way is None or usual is None:
        says = f"Which way this machine takes to {place} is not told."
        return ctx.finding(str(place), Status.INCONCLUSIVE, "way-not-told", says, seen=seen)
    here = None
    if seen.failure is Failure.CONNECT_TIMEOUT and way.source:
        here = await api_server_here(ctx, place, way.source)
    if here is not None:
        says = f"{place} is silent, and this machine runs an API server of the cluster itself, at {here}."
        return ctx.finding(str(place), Status.PROBLEM, "asks-itself", says, seen=seen, evidence={"here": str(here)})
    evidence: Json = {"way": way.model_dump(), "usual_way": usual.model_dump()}
    if await _is_usual(ctx, way, usual):
        says = f"What goes to {place} leaves by {way.interface}{_from(way)}, as it should."
        return ctx.finding(str(place), Status.OK, "usual-way", says, seen=seen, evidence=evidence)
    says = f"What goes to {place} leaves by {way.interface}{_from(way)}, everything else by {usual.interface}{_from(usual)}."
    return ctx.finding(str(place), Status.OK, "other-way", says, seen=seen, evidence=evidence)


async def _is_usual(ctx: ProbeContext, way: Way, usual: Way) -> bool:
    if way.interface == usual.interface or (way.gateway is None and not way.tunnel):
        return True
    ways = await asyncio.gather(*(_way_to(ctx, control) for control in ctx.cluster.controls[:2]))
    return any(one is not None and one.interface == way.interface for one in ways)


async def _way_to(ctx: ProbeContext, control: Endpoint) -> Way | None:
    """The way to a control that answers; the same connection as the negative control's."""
    lookup = await ctx.network.lookup(control.host)
    seen: Connection | None = await ctx.network.connect(lookup.addresses[0], control.port) if lookup.addresses else None
    return seen.way if seen is not None and seen.ok else None


def _from(way: Way) -> str:
    return f" from {way.source}" if way.source else ""
