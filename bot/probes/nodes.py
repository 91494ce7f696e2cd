"""The nodes are ready, and none lacks memory, disk or process ids.

Each control-plane node counts by itself. One sick worker is daily business and holds up no request to the API, so workers
count together: they are a problem when at least half of those that were read are ill. At most 50 nodes are read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from bot.errors import Unavailable
from bot.model.base import Json
from bot.model.finding import Finding, Status
from bot.ports import ApiObject, Kind
from bot.probes._shared.reads import NOT_READ, PRESSURES, condition, ills, is_control_plane, not_read, reads
from bot.probes._shared.words import listed
from bot.registry import NoParams, ProbeContext, probe

_SUBJECT = "nodes"


@probe(
    needs=("api",),
    outcomes={
        "ready": "the nodes that were read are ready, but for less than half of the workers",
        "not-ready": "a control-plane node, or at least half of the workers, is not ready",
        "under-pressure": "a control-plane node, or at least half of the workers, lacks memory, disk or process ids",
        "none-found": "there are no nodes",
        **NOT_READ,
    },
)
async def nodes(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    try:
        found = await reads(ctx).list_objects(Kind.NODES)
    except Unavailable as error:
        yield not_read(ctx, _SUBJECT, error)
        return
    if not found.items:
        yield ctx.finding(_SUBJECT, Status.NOT_APPLICABLE, "none-found", "The cluster has no nodes.")
        return
    ill = [node for node in found.items if ills(node)]
    bad = [node for node in ill if is_control_plane(node)]
    for node in bad:
        says = f"Control-plane node {node.name} is ill: {listed(ills(node))}{_words(node)}."
        yield ctx.finding(node.name, Status.PROBLEM, _outcome([node]), says, evidence=_evidence([node]))
    workers = [node for node in found.items if not is_control_plane(node)]
    ill_workers = [node for node in ill if node not in bad]
    total = f"{len(found.items)}" + (f" of {len(found.items) + found.remaining}" if found.remaining else "")
    if ill_workers and 2 * len(ill_workers) >= len(workers):
        names = listed([f"{node.name} ({listed(ills(node))})" for node in ill_workers], most=3)
        says = f"{len(ill_workers)} of {len(workers)} workers are ill: {names}."
        yield ctx.finding("workers", Status.PROBLEM, _outcome(ill_workers), says, evidence=_evidence(ill_workers))
    elif not bad:
        but = f", but for {listed([node.name for node in ill_workers], most=3)}" if ill_workers else ""
        says = f"The nodes are ready and under no pressure{but}; {total} looked at."
        yield ctx.finding(_SUBJECT, Status.OK, "ready", says, evidence=_evidence(ill_workers))


def _outcome(ill: Sequence[ApiObject]) -> str:
    """Pressure explains why a node is not ready, and not the other way round."""
    return "under-pressure" if any(set(ills(node)) & set(PRESSURES) for node in ill) else "not-ready"


def _words(node: ApiObject) -> str:
    reason = condition(node, "Ready").get("reason")
    return f" ({reason})" if reason and "not ready" in ills(node) else ""


def _evidence(ill: Sequence[ApiObject]) -> Json:
    return {"ill": {node.name: list(ills(node)) for node in ill[:10]}}
