"""Several DNS servers and one name: who is asked, and whether another one's answer is the one that works."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bot.model.observation import Lookup
from bot.model.target import literal
from bot.probes._shared import names
from bot.registry import ProbeContext

_MOST_RESOLVERS = 3


def servers(ctx: ProbeContext, given: str | None) -> tuple[str, ...]:
    """The DNS servers to compare with: those that the step names, else this machine's own; and then the configured ones."""
    first = tuple(given.replace(",", " ").split()) if given else names.system_nameservers()
    return tuple(dict.fromkeys([*first, *ctx.cluster.resolvers[:_MOST_RESOLVERS]]))


async def ask(ctx: ProbeContext, host: str, asked: Sequence[str]) -> list[Lookup]:
    """Each server's own answer. A name without a dot is completed as this machine would, and asked of the first one; the first
    completion that exists counts."""
    if "." in host:
        return list(await asyncio.gather(*(ctx.network.lookup(host, server=one) for one in asked)))
    complete = [f"{host}.{domain}" for domain in names.search_domains()] if asked else []
    found = await asyncio.gather(*(ctx.network.lookup(name, server=asked[0]) for name in complete))
    return [next((one for one in found if one.ok), found[0])] if found else []


async def works(ctx: ProbeContext, system: Lookup, answers: Sequence[Lookup]) -> str | None:
    """What is said where nothing accepts connections at the addresses that this machine has, and something does at another
    server's."""
    other, target = names.elsewhere(system, answers), ctx.cluster.target
    if other is None or target.proxy_url is not None or literal(system.name) is not None:
        return None
    asked = [*system.addresses[:2], *other.addresses[:1]]
    seen = await asyncio.gather(*(ctx.network.connect(address, target.port) for address in asked))
    if not seen[-1].ok or any(one.ok for one in seen[:-1]):
        return None
    return names.works_elsewhere(system, other, target.port)
