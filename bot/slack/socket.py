"""Socket Mode that survives: two connections, and a watchdog for the one fault the SDK does not get out of.

Slack closes every connection now and then and wants a new one. With a single connection whatever is typed in between is
lost, because commands and clicks are never sent again; with two, begun some time apart so that they are not refreshed
together, one is always there. The SDK's client asks for a ticket, and when the handshake fails tries the same used-up
ticket for ever: while a client is not connected its ticket is taken away every second, so the next try gets a new one.
When Slack takes a connection and closes it at once it tries again without a pause, until it is told to wait for a minute:
tickets are asked for ever more slowly.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class SocketTiming:
    """In seconds. ``second_after_s`` keeps the refreshes of the two connections apart. The pause between two tickets of one
    connection doubles, and begins anew after ``settled_s`` without one."""

    ping_interval_s: float = 5.0
    second_after_s: float = 120.0
    watchdog_s: float = 1.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 15.0
    settled_s: float = 60.0
    close_s: float = 5.0


class Socket:
    """The app's two connections to Slack. ``run`` owns them until it is cancelled and closes them then."""

    def __init__(self, app: AsyncApp, web: AsyncWebClient, app_token: str, *, timing: SocketTiming | None = None) -> None:
        self._app = app
        self._web = web
        self._app_token = app_token
        self._timing = timing or SocketTiming()
        self._connections: list[_Connection] = []

    @property
    def ready(self) -> bool:
        """Slack said hello on at least one connection that is still up."""
        return any(connection.ready for connection in self._connections)

    async def run(self) -> None:
        """Keeps both connections up; Slack being away is waited for."""
        async with asyncio.TaskGroup() as tasks:
            for number, delay in ((1, 0.0), (2, self._timing.second_after_s)):
                connection = _Connection(self._app, self._web, self._app_token, self._timing)
                self._connections.append(connection)
                tasks.create_task(connection.run(delay), name=f"Slack socket {number}")


class _Connection:
    def __init__(self, app: AsyncApp, web: AsyncWebClient, app_token: str, timing: SocketTiming) -> None:
        self._app = app
        self._web = web
        self._app_token = app_token
        self._timing = timing
        self._hello = False
        self._connected = False

    @property
    def ready(self) -> bool:
        return self._hello and self._connected

    async def run(self, delay: float) -> None:
        await asyncio.sleep(delay)
        handler = AsyncSocketModeHandler(
            self._app,
            self._app_token,
            web_client=_Tickets(self._web, self._timing),
            logger=logging.getLogger(f"{__name__}.sdk"),
            ping_interval=self._timing.ping_interval_s,
        )
        handler.client.message_listeners.append(self._heard)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(handler.connect_async(), name="connect to Slack")
                tasks.create_task(self._watch(handler), name="watch the Slack socket")
        finally:
            self._connected = False
            await self._close(handler)

    async def _heard(self, client: object, message: Mapping[str, Any], raw: str | None) -> None:
        if message.get("type") == "hello":
            self._hello = True
            log.info("slack-socket-hello", connections=message.get("num_connections"))

    async def _watch(self, handler: AsyncSocketModeHandler) -> None:
        while True:
            connected = await handler.client.is_connected()
            if connected != self._connected:
                log.info("slack-socket-up" if connected else "slack-socket-down")
            self._connected = connected
            if not connected:
                self._hello = False
                handler.client.wss_uri = None
            await asyncio.sleep(self._timing.watchdog_s)

    async def _close(self, handler: AsyncSocketModeHandler) -> None:
        tasks = _tasks_of(handler)
        try:
            async with asyncio.timeout(self._timing.close_s):
                await handler.close_async()
        except TimeoutError:
            log.warning("slack-socket-close-timed-out")
            await handler.client.aiohttp_client_session.close()
        # The SDK cancels its tasks and does not wait for their end.
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=self._timing.close_s)


class _Tickets(AsyncWebClient):
    """Where one connection gets its tickets, with a pause between two of them."""

    def __init__(self, web: AsyncWebClient, timing: SocketTiming) -> None:
        super().__init__(token=web.token, base_url=web.base_url, timeout=web.timeout, session=web.session, retry_handlers=[])
        self._socket_timing = timing
        self._asked_at = -math.inf
        self._pause_s = 0.0

    async def apps_connections_open(self, *, app_token: str, **more: Any) -> AsyncSlackResponse:
        loop, timing = asyncio.get_running_loop(), self._socket_timing
        settled = loop.time() - self._asked_at > timing.settled_s
        self._pause_s = 0.0 if settled else min(max(self._pause_s * 2, timing.first_pause_s), timing.longest_pause_s)
        await asyncio.sleep(max(0.0, self._asked_at + self._pause_s - loop.time()))
        self._asked_at = loop.time()
        return await super().apps_connections_open(app_token=app_token, **more)


def _tasks_of(handler: AsyncSocketModeHandler) -> list[asyncio.Future[Any]]:
    client = handler.client
    futures = (client.message_processor, client.message_receiver, client.current_session_monitor)
    return [future for future in futures if future is not None and not future.done()]
