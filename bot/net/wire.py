"""What the kernel measured on a TCP connection: round trips, what was sent again, how large packets were.

It keeps these numbers for every connection, and tells them to whoever has the socket; nothing is sent for them. Only Linux
has them in this form; elsewhere nothing is told.
"""

from __future__ import annotations

import socket
import struct
import sys

from bot.model.observation import Wire

# struct tcp_info: where in it a number is. Later kernels only append to it.
_SEND_SEGMENT, _RECEIVED_SEGMENT, _PATH_MTU, _RTT, _RTT_VARIATION = 16, 20, 60, 68, 72
_RESENT, _SEGMENTS_OUT, _LEAST_RTT = 100, 136, 148
_SIZE = 256
_MICROSECONDS = 1e-6
_NEVER = 0xFFFF_FFFF


def measured(sock: socket.socket, *, resent_before: int = 0) -> Wire | None:
    """The connection's numbers so far. ``resent_before`` are those packets that were sent again while it was made."""
    data = _info(sock)
    return None if data is None else parse(data, resent_before=resent_before)


def resent(sock: socket.socket) -> int:
    """How many packets were sent again so far; none where it is not told."""
    data = _info(sock)
    return _number(data, _RESENT) or 0 if data is not None else 0


def parse(data: bytes, *, resent_before: int = 0) -> Wire | None:
    """``struct tcp_info`` as a value; None when it is too short to say anything."""
    rtt, segments = _number(data, _RTT), _number(data, _SEGMENTS_OUT)
    if rtt is None or segments is None:
        return None
    least = _number(data, _LEAST_RTT)
    return Wire(
        rtt_s=round(rtt * _MICROSECONDS, 6),
        rtt_variation_s=round((_number(data, _RTT_VARIATION) or 0) * _MICROSECONDS, 6),
        least_rtt_s=round(least * _MICROSECONDS, 6) if least and least != _NEVER else None,
        packets_sent=segments,
        resent=_number(data, _RESENT) or 0,
        resent_connecting=resent_before,
        segment=_number(data, _SEND_SEGMENT) or 0,
        segment_received=_number(data, _RECEIVED_SEGMENT) or 0,
        path_mtu=_number(data, _PATH_MTU) or 0,
    )


def _info(sock: socket.socket) -> bytes | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE)
    except OSError:
        return None


def _number(data: bytes, place: int) -> int | None:
    return struct.unpack_from("=I", data, place)[0] if place + 4 <= len(data) else None
