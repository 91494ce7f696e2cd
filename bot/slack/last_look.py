"""A last look before a call to Slack goes out: at the moment of its first byte, not when it was decided on.

In between lie a lookup, a handshake, a turn of the event loop, or the time that this process was stopped for. Whoever posts
may not be the owner any more by then, and a successor's verdict would be painted over with something older.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import BytesPayload, Payload

Still = Callable[[], bool]
"""Whether the call may still be made."""

_still: ContextVar[Still | None] = ContextVar("still", default=None)


class Withheld(Exception):
    """Nothing was sent: by the time that it could be, it must not be any more."""


@contextmanager
def only_while(still: Still | None) -> Generator[None]:
    """Calls in this block are sent only if ``still`` says so right before. The SDK makes the request, so it cannot be passed."""
    token = _still.set(still)
    try:
        yield
    finally:
        _still.reset(token)


async def ask_before_sending(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """The session's middleware. aiohttp keeps a request's head back until the first byte of its body."""
    still = _still.get()
    if still is not None and isinstance(request.body, Payload):
        await request.update_body(_Asking(await request.body.as_bytes(), still))
    return await handler(request)


class _Asking(BytesPayload):
    def __init__(self, body: bytes, still: Still) -> None:
        super().__init__(body)
        self._still = still

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if not self._still():
            raise Withheld
        await super().write_with_length(writer, content_length)
