"""Where the server's port refuses, no API server answers at the usual ports beside it.

A port that nothing listens at looks the same whether its server is gone or never was there. When the port is not one that API
servers usually have, and this cluster's own API server answers at one of those on the same address, the port is likely wrong.
One handshake for each of four ports; nothing is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from bot.model.finding import Finding, Status
from bot.model.observation import Failure, Handshake
from bot.model.target import Endpoint, is_loopback
from bot.probes._shared.addresses import over_addresses
from bot.probes._shared.layers import handshake
from bot.probes._shared.words import listed
from bot.registry import NoParams, ProbeContext, probe

_USUAL = (6443, 443, 8443, 16443)
_MOST_ADDRESSES = 2


@probe(
    outcomes={
        "answers-beside": "this cluster's authority vouches for what answers at a usual port of the same address",
        "nothing-beside": "nothing that is this cluster's answers at the usual ports either",
        "port-not-doubted": "the port does not refuse, is a usual one itself, or others of its machine are not asked",
        "deadline-capped": "the round's time was over before an answer could be expected",
        "no-address": "the name gives no address to connect to",
    },
)
def usual_ports(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    return over_addresses(ctx, _look, nowhere="no-address", most=_MOST_ADDRESSES)


async def _look(ctx: ProbeContext, place: Endpoint) -> Finding:
    target = ctx.cluster.target
    mine = target.proxy_url is not None or target.guarded or is_loopback(place.host)
    below = None if mine or place.port in _USUAL else await ctx.network.connect(place.host, place.port)
    if below is None or below.failure is not Failure.CONNECTION_REFUSED:
        says = f"The port of {place} gives no reason to look at others beside it."
        return ctx.finding(str(place), Status.NOT_APPLICABLE, "port-not-doubted", says)
    beside = [Endpoint(host=place.host, port=port) for port in _USUAL]
    seen = await asyncio.gather(*(handshake(ctx, one) for one in beside))
    evidence = {str(one): _went(handshake) for one, handshake in zip(beside, seen, strict=True)}
    ours = [str(one) for one, handshake in zip(beside, seen, strict=True) if handshake.verified and target.authority_known]
    if ours:
        says = f"{place} refuses, and this cluster's API server answers beside it, at {listed(ours)}."
        return ctx.finding(str(place), Status.PROBLEM, "answers-beside", says, seen=seen, evidence=evidence)
    if any(one.failure is Failure.DEADLINE_CAPPED for one in seen):
        says = f"The usual ports beside {place} had not answered when the round's time was over."
        return ctx.finding(str(place), Status.INCONCLUSIVE, "deadline-capped", says, seen=seen, evidence=evidence)
    says = f"Nothing of this cluster answers at {listed([one.port for one in beside])} beside {place} either."
    return ctx.finding(str(place), Status.OK, "nothing-beside", says, seen=seen, evidence=evidence)


def _went(seen: Handshake) -> str:
    return seen.failure.value if seen.failure else "verified"
