"""Every phase of a request is quick: name, TCP, TLS, first byte, body.

The phases of the requests that the ladder makes anyway are put side by side, `/livez`, `/readyz` and `/version`, and beside
them one object, the namespace `default`, which is read through storage; 401 and 403 are answers. `/healthz` is asked where the
address has a request left, as it has without credentials: it runs what `/livez` runs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from bot.errors import Unavailable
from bot.model.finding import Finding, Status
from bot.model.observation import HttpAnswer
from bot.model.target import Endpoint
from bot.probes._shared import flow, http
from bot.probes._shared.addresses import over_addresses
from bot.probes._shared.layers import Peer, not_reached, peer
from bot.probes._shared.row import MOST_ADDRESSES
from bot.registry import NoParams, ProbeContext, probe


@probe(outcomes=flow.OUTCOMES)
def request_flow(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    return over_addresses(ctx, _look, most=MOST_ADDRESSES)


async def _look(ctx: ProbeContext, place: Endpoint) -> Finding:
    below = await peer(ctx, place)
    if below.obstacle is not None:
        return not_reached(ctx, place, below.obstacle, below.seen)
    lookup = await ctx.network.lookup(ctx.cluster.target.host)
    health = await http.ask_health(ctx, place, below)
    answers = [*health.all, await _ask_object(ctx, place, below)]
    if not http.may_authenticate(ctx, below):
        answers.append(await http.ask(ctx, place, below, flow.HEALTHZ_PATH, authenticated=False))
    verdict = flow.judge(lookup, answers)
    status = flow.STATUS.get(verdict.outcome, Status.PROBLEM)
    shown = flow.evidence(lookup, answers)
    return ctx.finding(str(place), status, verdict.outcome, f"{place} {verdict.says}.", seen=answers[3], evidence=shown)


async def _ask_object(ctx: ProbeContext, place: Endpoint, below: Peer) -> HttpAnswer:
    """With credentials where they may be sent and can be had; a stranger's 401 or 403 is an answer as well."""
    try:
        return await http.ask(ctx, place, below, flow.OBJECT_PATH, authenticated=True)
    except Unavailable:
        return await http.ask(ctx, place, below, flow.OBJECT_PATH, authenticated=False)
