"""Past the proxy: whether the server takes connections from here by itself. It tells the proxy's trouble from the server's."""

from __future__ import annotations

from bot.model.observation import Connection
from bot.model.target import Endpoint
from bot.registry import ProbeContext

_MOST = 2


async def past_the_proxy(ctx: ProbeContext, place: Endpoint) -> Connection | None:
    """The first address that takes a connection, else the last one's failure; None when this machine knows no address. Nothing is
    sent, and nothing else goes this way."""
    lookup = await ctx.network.lookup(place.host)
    seen: Connection | None = None
    for address in lookup.addresses[:_MOST]:
        seen = await ctx.network.connect(address, place.port)
        if seen.ok:
            break
    return seen
