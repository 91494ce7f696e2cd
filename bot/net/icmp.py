"""What a socket's error queue says about a failed connect.

An ICMP error names who rejected and how, while a reset leaves the queue empty. Clients are told "connection refused" in
both cases; the difference is a firewall against a closed port.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys

from bot.model.observation import Failure, Reject

# Numbers of the Linux headers that the socket module does not have in every version.
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_ORIGIN_ICMP = 2
_ORIGIN_ICMP6 = 3

# errno, origin, type, code, padding, info, data; the offender's socket address follows.
_EXTENDED_ERROR = struct.Struct("=IBBBBII")

_UNREACHABLE = 3
_UNREACHABLE_V6 = 1
_NETWORK_CODES = frozenset({0, 6, 11})
_HOST_CODES = frozenset({1, 7, 12})
_TIME_EXCEEDED = frozenset({(False, 11), (True, 3)})


KEEPS_REJECTS = sys.platform.startswith("linux")
"""Whether this system keeps ICMP errors at all, so that their absence says something."""


def listen_for_rejects(sock: socket.socket, *, on: bool = True) -> None:
    """Asks the kernel to keep ICMP errors for this socket; a no-op where there is no queue.

    On before connecting and off after it: on an established connection it would make errors fatal that clients survive.
    """
    if not sys.platform.startswith("linux"):
        return
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, int(on))
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, int(on))


def read_reject(sock: socket.socket) -> Reject | None:
    """The first ICMP error in the socket's error queue; None after a reset. The socket must be non-blocking."""
    if not sys.platform.startswith("linux"):
        return None
    for _ in range(8):
        try:
            _, ancillary, _, _ = sock.recvmsg(512, 512, socket.MSG_ERRQUEUE)
        except OSError:
            return None
        for level, kind, data in ancillary:
            if (level, kind) in ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)):
                reject = parse_extended_error(data)
                if reject is not None:
                    return reject
    return None


def read_told(sock: socket.socket) -> tuple[Reject | None, int] | None:
    """The first entry of the error queue, whoever wrote it: the ICMP error, None for this machine's own word; and the number that
    goes with it, which is a packet's largest size where a packet was too big. None when the queue is empty."""
    try:
        _, ancillary, _, _ = sock.recvmsg(512, 512, socket.MSG_ERRQUEUE)
    except OSError:
        return None
    for level, kind, data in ancillary:
        wanted = (level, kind) in ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR))
        if wanted and len(data) >= _EXTENDED_ERROR.size:
            return parse_extended_error(data), _EXTENDED_ERROR.unpack_from(data)[5]
    return None


def parse_extended_error(data: bytes) -> Reject | None:
    """A ``sock_extended_err`` with its offender; None if it is cut short or did not come from ICMP."""
    if len(data) < _EXTENDED_ERROR.size:
        return None
    _, origin, icmp_type, icmp_code, _, _, _ = _EXTENDED_ERROR.unpack_from(data)
    if origin not in (_ORIGIN_ICMP, _ORIGIN_ICMP6):
        return None
    return Reject(offender=_offender(data[_EXTENDED_ERROR.size :]), icmp_type=icmp_type, icmp_code=icmp_code)


def _offender(address: bytes) -> str:
    if len(address) >= 8:
        (family,) = struct.unpack_from("=H", address)
        if family == socket.AF_INET:
            return str(ipaddress.IPv4Address(address[4:8]))
        if family == socket.AF_INET6 and len(address) >= 24:
            return str(ipaddress.IPv6Address(address[8:24]))
    return "unknown"


def failure_of(reject: Reject, *, ipv6: bool, address: str = "") -> Failure:
    """A plain "no such host" or "no such network" stays one; whatever else ICMP says is somebody's rejection.

    So is everything that ``address``, which was dialled, says of itself: a host that answers cannot be missing.
    """
    kind, code = reject.icmp_type, reject.icmp_code
    if reject.offender == address:
        return Failure.CONNECTION_REJECTED
    if (ipv6, kind) in _TIME_EXCEEDED:
        return Failure.HOST_UNREACHABLE
    if ipv6 and kind == _UNREACHABLE_V6:
        return {0: Failure.NETWORK_UNREACHABLE, 2: Failure.NETWORK_UNREACHABLE, 3: Failure.HOST_UNREACHABLE}.get(
            code, Failure.CONNECTION_REJECTED
        )
    if not ipv6 and kind == _UNREACHABLE:
        if code in _NETWORK_CODES:
            return Failure.NETWORK_UNREACHABLE
        if code in _HOST_CODES:
            return Failure.HOST_UNREACHABLE
    return Failure.CONNECTION_REJECTED
