"""Says so when the store may throw away what it holds: a log with holes is worse than a store that is full and says it."""

from __future__ import annotations

import asyncio

import structlog

from bot.adapters.redis.store import RedisStore
from bot.errors import Unavailable

_log = structlog.get_logger(__name__)

LOOK_EVERY_S = 3600.0
_RETRY_S = 30.0


async def warn_of_eviction(store: RedisStore, *, every_s: float = LOOK_EVERY_S, retry_s: float = _RETRY_S) -> None:
    """Looks as soon as the store answers, and every hour, until cancelled. A store that does not tell is believed."""
    while True:
        try:
            evicting = sorted(await store.policies() - {"noeviction"})
        except Unavailable:
            await asyncio.sleep(retry_s)
            continue
        if evicting:
            _log.warning(
                "store-evicts",
                store=store.place,
                policy=", ".join(evicting),
                meaning="when its memory is full it deletes events and leases",
                next="set maxmemory-policy to noeviction",
            )
        await asyncio.sleep(every_s)
