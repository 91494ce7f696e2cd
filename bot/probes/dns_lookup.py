"""The server's name resolves, and the DNS server says the same as this machine.

The system's own resolution (hosts file, caches and all) is what clients use; the DNS server is asked directly as well,
because only its answer says whether the name is missing, the server fails, or a hosts entry hides the truth; and so are the
others that this machine has, which may know more. Give `server` to compare with another one than the machine's own. Behind an
HTTP proxy the proxy's name is looked up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from bot.model.base import Value
from bot.model.finding import Finding, Status
from bot.model.observation import Lookup
from bot.model.target import literal
from bot.probes._shared import names
from bot.registry import ProbeContext, probe


class Params(Value):
    """``server``: the DNS server to compare with, or several; the machine's own when it is not given."""

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
        "nameservers-disagree": "another DNS server of this machine than the first knows the name, or an address that works",
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
    servers = params.server.replace(",", " ").split() if params.server else names.system_nameservers()
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(ctx.network.lookup(host), name=f"lookup {host}")
        # A name without a dot gets search domains from the system, so the direct question would be another one.
        exact = servers if "." in host else ()
        checked = [group.create_task(ctx.network.lookup(host, server=one), name=f"ask {one}") for one in exact]
    system, answers = asked.result(), [one.result() for one in checked]
    direct = answers[0] if answers else None
    status, outcome, sentence = names.judge(host, system, direct)
    split = names.without_the_name(system, answers) or await _works_elsewhere(ctx, system, answers)
    if split is not None:
        status, outcome, sentence = Status.PROBLEM, "nameservers-disagree", split
    if target.proxy is not None and outcome in names.MISSING:
        outcome, sentence = "proxy-name-not-found", f"{sentence} It is the name of the proxy that leads to {target.host}."
    raw_error = direct.raw_error if direct is not None and not system.ok else None
    yield ctx.finding(
        host,
        status,
        outcome,
        sentence,
        seen=system,
        evidence=names.evidence(system, direct, answers[1:]),
        raw_error=raw_error or system.raw_error,
    )


async def _works_elsewhere(ctx: ProbeContext, system: Lookup, answers: Sequence[Lookup]) -> str | None:
    """Whether nothing accepts connections at the addresses that this machine has, and something does at another server's."""
    other, target = names.elsewhere(system, answers), ctx.cluster.target
    if other is None or target.proxy_url is not None:
        return None
    asked = [*system.addresses[:2], *other.addresses[:1]]
    seen = await asyncio.gather(*(ctx.network.connect(address, target.port) for address in asked))
    if not seen[-1].ok or any(one.ok for one in seen[:-1]):
        return None
    return names.works_elsewhere(system, other, target.port)
