"""What is tried beside a handshake that is slow or fails, to see why."""

from __future__ import annotations

import asyncio

from bot.model.observation import Failure
from bot.model.target import Endpoint
from bot.probes._shared import tls
from bot.probes._shared.layers import handshake
from bot.registry import ProbeContext

_SLOW_S = 1.0
_SMALL_SEGMENT = 500
# As the normal one in all that matters, and another operation to the network.
_AGAIN = (("http/1.1", "h2"), ("h2",))


async def experiments(ctx: ProbeContext, place: Endpoint) -> tls.Seen:
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
        old = group.create_task(handshake(ctx, place, alpn=("http/1.1",)), name=f"with http/1.1 {place}")
        again = [group.create_task(handshake(ctx, place, alpn=one), name=f"again {place}") for one in _AGAIN]
        if (await normal).failure not in tls.EXPLAINABLE:
            for trial in (plain, small, bare, old, *again):
                trial.cancel()
            return tls.Seen(normal=normal.result())
    repeated = tuple(task.result() for task in again)
    return tls.Seen(
        normal=normal.result(),
        plain=plain.result(),
        small=small.result(),
        bare=bare.result(),
        old=old.result(),
        again=repeated,
    )
