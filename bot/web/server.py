"""The one HTTP server of the bot: whatever is served, on one port, without a log of its own that could show a secret."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog
from aiohttp import web

from bot.errors import ConfigError

_log = structlog.get_logger(__name__)


async def serve_http(host: str, port: int, routes: Iterable[web.RouteDef]) -> None:
    """Serves these routes until cancelled. Raises ConfigError when the address is not to be had; port 0 takes a free one,
    which is logged."""
    app = web.Application()
    app.router.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise ConfigError(
                f"health and webhooks cannot be served there: {error.strerror or error}",
                where=f"{host}:{port}",
                next="set APIDOWN_HEALTH_HOST and APIDOWN_HEALTH_PORT to an address of this machine and a free port",
            ) from error
        _log.info("http-served", at=[f"http://{address[0]}:{address[1]}" for address in runner.addresses])
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
