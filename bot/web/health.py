"""Liveness and readiness over HTTP, for whatever runs the bot.

They say nothing about any cluster, so they need no authentication and never ask an API server: a bot that is restarted
because the cluster is down would be gone when it is needed. Readiness is the truth about the bot alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from bot.errors import ApidownError

Check = Callable[[], Awaitable[None]]
"""Raises an ApidownError with the reason when it does not hold."""

_CHECK_S = 2.0


def health_routes(checks: Mapping[str, Check]) -> list[web.RouteDef]:
    """``/livez`` (the event loop turns) and ``/readyz`` (every check holds)."""
    return [web.get("/livez", _live), web.get("/readyz", _readiness(checks))]


async def _live(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def _readiness(checks: Mapping[str, Check]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def ready(_: web.Request) -> web.Response:
        results = await asyncio.gather(*(_result(check) for check in checks.values()))
        lines = [f"[{'-' if problem else '+'}]{name} {problem or 'ok'}" for name, problem in zip(checks, results, strict=True)]
        return web.Response(status=503 if any(results) else 200, text="\n".join(lines) + "\n")

    return ready


async def _result(check: Check) -> str:
    """Empty when the check holds, else what is wrong."""
    try:
        async with asyncio.timeout(_CHECK_S):
            await check()
    except ApidownError as error:
        return error.what
    except TimeoutError:
        return f"did not answer within {_CHECK_S:.0f} s"
    return ""
