"""The server that is asked is the one that the cluster's own clients use.

The URL, its parts and its addresses are recorded as evidence, since a wrong one explains every other failure. When the
API answers they are compared with what the cluster publishes: the addresses behind `kubernetes.default`, and the
endpoint that kubeadm gave to controllers and kubelets.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from bot.errors import Unavailable
from bot.model.base import Json
from bot.model.finding import Finding, Status
from bot.probes._shared import endpoint
from bot.probes._shared.addresses import places
from bot.probes._shared.words import listed
from bot.registry import NoParams, ProbeContext, probe

_TO_SPARE_S = 0.3


@probe(
    needs=("api",),
    outcomes={
        "endpoint-known": "the URL is plausible and, where that could be compared, the one the cluster uses",
        "local-endpoint": "the URL is the asking machine itself: a client without configuration",
        "plain-http": "the URL is plain http, which API servers do not speak",
        "endpoints-differ": "the cluster's own clients use another endpoint",
    },
)
async def cluster_endpoint(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    target = ctx.cluster.target
    addresses = tuple(place.host for place in await places(ctx))
    evidence: Json = {
        "url": target.url,
        "scheme": target.scheme,
        "host": target.host,
        "port": target.port,
        "server_name": target.server_name,
        "addresses": list(addresses),
        "context": ctx.cluster.kubeconfig_context,
    }
    wrong = endpoint.misdirected(target, addresses, configured=ctx.cluster.configured)
    if wrong is not None:
        todo = "Give the cluster's own URL: kubectl config view --minify"
        yield ctx.finding(target.url, Status.PROBLEM, wrong[0], wrong[1], evidence=evidence, todo=todo)
        return
    where = f"{target.url} ({listed(addresses) or 'no address'})"
    known, reason = None, "no credentials for it are configured"
    try:
        # A server that is only slow must not cost what is known without it.
        async with asyncio.timeout(ctx.deadline - ctx.clock.monotonic() - _TO_SPARE_S):
            known = await endpoint.published(ctx.api) if ctx.api is not None else None
    except TimeoutError:
        reason = "the round's time was over before the API answered"
    except Unavailable as error:
        reason = error.what.rstrip(".")
    if known is None:
        todo = f"Not compared with what controllers and kubelets use: {reason}. {endpoint.ON_NODE}"
        yield ctx.finding(target.url, Status.OK, "endpoint-known", f"The server is {where}.", evidence=evidence, todo=todo)
        return
    evidence["published"] = known.model_dump(mode="json")
    differs = endpoint.difference(target, addresses, known)
    if differs is not None:
        yield ctx.finding(target.url, Status.PROBLEM, "endpoints-differ", f"{differs}.", evidence=evidence, todo=endpoint.ON_NODE)
        return
    says = f"The server is {where}; its API servers are {listed(known.backends) or 'not published'}."
    yield ctx.finding(target.url, Status.OK, "endpoint-known", says, evidence=evidence)
