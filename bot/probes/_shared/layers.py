"""The layers below a probe's own, asked again at no cost: the network does each operation once per round.

A probe of an upper layer says ``not-reached`` where a lower one fails, so that one fault is one problem, not five.
"""

from __future__ import annotations

from bot.model.base import Json, Value
from bot.model.finding import Finding, Status
from bot.model.observation import CERTIFICATE_FAILURES, Failure, Handshake, Observation
from bot.model.target import Endpoint
from bot.registry import ProbeContext

# Needs no rights, touches no storage, and every API server has it.
VERSION_PATH = "/version"

ALPN = ("h2", "http/1.1")

_OF_THE_PROXY = frozenset({Failure.PROXY_FAILED, Failure.PROXY_GATEWAY, Failure.LOCAL_FAILURE, Failure.DEADLINE_CAPPED})


async def handshake(
    ctx: ProbeContext, place: Endpoint, *, alpn: tuple[str, ...] = ALPN, max_segment: int | None = None
) -> Handshake:
    """A handshake, as clients do it unless told otherwise; every probe asks in the same words, so that it is done once."""
    target = ctx.cluster.target
    return await ctx.network.handshake(
        place.host,
        place.port,
        server_name=target.server_name,
        ca_pem=target.ca_pem,
        alpn=alpn,
        max_segment=max_segment,
        proxy_url=target.proxy_url,
    )


async def reach(ctx: ProbeContext, place: Endpoint) -> Observation:
    """The TCP connection. Behind a proxy it is the proxy's to make, and only a tunnel that is used shows whether it did;
    what fails in the tunnel belongs to the layers above."""
    target = ctx.cluster.target
    if target.proxy_url is None:
        return await ctx.network.connect(place.host, place.port)
    used: Observation
    if target.scheme == "http":
        used = await ctx.network.plaintext(place.host, place.port, proxy_url=target.proxy_url)
    else:
        used = await handshake(ctx, place)
    if used.failure in _OF_THE_PROXY:
        return used
    return Observation(started_at=used.started_at, duration_s=used.duration_s)


class Peer(Value):
    """What is below HTTP at one address. ``verified``: chain and name were checked, so credentials may be sent.
    ``obstacle`` is the failure that keeps HTTP from being asked at all; ``flaw`` the one that leaves the peer unverified."""

    verified: bool = False
    obstacle: str | None = None
    flaw: str | None = None
    seen: Observation


async def peer(ctx: ProbeContext, place: Endpoint) -> Peer:
    """Whether HTTP can be asked at this address, and whether what answers there has proved who it is."""
    connection = await reach(ctx, place)
    if not connection.ok:
        return Peer(obstacle=_name(connection), seen=connection)
    if ctx.cluster.target.scheme == "http":
        return Peer(flaw="plain-http", seen=connection)
    seen = await handshake(ctx, place)
    if seen.failure in CERTIFICATE_FAILURES:
        return Peer(flaw=_name(seen), seen=seen)
    return Peer(verified=seen.verified, obstacle=_name(seen) if seen.failure else None, seen=seen)


def _name(seen: Observation) -> str:
    return (seen.failure or Failure.LOCAL_FAILURE).value


def not_reached(ctx: ProbeContext, place: Endpoint, obstacle: str, seen: Observation, evidence: Json | None = None) -> Finding:
    """The finding of a layer that cannot be looked at because the one below it fails."""
    sentence = f"{place} is not asked, because the layer below fails: {obstacle}."
    return ctx.finding(
        str(place), Status.NOT_APPLICABLE, "not-reached", sentence, seen=seen, evidence={"below": obstacle, **(evidence or {})}
    )
