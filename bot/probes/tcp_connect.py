"""The port accepts TCP connections at every address of the server.

A refusal, a rejection, silence and a missing route look alike to most clients and have different causes, so each has
its own outcome. After a refusal the socket's error queue tells a reset from a rejecting firewall, and names the sender.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from bot.model.base import Json
from bot.model.finding import Finding, Status
from bot.model.observation import Connection
from bot.model.target import Endpoint
from bot.probes._shared import connecting
from bot.probes._shared.addresses import over_addresses, places
from bot.probes._shared.direct import past_the_proxy
from bot.probes._shared.layers import reach
from bot.probes._shared.words import took
from bot.registry import NoParams, ProbeContext, probe


@probe(outcomes=connecting.OUTCOMES)
def tcp_connect(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    return over_addresses(ctx, _look, nowhere="no-address")


async def _look(ctx: ProbeContext, place: Endpoint) -> Finding:
    seen = await reach(ctx, place)
    evidence: Json = {"duration_s": seen.duration_s, "proxied": ctx.cluster.target.proxy_url is not None}
    if isinstance(seen, Connection):
        evidence["local_address"] = seen.local_address or (seen.way.source if seen.way else None)
        evidence["interface"] = seen.way.interface if seen.way else None
        evidence.update(seen.reject.model_dump() if seen.reject else {})
    if seen.ok:
        sentence = f"{place} accepts connections, in {took(seen.duration_s)}."
        return ctx.finding(str(place), Status.OK, "connected", sentence, seen=seen, evidence=evidence)
    outcome = connecting.outcome_of(seen)
    if outcome == "no-address-family" and not await _has_other_family(ctx, place):
        outcome = "no-local-route"
    if outcome == "proxy-gateway" and (direct := await past_the_proxy(ctx, place)) is not None:
        evidence["past_the_proxy"] = direct.failure.value if direct.failure else "connected"
        outcome = "proxy-gateway-only" if direct.ok else outcome
    status, sentence = connecting.status_of(outcome), connecting.said_of(outcome, place, seen)
    return ctx.finding(str(place), status, outcome, sentence, seen=seen, evidence=evidence)


async def _has_other_family(ctx: ProbeContext, place: Endpoint) -> bool:
    """Whether the name has an address that is not of this one's family, for clients to use."""
    return any((":" in other.host) != (":" in place.host) for other in await places(ctx))
