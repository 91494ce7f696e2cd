"""Every address of the target at once: what the probes of one layer have in common.

Each address is looked at by itself, because one dead backend among three is a finding and an average is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from bot.model.base import Json
from bot.model.finding import Finding, Status
from bot.model.target import Endpoint
from bot.registry import ProbeContext


async def places(ctx: ProbeContext) -> tuple[Endpoint, ...]:
    """The addresses to look at. Behind a proxy there is one place: the target by its name, which the proxy resolves."""
    target = ctx.cluster.target
    if target.proxy_url is not None:
        return (Endpoint(host=target.host, port=target.port),)
    lookup = await ctx.network.lookup(target.host)
    return tuple(Endpoint(host=address, port=target.port) for address in lookup.addresses)


async def over_addresses(
    ctx: ProbeContext,
    look: Callable[[ProbeContext, Endpoint], Awaitable[Finding]],
    *,
    nowhere: str = "not-reached",
    evidence: Json | None = None,
    most: int | None = None,
) -> AsyncGenerator[Finding, None]:
    """Looks at all addresses side by side and yields each finding when it is known, the quickest first.

    A probe returns this generator itself: one that wrapped it would leave it running when it is closed early.

    One address's defect does not cost the others' findings: it is raised when they are out. ``nowhere`` is the outcome
    when the name gives no address; the name itself is ``dns-lookup``'s to judge. ``evidence`` goes with it. No more than
    ``most`` addresses are looked at, the first ones.
    """
    target = ctx.cluster.target
    found = (await places(ctx))[:most]
    if not found:
        subject = str(Endpoint(host=target.host, port=target.port))
        sentence = f"{target.host} has no address to connect to."
        yield ctx.finding(subject, Status.NOT_APPLICABLE, nowhere, sentence, evidence=evidence)
        return
    # Not a TaskGroup: one that is open across a yield cancels the consumer's task when a child fails, and turns the
    # closing of this generator into an exception group.
    looks = [asyncio.create_task(_look(look, ctx, place), name=f"{ctx.probe} {place}") for place in found]
    pending = set(looks)
    try:
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if task.exception() is None:
                    yield task.result()
        for task in looks:
            task.result()
    finally:
        for task in looks:
            task.cancel()
        await asyncio.gather(*looks, return_exceptions=True)


async def _look(look: Callable[[ProbeContext, Endpoint], Awaitable[Finding]], ctx: ProbeContext, place: Endpoint) -> Finding:
    return await look(ctx, place)
