"""One Redis server: its connections, and nothing of which server has which key.

Commands share a few connections and wait for one. Followers block, so they have connections of their own. Files of TLS are
read for each new connection: they rotate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import BlockingConnectionPool, Connection, ConnectionPool, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from bot.store_url import Host, Kind, StoreUrl

_COMMANDS = 16  # connections for commands; more callers than that wait for one
_FOLLOWERS = 256  # connections for followers

Command = tuple[Any, ...]
"""A command as it is sent: its name and its arguments."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """How a server is spoken to, whichever server it is."""

    url: StoreUrl
    patience_s: float
    name: str
    sentinel: bool = False

    def arguments(self) -> dict[str, Any]:
        """What the client library's connections take."""
        url = self.url
        username, password = (url.sentinel_username, url.sentinel_password) if self.sentinel else (url.username, url.password)
        found: dict[str, Any] = {
            "username": username,
            "password": password,
            "db": 0 if self.sentinel else url.database,
            "decode_responses": True,
            # RESP2 has the same answers on every version.
            "protocol": 2,
            "client_name": self.name,
            "driver_info": None,  # CLIENT SETINFO would be one more right that nobody needs
            "socket_connect_timeout": self.patience_s / 2,
            # Time is kept around each call, not in the client: before Python 3.12 its wait_for can swallow a cancellation
            # that arrives just as a command is sent, and who was cancelled would wait for ever.
            "socket_timeout": None,
        }
        if not url.tls:
            return found
        verification = {"ssl_cert_reqs": "required" if url.verify else "none", "ssl_check_hostname": url.check_hostname}
        return {**found, **url.files, **verification}


class Node:
    """One server's connections. Nothing is opened before it is needed."""

    def __init__(self, access: Access, host: Host | None = None) -> None:
        """``host`` None is the URL's socket."""
        self.host = host
        place: dict[str, Any] = {"path": access.url.path} if host is None else {"host": host[0], "port": host[1]}
        kind = SSLConnection if access.url.tls else UnixDomainSocketConnection if host is None else Connection
        common: dict[str, Any] = {"connection_class": kind, **access.arguments(), **place}
        # Repeating is for dead connections only: a time-out is not repeated.
        once = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
        never = Retry(NoBackoff(), 0, supported_errors=(RedisConnectionError,))
        commands = BlockingConnectionPool(
            **common,
            retry=once if access.url.kind in (Kind.SERVER, Kind.SOCKET) else never,
            max_connections=_COMMANDS,
            timeout=access.patience_s,
            health_check_interval=30,
        )
        followers = ConnectionPool(**common, retry=never, max_connections=_FOLLOWERS)
        self._commands: Any = Redis.from_pool(commands)
        self._followers: Any = Redis.from_pool(followers)

    async def run(self, command: Command) -> Any:
        return await self._commands.execute_command(*command)

    async def block(self, command: Command) -> Any:
        """The same on a follower's connection, for as long as the command blocks."""
        return await self._followers.execute_command(*command)

    async def all(self, commands: Sequence[Command]) -> list[Any]:
        """These commands one after the other on one connection, in one round trip. Refusals are among the results."""
        pipeline = self._commands.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        return await pipeline.execute(raise_on_error=False)

    async def close(self) -> None:
        await self._commands.aclose(close_connection_pool=True)
        await self._followers.aclose(close_connection_pool=True)
