"""This machine's clock agrees with the servers', to a minute.

Every answer of an API server has its time in it. Those of the round are read, of every address and of each configured
control-plane node, and no other is asked for. Where several servers agree with each other and not with this machine, its own
clock is the wrong one; a certificate that seems to have expired, or a token that is refused, may then be quite right.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from bot.model.finding import Finding, Status
from bot.model.observation import HttpAnswer
from bot.model.target import Endpoint
from bot.net.own_clock import is_synchronised
from bot.probes._shared import clocks, http, nodes
from bot.probes._shared.addresses import places
from bot.probes._shared.layers import VERSION_PATH, peer
from bot.probes._shared.row import MOST_ADDRESSES
from bot.registry import NoParams, ProbeContext, probe

_SUBJECT = "clocks"
_MOST_NODES = 5


@probe(outcomes=clocks.OUTCOMES)
async def clock_difference(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    answers = {str(place): said for place in (await places(ctx))[:MOST_ADDRESSES] if (said := await _asked(ctx, place))}
    if not answers:
        says = "No address answers HTTP, so that no server tells its time."
        yield ctx.finding(_SUBJECT, Status.NOT_APPLICABLE, "not-reached", says)
        return
    answers |= await _of_nodes(ctx, known=set(answers))
    found, synchronised = clocks.offsets(answers), is_synchronised()
    verdict = clocks.judge(found, synchronised=synchronised)
    status = clocks.STATUS.get(verdict.outcome, Status.PROBLEM)
    shown = clocks.evidence(found, synchronised=synchronised)
    yield ctx.finding(
        _SUBJECT,
        status,
        verdict.outcome,
        f"{verdict.says}.",
        seen=answers[next(iter(answers))],
        evidence=shown,
        warning=verdict.warning,
    )


async def _asked(ctx: ProbeContext, place: Endpoint) -> list[HttpAnswer]:
    """The health answers of one address, which health asks for as well."""
    below = await peer(ctx, place)
    if below.obstacle is not None:
        return []
    return [answer for answer in (await http.ask_health(ctx, place, below)).all if answer.status is not None]


async def _of_nodes(ctx: ProbeContext, *, known: set[str]) -> dict[str, list[HttpAnswer]]:
    """What configured nodes answered past the balancer, which ``control-plane-nodes`` asks for as well."""
    target, found = ctx.cluster.target, dict[str, list[HttpAnswer]]()
    for node in ctx.cluster.nodes[:_MOST_NODES] if target.proxy_url is None and target.scheme == "https" else ():
        lookup = await ctx.network.lookup(node.host)
        place = Endpoint(host=lookup.addresses[0], port=node.port) if lookup.addresses else None
        if place is None or str(place) in known:
            continue
        said = await nodes.ask(ctx, node, place.host)
        if isinstance(said.evidence.get("verified"), bool):
            at, verify = nodes.at(target, node), bool(said.evidence["verified"])
            answer = await ctx.network.request(place.host, at, VERSION_PATH, verify=verify)
            found[str(node)] = [answer]
    return found
