"""The server's name resolves, and the DNS server says the same as this machine.

The system's own resolution (hosts file, caches and all) is what clients use; the DNS server is asked directly as well,
because only its answer says whether the name is missing, the server fails, or a hosts entry hides the truth. Give
`server` to compare with another DNS server than the machine's own. Behind an HTTP proxy the proxy's name is looked up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from bot.model.base import Value
from bot.model.finding import Finding, Status
from bot.model.target import literal
from bot.probes._shared import names
from bot.registry import ProbeContext, probe


class Params(Value):
    """``server``: the DNS server to compare with; the machine's own when it is not given."""

    server: str | None = None


@probe(
    params=Params,
    outcomes={
        "resolved": "the name resolves to at least one address",
        "address-given": "the server is named by its address, so there is nothing to resolve",
        "name-not-found": "the name does not exist (NXDOMAIN)",
        "name-has-no-address": "the name exists and has no address",
        "proxy-name-not-found": "the name of the HTTP proxy in front of the server does not exist or has no address",
        "resolver-failing": "the DNS server answers with a failure or refuses, or its host says that there is none",
        "resolver-timeout": "the DNS server does not answer in 2 s, or cannot be reached",
        "answers-differ": "this machine and the DNS server give different addresses: a hosts entry or an old cache",
        "local-failure": "this machine cannot ask, for a reason of its own",
        "deadline-capped": "the round's time was over before an answer could be expected",
    },
)
async def dns_lookup(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
    target = ctx.cluster.target
    host = (target.proxy or target).host
    if literal(host) is not None:
        yield ctx.finding(host, Status.NOT_APPLICABLE, "address-given", f"{host} is an address, so no name is resolved.")
        return
    server = params.server or names.system_nameserver()
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(ctx.network.lookup(host), name=f"lookup {host}")
        # A name without a dot gets search domains from the system, so the direct question would be another one.
        checked = (
            group.create_task(ctx.network.lookup(host, server=server), name=f"ask {server}") if "." in host and server else None
        )
    system, direct = asked.result(), checked.result() if checked else None
    status, outcome, sentence = names.judge(host, system, direct)
    if target.proxy is not None and outcome in names.MISSING:
        outcome, sentence = "proxy-name-not-found", f"{sentence} It is the name of the proxy that leads to {target.host}."
    raw_error = direct.raw_error if direct is not None and not system.ok else None
    yield ctx.finding(
        host,
        status,
        outcome,
        sentence,
        seen=system,
        evidence=names.evidence(system, direct),
        raw_error=raw_error or system.raw_error,
    )
