"""The server completes a TLS handshake, and its certificate is valid for it, now, and signed by the cluster's authority.

The certificate is read even when it does not verify, so that the finding says why. When the handshake is slow or fails,
experiments run beside it: a plain request, handshakes in small segments, without ALPN and with http/1.1 alone, and the same one
twice more. They tell a hung server, lost large packets, a meddling middlebox and one bad server among several from each other.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from bot.model.finding import Finding, Status
from bot.model.target import Endpoint
from bot.probes._shared import dates, tls
from bot.probes._shared.addresses import over_addresses
from bot.probes._shared.experiments import experiments
from bot.probes._shared.layers import VERSION_PATH, not_reached, reach
from bot.registry import NoParams, ProbeContext, probe

_GIVE_CA = "Give the CA that signs for this server: --kubeconfig FILE, or `ca:` of the cluster in the configuration."
_STATUS = {
    "verified": Status.OK,
    "authority-not-known": Status.INCONCLUSIVE,
    "deadline-capped": Status.INCONCLUSIVE,
    "local-failure": Status.ERROR,
    "not-reached": Status.NOT_APPLICABLE,
}


@probe(outcomes=tls.OUTCOMES)
def tls_handshake(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    return over_addresses(ctx, _look)


async def _look(ctx: ProbeContext, place: Endpoint) -> Finding:
    target = ctx.cluster.target
    if target.scheme == "http":
        sentence = f"{place} is configured as plain http, so there is no TLS to look at."
        return ctx.finding(str(place), Status.NOT_APPLICABLE, "plain-http-target", sentence)
    below = await reach(ctx, place)
    if below.failure is not None:
        return not_reached(ctx, place, below.failure.value, below)
    seen = await experiments(ctx, place)
    if seen.normal.failure in tls.DATED:
        dated = await ctx.network.request(place.host, target, VERSION_PATH, verify=False)
        seen = seen.model_copy(update={"dated": dated})
    now = ctx.clock.now()
    verdict = tls.judge(seen, target, now)
    status = _STATUS.get(verdict.outcome, Status.PROBLEM)
    says, todo = f"{place} {verdict.says}.", _GIVE_CA if verdict.outcome == "authority-not-known" else None
    warning = dates.of_server(str(place), seen.normal.chain, target.ca_pem, now) if verdict.outcome == "verified" else None
    return ctx.finding(
        str(place),
        status,
        verdict.outcome,
        says,
        seen=seen.normal,
        evidence=tls.evidence(seen, now),
        todo=todo,
        warning=warning,
    )
