"""Every aggregated API is available.

An aggregated API is served by something else, behind the API server: metrics, custom metrics, a vendor's own kinds. When it
is down the API server is well, its own kinds work, and whoever asks for all kinds waits or fails: `kubectl top`, `kubectl
api-resources`, the deletion of a namespace. The API server itself says which one, why and since when.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime

from bot.clock import utc
from bot.errors import Unavailable
from bot.model.finding import Finding, Status
from bot.ports import ApiObject, Kind
from bot.probes._shared.reads import NOT_READ, condition, moment, not_read, reads
from bot.probes._shared.words import ago
from bot.registry import NoParams, ProbeContext, probe

_SUBJECT = "aggregated APIs"
_MOST = 10


@probe(
    needs=("api",),
    outcomes={
        "available": "every aggregated API is available",
        "unavailable": "the API server cannot reach what serves this API",
        "availability-not-told": "the API server does not say yet whether this API is available",
        "none-found": "every API is the API server's own",
        **NOT_READ,
    },
)
async def aggregated_apis(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    try:
        found = await reads(ctx).list_objects(Kind.API_SERVICES, limit=500)
    except Unavailable as error:
        yield not_read(ctx, _SUBJECT, error)
        return
    aggregated = [item for item in found.items if item.data.get("service")]
    if not aggregated:
        says = f"All {len(found.items)} API versions are the API server's own."
        yield ctx.finding(_SUBJECT, Status.NOT_APPLICABLE, "none-found", says)
        return
    now = found.server_time or ctx.clock.now()
    doubtful = [item for item in aggregated if condition(item, "Available").get("status") != "True"]
    for item in doubtful[:_MOST]:
        yield _judge(ctx, item, now)
    if not doubtful:
        says = f"All {len(aggregated)} aggregated APIs are available."
        yield ctx.finding(_SUBJECT, Status.OK, "available", says, evidence={"names": [item.name for item in aggregated]})


def _judge(ctx: ProbeContext, item: ApiObject, now: datetime) -> Finding:
    said, service = condition(item, "Available"), item.data["service"]
    behind = f"{service['namespace']}/{service['name']}"
    evidence = {"service": behind, "condition": said}
    if said.get("status") != "False":
        says = f"Whether {item.name} is available, which {behind} serves, the API server does not say yet."
        return ctx.finding(item.name, Status.INCONCLUSIVE, "availability-not-told", says, evidence=evidence)
    since = moment(said.get("lastTransitionTime"))
    when = f" for {ago(now - since)}, since {utc(since)}" if since else ""
    why = f"{said.get('reason') or 'no reason given'}: {said.get('message') or ''}".strip().rstrip(":.")
    says = f"{item.name}, which {behind} serves, is not available{when}. The API server says {why}."
    return ctx.finding(item.name, Status.PROBLEM, "unavailable", says, evidence=evidence)
