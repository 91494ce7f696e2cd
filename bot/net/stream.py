"""A connected socket, in plain text or under TLS, that tells every way of ending apart.

TLS runs over memory buffers, so that what came over the wire is known at each step: nothing at all, the end of the
stream, a reset, an alert, or something that is not TLS. A TLS socket folds these into one or two exceptions.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from types import TracebackType

from bot.model.observation import Wire
from bot.net.wire import measured

_CHUNK = 65_536


class Closed(Exception):
    """The peer ended the stream where an answer was due."""


class Stream:
    """Reads and writes over a non-blocking socket that it owns. OSError and SSLError pass through unchanged."""

    def __init__(self, sock: socket.socket, *, leftover: bytes = b"", resent: int = 0) -> None:
        self._sock = sock
        self._leftover = leftover
        self._resent = resent
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls: ssl.SSLObject | None = None
        self.bytes_received = 0
        self.first_bytes = b""

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._sock.close()

    def wire(self) -> Wire | None:
        """What the kernel measured so far."""
        return measured(self._sock, resent_before=self._resent)

    async def start_tls(self, context: ssl.SSLContext, server_name: str) -> ssl.SSLObject:
        """Does the handshake. Raises SSLError, Closed, OSError; ValueError for a name that TLS cannot carry."""
        tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._flush()
                if not await self._fill():
                    raise Closed("the peer closed the connection during the TLS handshake") from None
            except ssl.SSLError:
                await self._farewell()
                raise
        await self._flush()
        self.tls = tls
        return tls

    async def send(self, data: bytes) -> None:
        if self.tls is None:
            await asyncio.get_running_loop().sock_sendall(self._sock, data)
            return
        self.tls.write(data)
        await self._flush()

    async def receive(self) -> bytes:
        """What has arrived, at least one byte; nothing at the end of the stream."""
        if self.tls is None:
            return await self._recv()
        while True:
            try:
                return self.tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                await self._flush()
                if not await self._fill():
                    return b""
            except ssl.SSLZeroReturnError:
                return b""

    async def _recv(self) -> bytes:
        if self._leftover:
            data, self._leftover = self._leftover, b""
        else:
            data = await asyncio.get_running_loop().sock_recv(self._sock, _CHUNK)
        # A receive that finds data does not pause: a peer that never stops would keep the loop from noticing the time.
        await asyncio.sleep(0)
        if len(self.first_bytes) < 8:
            self.first_bytes += data[:8]
        self.bytes_received += len(data)
        return data

    async def _fill(self) -> bool:
        data = await self._recv()
        if data:
            self._incoming.write(data)
        return bool(data)

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await asyncio.get_running_loop().sock_sendall(self._sock, self._outgoing.read())

    async def _farewell(self) -> None:
        """Tells the peer why, as TLS wants it; the peer may be gone, and the reason to be reported is another one."""
        try:
            await self._flush()
        except OSError:
            return
