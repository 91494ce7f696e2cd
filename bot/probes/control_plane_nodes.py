"""Each configured control-plane node's own API server answers, asked past the balancer, and its checks pass.

From in front of a balancer nothing behind it is seen. Where the cluster's `nodes` are configured and can be reached from here,
each of the first five is asked itself: TCP, TLS, and its health, without credentials. Nodes that are the server's own addresses
are left out, because the ladder asks those.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from bot.model.finding import Finding, Status
from bot.model.target import Endpoint
from bot.probes._shared import nodes
from bot.probes._shared.addresses import places
from bot.registry import NoParams, ProbeContext, probe

_MOST = 5


@probe(outcomes=nodes.OUTCOMES)
async def control_plane_nodes(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    target = ctx.cluster.target
    direct = target.proxy_url is None and target.scheme == "https"
    asked = await _others(ctx) if direct else []
    if not asked:
        why = "No control-plane nodes are configured that are not asked already."
        if ctx.cluster.nodes and not direct:
            why = "The control-plane nodes are not asked past a proxy, or in plain http."
        yield ctx.finding("control-plane nodes", Status.NOT_APPLICABLE, "none-configured", why)
        return
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_look(ctx, node, address), name=f"node {node}") for node, address in asked]
    found = [task.result() for task in tasks]
    bad = [one for one in found if one.status is Status.PROBLEM]
    for one in found:
        spared = one.status is Status.PROBLEM and any(other.status is Status.OK for other in found)
        warning = f"{len(bad)} of {len(found)} control-plane nodes are down for who asks them: {one.sentence}" if spared else None
        yield one.model_copy(update={"warning": warning})


async def _others(ctx: ProbeContext) -> list[tuple[Endpoint, str | None]]:
    """The nodes with an address each, without those that the ladder asks itself; None for a name that gives no address."""
    own = {(place.host, place.port) for place in await places(ctx)}
    found: list[tuple[Endpoint, str | None]] = []
    for node in ctx.cluster.nodes[:_MOST]:
        lookup = await ctx.network.lookup(node.host)
        address = lookup.addresses[0] if lookup.addresses else None
        if (address, node.port) not in own:
            found.append((node, address))
    return found


async def _look(ctx: ProbeContext, node: Endpoint, address: str | None) -> Finding:
    if address is None:
        says = f"Node {node} is not asked: its name gives no address."
        return ctx.finding(str(node), Status.INCONCLUSIVE, "not-looked-at", says)
    said = await nodes.ask(ctx, node, address)
    return ctx.finding(str(node), said.status, said.outcome, f"Node {node} {said.says}.", seen=said.seen, evidence=said.evidence)
