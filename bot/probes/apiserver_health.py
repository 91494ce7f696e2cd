"""The API server says that it is alive and ready, and no health check fails.

`/livez?verbose` and `/readyz?verbose` name each failing check; `/version` needs no storage and shows whether the server
answers at all. `/readyz` alone is never trusted: some distributions take etcd out of it. Where the certificate does not
verify, or the server rejects the credentials, health is still asked, without them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from bot.model.finding import Finding, Status
from bot.model.target import Endpoint
from bot.probes._shared import http
from bot.probes._shared.addresses import over_addresses
from bot.probes._shared.layers import not_reached, peer
from bot.registry import NoParams, ProbeContext, probe

_STATUS = {
    "healthy": Status.OK,
    "authentication-required": Status.INCONCLUSIVE,
    "forbidden": Status.INCONCLUSIVE,
    "deadline-capped": Status.INCONCLUSIVE,
    "not-reached": Status.NOT_APPLICABLE,
}


@probe(
    outcomes={
        "healthy": "the server is alive and ready",
        "etcd-check-failing": "the server answers and its own check of etcd fails",
        "checks-failing": "the server answers and other health checks fail",
        "starting": "only start-up checks are not done yet",
        "http-silent": "TLS is completed and requests stay unanswered for 5 s",
        "http-closed": "the connection is closed without an answer",
        "http-reset": "the connection is reset instead of answered",
        "overloaded": "the server turns requests away (429)",
        "authentication-required": "the server answers and tells its health to authenticated clients only (401)",
        "forbidden": "the server answers and does not tell us its health (403)",
        "server-error": "a 5xx answer without a list of checks",
        "comes-and-goes": "the layers below worked a moment ago and fail on other connections",
        "https-expected": "the server speaks https, and its URL is plain http",
        "not-an-apiserver": "what answers HTTP is no Kubernetes API server",
        "deadline-capped": "the round's time was over before an answer could be expected",
        "not-reached": "a layer below fails at this address",
    },
)
def apiserver_health(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    return over_addresses(ctx, _look, evidence=http.NOTHING)


async def _look(ctx: ProbeContext, place: Endpoint) -> Finding:
    below = await peer(ctx, place)
    if below.obstacle is not None:
        return not_reached(ctx, place, below.obstacle, below.seen, http.NOTHING)
    answers = await http.ask_health(ctx, place, below)
    verdict = http.judge(answers)
    status = _STATUS.get(verdict.outcome, Status.PROBLEM)
    sentence = f"{place} {verdict.says}." + ("" if below.verified else f" The peer is not verified ({below.flaw}).")
    evidence = http.evidence(answers, verified=below.verified)
    alive = verdict.outcome == "checks-failing" and answers.live.status == 200
    warning = f"{sentence[:-1]}; it is alive, and a balancer that asks /readyz leaves it out." if alive else None
    return ctx.finding(str(place), status, verdict.outcome, sentence, seen=answers.live, evidence=evidence, warning=warning)
