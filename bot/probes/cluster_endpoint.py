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
from bot.model.target import is_loopback
from bot.probes._shared import endpoint
from bot.probes._shared.addresses import places
from bot.probes._shared.words import listed
from bot.registry import NoParams, ProbeContext, probe

_TO_SPARE_S = 0.3


@probe(
    needs=("api",),
    outcomes={
        "endpoint-known": "the URL is one that the cluster itself publishes",
        "endpoint-not-compared": "the URL is plausible, and the cluster could not be asked or publishes no endpoint",
        "local-endpoint": "the URL is port 8080 of the asking machine, which clients without a configuration ask",
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
    wrong = endpoint.misdirected(target)
    if wrong is not None:
        todo = "Give the cluster's own URL: kubectl config view --minify"
        yield ctx.finding(target.url, Status.PROBLEM, wrong[0], wrong[1], evidence=evidence, todo=todo)
        return
    known, reason = await _published(ctx)
    if known is not None:
        evidence["published"] = known.model_dump(mode="json")
    where = f"{target.url} ({listed(addresses) or 'no address'})"
    if known is not None and endpoint.matches(target, addresses, known):
        says = f"The server is {where}, which the cluster knows; its API servers are {listed(known.backends) or 'not published'}."
        yield ctx.finding(target.url, Status.OK, "endpoint-known", says, evidence=evidence)
    elif known is not None and known.named:
        says = f"The cluster's own clients use {listed(known.named)}, not {target.host}:{target.port}."
        yield ctx.finding(target.url, Status.PROBLEM, "endpoints-differ", says, evidence=evidence, todo=endpoint.ON_NODE)
    else:
        local = "; that is this machine itself, so a local cluster or a tunnel" if is_loopback(target.host) else ""
        says = f"The server is {where}{local}. It was not compared with what the cluster's own clients use: {reason}."
        yield ctx.finding(target.url, Status.NOT_CHECKED, "endpoint-not-compared", says, evidence=evidence, todo=endpoint.ON_NODE)


async def _published(ctx: ProbeContext) -> tuple[endpoint.Published | None, str]:
    """What the cluster publishes, and why that is nothing to compare with."""
    if ctx.api is None:
        return None, "there are no credentials to ask it with"
    try:
        # A server that is only slow must not cost what is known without it.
        async with asyncio.timeout(ctx.deadline - ctx.clock.monotonic() - _TO_SPARE_S):
            return await endpoint.published(ctx.api), "it publishes the addresses of its API servers only"
    except TimeoutError:
        return None, "the round's time was over before the API answered"
    except Unavailable as error:
        return None, error.what.rstrip(".")
