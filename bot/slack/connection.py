"""The way to Slack, with a last look before anything goes out on it.

Between the decision to post and the first byte lie a lookup, a handshake, or the time that this process was stopped for.
Whoever posts may not be the owner any more by then, and a successor's verdict would be painted over with something older.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from aiohttp.client import ClientTimeout
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

Still = Callable[[], bool]
"""Whether the call may still be made."""

_still: ContextVar[Still | None] = ContextVar("still", default=None)


class Withheld(aiohttp.ClientError):
    """The call was not made: by the time there was a connection, it must not be any more."""


@contextmanager
def only_while(still: Still | None) -> Generator[None]:
    """Calls in this block are made only if ``still`` says so at the moment that they would be sent."""
    token = _still.set(still)
    try:
        yield
    finally:
        _still.reset(token)


class Connector(aiohttp.TCPConnector):
    """aiohttp's, and asks once there is a connection. The SDK makes the request, so there is no argument to pass it by."""

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109 - the name of what is overridden
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        still = _still.get()
        if still is not None and not still():
            connection.close()
            raise Withheld("not the owner any more")
        return connection
