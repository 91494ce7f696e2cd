"""Servers on loopback that answer, or fail, in one known way each."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
GO_ANSWER = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"


class Server:
    """One listener; ``connections`` counts accepted connections and ``received`` what handlers have read."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.received = b""
        self.client_certificates: list[bytes | None] = []


Handler = Callable[[Server, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(
    handler: Handler,
    *,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    sock: socket.socket | None = None,
) -> AsyncGenerator[Server]:
    """Runs ``handler`` for each connection, to ``sock`` if one listens already. What is open at the end is dropped."""
    server = Server()
    tasks: set[asyncio.Task[None]] = set()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        if tls is not None:
            server.client_certificates.append(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        try:
            with suppress(OSError, asyncio.CancelledError):
                await handler(server, reader, writer)
        finally:
            tasks.discard(task)
            writer.transport.abort()

    if sock is not None:
        listener = await asyncio.start_server(accepted, sock=sock, ssl=tls)
    else:
        listener = await asyncio.start_server(accepted, host, 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(answer: bytes, *, stay_open: bool = False) -> Handler:
    """Reads one request head, then sends ``answer``."""

    async def handle(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server.received += await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            server.received += error.partial
            return
        if stay_open:
            writer.write(answer)
            await silent(server, reader, writer)
        else:
            await send(writer, answer)

    return handle


async def send(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Sends and, where the stream allows it, ends it in order, so that no reset overtakes the data."""
    writer.write(data)
    await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def silent(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes everything and says nothing."""
    while data := await reader.read(65_536):
        server.received += data


async def closing(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads the first bytes and closes in order."""
    server.received += await reader.read(65_536)
    writer.close()
    await writer.wait_closed()


async def resetting(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads the first bytes and resets."""
    server.received += await reader.read(65_536)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what another task or process is about to do."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)
