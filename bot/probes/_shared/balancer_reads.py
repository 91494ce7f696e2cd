"""What the look at a balancer needs around it: by what it may know the API servers, what is told of them, and what
it means when nothing is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.model.balancer import BalancerRow, BalancerStatistics
from bot.model.finding import Finding, Status
from bot.model.observation import Failure
from bot.model.target import Balancer, Endpoint
from bot.ports import BalancerReads, StatisticsUnavailable
from bot.probes._shared import backends
from bot.probes._shared.addresses import places
from bot.probes._shared.backends import STATUS
from bot.probes._shared.balancer import Backend
from bot.probes._shared.balancer import place as address_of
from bot.registry import ProbeContext

_USUAL_PORT = 6443
_TAKES_NOTHING = frozenset({Failure.CONNECTION_REFUSED, Failure.CONNECTION_RESET})
_MOST_NODES = 5
_REASONS_S = 2.5
_STEP_S = 0.2
_MOST_SERVERS = 12


@dataclass(frozen=True, kw_only=True)
class Known:
    """Addresses that API servers are known by, the ports that they may be at, and the nodes' own ports by address. The
    target's port is the balancer's, which may be that of something else behind it."""

    hosts: frozenset[str]
    ports: frozenset[int]
    nodes: Mapping[str, int]


async def known_places(ctx: ProbeContext) -> Known:
    """By the nodes that are configured, and by the target's own addresses."""
    configured = ctx.cluster.nodes[:_MOST_NODES]
    lookups = await asyncio.gather(*(ctx.network.lookup(node.host) for node in configured))
    nodes = {host: node.port for node, lookup in zip(configured, lookups, strict=True) for host in (node.host, *lookup.addresses)}
    own = () if ctx.cluster.target.proxy_url is not None else await places(ctx)
    hosts = frozenset({*nodes, *(place.host for place in own)})
    return Known(hosts=hosts, ports=frozenset({_USUAL_PORT, *nodes.values()}), nodes=nodes)


async def unread(ctx: ProbeContext, balancer: Balancer, error: StatisticsUnavailable, *, todo: str) -> Finding:
    """A balancer that tells nothing. Only together with what the API server's own address does is that more than a thing that
    could not be looked at: statistics may be firewalled, or their URL wrong."""
    outcome, says = "statistics-unreachable", f"The statistics of {balancer.called} cannot be read: {error.what.rstrip('.')}."
    if error.how is Failure.CONNECTION_REFUSED and await _refuses(ctx):
        outcome = "statistics-refused"
        says = f"The balancer refuses at {balancer.called}, where its statistics are, and at the API server's address alike."
    elif (error.how is Failure.HTTP_TIMEOUT or await _takes(ctx, balancer, error)) and await _hangs(ctx):
        outcome = "statistics-silent"
        says = f"The balancer takes connections at {balancer.called} and at the API server's address, and answers none."
    subject = balancer.called
    return ctx.finding(subject, STATUS.get(outcome, Status.PROBLEM), outcome, says, todo=error.next or todo, raw_error=str(error))


async def _refuses(ctx: ProbeContext) -> bool:
    """Whether no address of the target takes connections, each by a refusal."""
    if ctx.cluster.target.proxy_url is not None:
        return False
    found = await places(ctx)
    seen = await asyncio.gather(*(ctx.network.connect(place.host, place.port) for place in found))
    return bool(seen) and all(one.failure in _TAKES_NOTHING for one in seen)


async def _takes(ctx: ProbeContext, balancer: Balancer, error: StatisticsUnavailable) -> bool:
    """Whether a page by TLS takes connections at least: its client counts the handshake as part of the connection."""
    place = balancer.place
    if error.how is not Failure.CONNECT_TIMEOUT or place is None or not balancer.url.startswith("https:"):
        return False
    lookup = await ctx.network.lookup(place.host)
    return bool(lookup.addresses) and (await ctx.network.connect(lookup.addresses[0], place.port)).failure is None


async def _hangs(ctx: ProbeContext) -> bool:
    """Whether every address of the target takes connections and leaves TLS, and plain text, unanswered."""
    target = ctx.cluster.target
    if target.proxy_url is not None or target.scheme != "https":
        return False
    found = await places(ctx)
    said = await asyncio.gather(*(_silent(ctx, place) for place in found))
    return bool(said) and all(said)


async def _silent(ctx: ProbeContext, place: Endpoint) -> bool:
    """Whether nothing is answered at all. Where plain text is, something on the way swallows what is large, or is TLS."""
    target = ctx.cluster.target
    seen = await ctx.network.handshake(place.host, place.port, server_name=target.server_name, ca_pem=target.ca_pem)
    if seen.failure is not Failure.TLS_TIMEOUT:
        return False
    return (await ctx.network.plaintext(place.host, place.port)).failure is Failure.HTTP_TIMEOUT


async def watch(
    reads: BalancerReads, one: Balancer, chosen: Callable[[BalancerStatistics], list[Backend]], *, seconds: float
) -> tuple[BalancerStatistics, BalancerStatistics]:
    """The first reading and the last, ``seconds`` later where servers serve. Why a check failed is not told while the next one
    runs, which may be most of the time; so it is asked for some more times, and what was told is kept."""
    first = last = await reads.read(one)
    until = seconds if any(backends.serves(row) for row in _servers(chosen(first))) else 0.0
    known: dict[tuple[str, str], BalancerRow] = {}
    elapsed = 0.0
    while True:
        known |= {(row.proxy, row.name): row for row in last.rows if not backends.untold(row)}
        last = last.model_copy(update={"rows": tuple(_with_reason(row, known) for row in last.rows)})
        waiting = seconds > 0 and elapsed < _REASONS_S and any(backends.untold(row) for row in _servers(chosen(last)))
        if not waiting and elapsed >= until:
            return first, last
        step = _STEP_S if waiting else until - elapsed
        await asyncio.sleep(step)
        elapsed += step
        try:
            last = await reads.read(one)
        except StatisticsUnavailable:
            # One that fails takes nothing from those before.
            return first, last


def _servers(found: list[Backend]) -> list[BalancerRow]:
    return [row for one in found for row in one.servers]


def _with_reason(row: BalancerRow, known: Mapping[tuple[str, str], BalancerRow]) -> BalancerRow:
    before = known.get((row.proxy, row.name))
    if before is None or not backends.untold(row) or before.check != row.check:
        return row
    return row.model_copy(update={"code": before.code, "said": before.said})


def told(
    ctx: ProbeContext, one: Balancer, backend: Backend, said: BalancerStatistics, earlier: BalancerStatistics, known: Known
) -> list[Finding]:
    """One finding for each server, one for the backend, and one for its frontend where it is told."""
    place = f"{one.called} " if ctx.balancer is not None and len(ctx.balancer.balancers) > 1 else ""
    before = {(row.proxy, row.name): row for row in (() if earlier is said else earlier.rows)}
    now = ctx.clock.now()
    waiting = (backend.own.queued or 0) if backend.own else 0
    servers = [
        backends.server(
            row,
            before.get((row.proxy, row.name)),
            now,
            api_port=known.nodes.get(address_of(row)[0]),
            waiting=waiting + (row.queued or 0),
        ).model_copy(update={"warning": backends.often(row, said)})
        for row in backend.servers
    ]
    seen_of = [(f"{row.proxy}/{row.name}", "Server", seen) for row, seen in zip(backend.servers, servers, strict=True)]
    # The worst are shown where there are many, and the backend's own finding counts them all.
    seen_of = sorted(seen_of, key=lambda item: item[2].status.value == "ok")[:_MOST_SERVERS]
    seen_of.append((backend.name, "Backend", backends.backend(backend, servers, now)))
    if backend.frontend is not None:
        seen_of.append((f"frontend {backend.frontend.proxy}", "The", backends.frontend(backend.frontend, said)))
    return [
        ctx.finding(
            f"{place}{subject}",
            seen.status,
            seen.outcome,
            f"{kind} {place}{subject} {seen.says}.",
            evidence=seen.evidence,
            warning=seen.warning,
        )
        for subject, kind, seen in seen_of
    ]
