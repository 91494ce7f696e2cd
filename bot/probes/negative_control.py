"""The bot itself reaches endpoints that have nothing to do with this cluster.

When these controls fail too, the fault is at this vantage point's own network, and nothing it sees may be said of the
cluster. Controls are configured per cluster; good ones are other clusters' API servers and the mirror that images come
from. Only a TCP connection is made, nothing is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from bot.model.finding import Finding, Status
from bot.model.observation import Failure, Observation
from bot.model.target import Endpoint
from bot.probes._shared.words import listed
from bot.registry import NoParams, ProbeContext, probe

_NO_NETWORK = frozenset(
    {Failure.NETWORK_UNREACHABLE, Failure.LOCAL_ROUTE_REFUSES, Failure.NO_ADDRESS_FAMILY, Failure.LOCAL_FAILURE}
)


@probe(
    outcomes={
        "controls-reachable": "at least one control accepts connections, so this vantage point has a network",
        "controls-unreachable": "no control accepts connections: this vantage point is cut off",
        "no-network": "this machine has no usable address or route",
        "no-controls": "no controls are configured for this cluster",
    },
)
async def negative_control(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    controls = ctx.cluster.controls
    if not controls:
        yield ctx.finding(
            "controls",
            Status.NOT_CHECKED,
            "no-controls",
            "No control endpoints are configured, so a fault of this vantage point's own network cannot be excluded.",
            todo=f"List one or two endpoints that always answer under `controls` of cluster {ctx.cluster.name}.",
        )
        return
    async with asyncio.TaskGroup() as group:
        tries = [group.create_task(_reach(ctx, control), name=f"control {control}") for control in controls]
    seen = [task.result() for task in tries]
    evidence = {"controls": {str(c): s.failure.value if s.failure else "connected" for c, s in zip(controls, seen, strict=True)}}
    reached = [str(control) for control, one in zip(controls, seen, strict=True) if one.ok]
    if reached:
        status, outcome = Status.OK, "controls-reachable"
        sentence = f"{len(reached)} of {len(controls)} controls answer from here: {listed(reached)}."
    elif any(one.failure is Failure.DEADLINE_CAPPED for one in seen):
        status, outcome = Status.INCONCLUSIVE, "controls-unreachable"
        sentence = "No control answered before the round's time was over."
    elif all(one.failure in _NO_NETWORK for one in seen):
        status, outcome = Status.PROBLEM, "no-network"
        sentence = "This machine has no usable network address or route."
    else:
        status, outcome = Status.PROBLEM, "controls-unreachable"
        sentence = f"No control answers from here ({listed(controls)}), so this vantage point is cut off."
    yield ctx.finding("controls", status, outcome, sentence, seen=seen, evidence=evidence)


async def _reach(ctx: ProbeContext, control: Endpoint) -> Observation:
    """The first address that accepts, else the last failure."""
    lookup = await ctx.network.lookup(control.host)
    seen: Observation = lookup
    for address in lookup.addresses[:2]:
        seen = await ctx.network.connect(address, control.port)
        if seen.ok:
            break
    return seen
