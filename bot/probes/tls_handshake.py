"""The server completes a TLS handshake, and its certificate is valid for it, now, and signed by the cluster's authority.

The certificate is read even when it does not verify, so that the finding says why. When the handshake is slow or fails,
experiments run beside it: a plain request, a handshake in small segments, one without ALPN, and the same one twice more.
They tell a hung server, lost large packets, a meddling middlebox and one bad server among several from each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from bot.model.finding import Finding, Status
from bot.model.observation import Failure
from bot.model.target import Endpoint
from bot.probes._shared import dates, tls
from bot.probes._shared.addresses import over_addresses
from bot.probes._shared.layers import VERSION_PATH, handshake, not_reached, reach
from bot.registry import NoParams, ProbeContext, probe

_SLOW_S = 1.0
_SMALL_SEGMENT = 500
# As the normal one in all that matters, and another operation to the network.
_AGAIN = (("http/1.1", "h2"), ("h2",))
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
    seen = await _experiments(ctx, place)
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


async def _experiments(ctx: ProbeContext, place: Endpoint) -> tls.Seen:
    """The normal handshake, and what explains it when it has not ended well after a second."""
    async with asyncio.TaskGroup() as group:
        normal = group.create_task(handshake(ctx, place), name=f"handshake {place}")
        await asyncio.wait({normal}, timeout=_SLOW_S)
        if normal.done() and normal.result().failure not in tls.EXPLAINABLE:
            return tls.Seen(normal=normal.result())
        asked = ctx.network.plaintext(place.host, place.port, proxy_url=ctx.cluster.target.proxy_url)
        plain = group.create_task(asked, name=f"plaintext {place}")
        if normal.done() and normal.result().failure is Failure.CERTIFICATE_UNKNOWN_AUTHORITY:
            return tls.Seen(normal=normal.result(), plain=await plain)
        small = group.create_task(handshake(ctx, place, max_segment=_SMALL_SEGMENT), name=f"small segments {place}")
        bare = group.create_task(handshake(ctx, place, alpn=()), name=f"without ALPN {place}")
        again = [group.create_task(handshake(ctx, place, alpn=one), name=f"again {place}") for one in _AGAIN]
        if (await normal).failure not in tls.EXPLAINABLE:
            for trial in (plain, small, bare, *again):
                trial.cancel()
            return tls.Seen(normal=normal.result())
    repeated = tuple(task.result() for task in again)
    return tls.Seen(normal=normal.result(), plain=plain.result(), small=small.result(), bare=bare.result(), again=repeated)
