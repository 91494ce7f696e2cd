"""TCP: one connect to one address, tried once, with the reason of a failure as exact as the kernel knows it."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import math
import socket
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol

from bot.clock import Clock
from bot.model.observation import Connection, Failure, Reject
from bot.net import families
from bot.net.icmp import KEEPS_REJECTS, failure_of, listen_for_rejects, read_reject
from bot.net.routes import usual_way, way_to
from bot.net.timing import TCP_TIMEOUT_S, Expired, Stopwatch, raw
from bot.net.wire import measured, resent

_FAILURES = {
    errno.ECONNREFUSED: Failure.CONNECTION_REFUSED,
    errno.ECONNRESET: Failure.CONNECTION_RESET,
    errno.ECONNABORTED: Failure.CONNECTION_RESET,
    errno.ETIMEDOUT: Failure.CONNECT_TIMEOUT,
    errno.EHOSTUNREACH: Failure.HOST_UNREACHABLE,
    errno.EHOSTDOWN: Failure.HOST_UNREACHABLE,
    errno.ENETUNREACH: Failure.NETWORK_UNREACHABLE,
    errno.ENETDOWN: Failure.NETWORK_UNREACHABLE,
}


_NO_WAY_OUT = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""What the kernel says where an address family is missing, among other reasons."""


_OWN_ROUTE = frozenset({errno.EHOSTUNREACH})
"""With these the kernel refuses at once, without an ICMP error, what its own table has an unreachable route for."""


@dataclass(frozen=True, kw_only=True)
class Dialled:
    """A connected, non-blocking socket that the caller closes, or why there is none. ``leftover`` is what the peer sent
    already, which only a proxy's answer can carry along. ``resent`` counts the packets that were sent again while connecting."""

    sock: socket.socket | None = None
    failure: Failure | None = None
    raw_error: str | None = None
    reject: Reject | None = None
    leftover: bytes = b""
    resent: int = 0


class Dial(Protocol):
    """A way to get a connected socket: directly, or through a proxy. Raises nothing for what can fail on the way."""

    def __call__(self, address: str, port: int, *, watch: Stopwatch, max_segment: int | None = None) -> Awaitable[Dialled]: ...


async def dial(address: str, port: int, *, watch: Stopwatch, max_segment: int | None = None) -> Dialled:
    """Connects to an IP address, with no other address as a fallback. Raises ValueError for a name."""
    family, place = _place(address, port)
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        return _failed(error, None, place[0], ipv6=family == socket.AF_INET6)
    connected = False
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listen_for_rejects(sock)
        if max_segment is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, max_segment)
        async with watch.limit(TCP_TIMEOUT_S):
            await asyncio.get_running_loop().sock_connect(sock, place)
        listen_for_rejects(sock, on=False)
        connected = True
        return Dialled(sock=sock, resent=resent(sock))
    except Expired as error:
        return Dialled(failure=Failure.CONNECT_TIMEOUT, raw_error=raw(error), reject=_others_word(sock, place[0]))
    except OSError as error:
        reject = read_reject(sock)
        if reject is None and error.errno in _OWN_ROUTE and KEEPS_REJECTS:
            return Dialled(failure=Failure.LOCAL_ROUTE_REFUSES, raw_error=raw(error))
        return _failed(error, _of_others(sock, reject, place[0]), place[0], ipv6=family == socket.AF_INET6)
    finally:
        if not connected:
            sock.close()


def _place(address: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]:
    ip = ipaddress.ip_address(address)
    if ip.version == 4:
        return socket.AF_INET, (str(ip), port)
    scope = _scope_number(ip.scope_id) if isinstance(ip, ipaddress.IPv6Address) and ip.scope_id else 0
    return socket.AF_INET6, (address.partition("%")[0], port, 0, scope)


def _scope_number(scope: str) -> int:
    """An interface that does not exist gives zero, and the kernel then says what is wrong."""
    if scope.isdigit():
        return int(scope)
    try:
        return socket.if_nametoindex(scope)
    except OSError:
        return 0


def _others_word(sock: socket.socket, address: str) -> Reject | None:
    """The ICMP error that came, if it is not this machine's own."""
    return _of_others(sock, read_reject(sock), address)


def _of_others(sock: socket.socket, reject: Reject | None, address: str) -> Reject | None:
    """The ICMP error, unless it is this machine's own: its kernel writes one when a neighbour stays silent."""
    own = reject is not None and reject.offender == sock.getsockname()[0] != address
    return None if own else reject


def _failed(error: OSError, reject: Reject | None, address: str, *, ipv6: bool) -> Dialled:
    if reject is not None:
        return Dialled(failure=failure_of(reject, ipv6=ipv6, address=address), raw_error=raw(error), reject=reject)
    if error.errno in _NO_WAY_OUT and families.is_missing(address):
        return Dialled(failure=Failure.NO_ADDRESS_FAMILY, raw_error=raw(error))
    # What is not in the table is this machine's own: no descriptors, no local address, no buffers, its own firewall.
    failure = _FAILURES.get(error.errno or 0, Failure.LOCAL_FAILURE)
    return Dialled(failure=failure, raw_error=raw(error))


async def connect(address: str, port: int, *, clock: Clock, deadline: float = math.inf, route: Dial | None = None) -> Connection:
    """One TCP connect, closed again at once. Nothing is sent."""
    watch = Stopwatch(clock, deadline)
    dialled = await (route or dial)(address, port, watch=watch)
    observed = watch.observed(dialled.failure, dialled.raw_error)
    local = wire = None
    if dialled.sock is not None:
        with dialled.sock as sock:
            local = sock.getsockname()[0]
            wire = measured(sock, resent_before=dialled.resent)
    return Connection(
        address=address,
        port=port,
        local_address=local,
        reject=dialled.reject,
        way=way_to(address),
        usual_way=usual_way(address),
        wire=wire,
        **observed,
    )
