"""The one HTTP server of the bot: whatever is served, on one port, without a log of its own that could show a secret.

Anybody who reaches the port may open connections, before any token is asked for. So a connection on which nothing is asked is
closed soon, and of more than there is room for the oldest idle one makes way: the descriptors are needed for Slack, the store
and the probes, and whoever asks now must be answered now.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bot.errors import ConfigError

_log = structlog.get_logger(__name__)

MOST_CONNECTIONS = 256
IDLE_S = 30.0
"""How long a connection may be open without a whole request."""

_STOP_S = 5.0
"""How long a request that is under way may take once the process is told to stop."""


async def serve_http(host: str, port: int, routes: Iterable[web.RouteDef], *, idle_s: float = IDLE_S) -> None:
    """Serves these routes until cancelled. Raises ConfigError when the address is not to be had; port 0 takes a free one,
    which is logged."""
    door = _Door()
    app = web.Application(middlewares=[door.watch])
    app.router.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, logger=_quiet_logger(), keepalive_timeout=idle_s, shutdown_timeout=_STOP_S)
    await runner.setup()
    assert runner.server is not None
    try:
        try:
            server = await asyncio.get_running_loop().create_server(door.of(runner.server), host, port)
        except OSError as error:
            raise ConfigError(
                f"health and webhooks cannot be served there: {error.strerror or error}",
                where=f"{host}:{port}",
                next="set APIDOWN_HEALTH_HOST and APIDOWN_HEALTH_PORT to an address of this machine and a free port",
            ) from error
        try:
            places = [socket.getsockname() for socket in server.sockets]
            _log.info("http-served", at=[f"http://{place[0]}:{place[1]}" for place in places])
            await asyncio.Event().wait()
        finally:
            server.close()
    finally:
        await runner.cleanup()


class _Door:
    """Lets connections in, and the oldest idle one out where there are too many."""

    def __init__(self) -> None:
        self._busy: set[asyncio.BaseProtocol] = set()

    def of(self, server: web.Server) -> Callable[[], asyncio.BaseProtocol]:
        def enter() -> asyncio.BaseProtocol:
            open_ones = server.connections
            if len(open_ones) >= MOST_CONNECTIONS:
                next((one for one in open_ones if one not in self._busy), open_ones[0]).force_close()
            return server()

        return enter

    @web.middleware
    async def watch(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self._busy.add(request.protocol)
        try:
            return await handler(request)
        finally:
            self._busy.discard(request.protocol)


def _quiet_logger() -> logging.Logger:
    logger = logging.getLogger(f"{__name__}.http")
    logger.filters = [_no_traceback_of_garbage]
    return logger


def _no_traceback_of_garbage(record: logging.LogRecord) -> bool:
    """What is not HTTP is answered with 400; it is no error of ours, and its bytes are not for the log."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        _log.info("http-garbage", what=type(error).__name__)
        return False
    return True
