"""The server's name resolves, and the DNS server says the same as this machine.

The system's own resolution (hosts file, caches and all) is what clients use; the DNS server is asked directly as well,
because only its answer says whether the name is missing, what it stands for, whether the server fails, or a hosts entry hides
the truth; and so are the others that this machine has, and the cluster's `resolvers`, which may know more. A long answer is
asked for over TCP, a name without a dot with this machine's search domains. Give `server` to compare with another one than the
machine's own. Behind an HTTP proxy the proxy's name is looked up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from bot.model.base import Value
from bot.model.finding import Finding, Status
from bot.model.target import literal
from bot.probes._shared import elsewhere, names
from bot.registry import ProbeContext, probe


class Params(Value):
    """``server``: the DNS server to compare with, or several; the machine's own when it is not given."""

    server: str | None = None


@probe(params=Params, outcomes=names.OUTCOMES)
async def dns_lookup(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
    target = ctx.cluster.target
    host = (target.proxy or target).host
    if literal(host) is not None:
        yield ctx.finding(host, Status.NOT_APPLICABLE, "address-given", f"{host} is an address, so no name is resolved.")
        return
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(ctx.network.lookup(host), name=f"lookup {host}")
        checked = group.create_task(elsewhere.ask(ctx, host, elsewhere.servers(ctx, params.server)), name=f"ask for {host}")
    system, answers = asked.result(), checked.result()
    direct = answers[0] if answers else None
    status, outcome, sentence = names.judge(host, system, direct)
    split = names.without_the_name(system, answers) or await elsewhere.works(ctx, system, answers)
    if split is not None:
        status, outcome, sentence = Status.PROBLEM, "nameservers-disagree", split
    if outcome in names.MISSING and "." not in host:
        sentence += names.completed(host, names.search_domains())
    if target.proxy is not None and outcome in names.MISSING:
        outcome, sentence = "proxy-name-not-found", f"{sentence} It is the name of the proxy that leads to {target.host}."
    raw_error = direct.raw_error if direct is not None and not system.ok else None
    shown = names.evidence(system, direct, answers[1:])
    yield ctx.finding(host, status, outcome, sentence, seen=system, evidence=shown, raw_error=raw_error or system.raw_error)
