"""Through an HTTP proxy: where clients reach the server only by CONNECT, so does the bot.

The proxy's own failures are kept apart from the server's: everything between here and the proxy's yes is the proxy's.
"""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from bot.model.observation import Failure, Lookup
from bot.model.target import Endpoint
from bot.net.tcp import Dialled, dial
from bot.net.timing import TCP_TIMEOUT_S, Expired, Stopwatch, raw

_ANSWER_LIMIT = 16_384


@dataclass(frozen=True, kw_only=True)
class ProxyRoute:
    """Dials through one HTTP proxy. ``lookup`` resolves the proxy's name; the server's name is the proxy's to resolve.

    User name and password of the proxy's URL go to the proxy only, and are in no text.
    """

    url: str = field(repr=False)
    lookup: Callable[[str], Awaitable[Lookup]]

    async def __call__(self, address: str, port: int, *, watch: Stopwatch, max_segment: int | None = None) -> Dialled:
        parts, number = _parts(self.url)
        if parts.scheme != "http" or not parts.hostname or number is None:
            return Dialled(
                failure=Failure.LOCAL_FAILURE,
                raw_error=f"a proxy of kind {parts.scheme or 'unknown'!r} cannot be used, only http",
            )
        proxy = Endpoint(host=parts.hostname, port=number)
        found = await self.lookup(proxy.host)
        if not found.addresses:
            watch.cut = watch.cut or found.capped
            return _failed(proxy, f"its name does not resolve: {found.raw_error or found.failure}")
        first = await dial(found.addresses[0], proxy.port, watch=watch, max_segment=max_segment)
        if first.sock is None:
            if first.failure is Failure.LOCAL_FAILURE:
                return first
            return _failed(proxy, first.raw_error or "no reason given")
        tunnelled = False
        try:
            async with watch.limit(TCP_TIMEOUT_S):
                status_line, leftover = await _ask(
                    first.sock, _request(Endpoint(host=address, port=port), parts.username, parts.password)
                )
            tunnelled = _is_yes(status_line)
        except (Expired, OSError) as error:
            return _failed(proxy, raw(error))
        finally:
            if not tunnelled:
                first.sock.close()
        if tunnelled:
            return Dialled(sock=first.sock, leftover=leftover)
        # 502 to 504 are the proxy's words for a server that it cannot reach; everything else is about the proxy.
        beyond = _code(status_line) in ("502", "503", "504")
        failure = Failure.PROXY_GATEWAY if beyond else Failure.PROXY_FAILED
        return _failed(proxy, f"it answers {status_line!r}", failure)


def _parts(url: str) -> tuple[SplitResult, int | None]:
    """The URL in parts, and its port; no port if there is nothing sensible to connect to."""
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError:
        return SplitResult("", "", "", "", ""), None
    return parts, port


def _failed(proxy: Endpoint, reason: str, failure: Failure = Failure.PROXY_FAILED) -> Dialled:
    return Dialled(failure=failure, raw_error=f"proxy {proxy}: {reason}")


def _request(place: Endpoint, user: str | None, password: str | None) -> bytes:
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}", "User-Agent: apidown"]
    if user is not None:
        pair = f"{unquote(user)}:{unquote(password or '')}".encode()
        lines.append("Proxy-Authorization: Basic " + base64.b64encode(pair).decode())
    return "\r\n".join([*lines, "", ""]).encode()


async def _ask(sock: socket.socket, request: bytes) -> tuple[str, bytes]:
    """The status line of the proxy's answer, and what came after its headers."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, request)
    answer = b""
    while b"\r\n\r\n" not in answer and len(answer) < _ANSWER_LIMIT:
        data = await loop.sock_recv(sock, 4096)
        if not data:
            break
        answer += data
    head, complete, leftover = answer.partition(b"\r\n\r\n")
    line = head.split(b"\r\n")[0].decode("latin-1")[:200]
    return (line, leftover) if complete else (line or "nothing", b"")


def _is_yes(status_line: str) -> bool:
    return _code(status_line).startswith("2")


def _code(status_line: str) -> str:
    """The three digits of an HTTP status line; nothing when it is none."""
    words = status_line.split(" ", 2)
    known = len(words) >= 2 and words[0].startswith("HTTP/1.") and len(words[1]) == 3
    return words[1] if known else ""
