"""Which way this machine sends what goes to an address: the interface, the gateway, its own address there.

The kernel is asked as it is for every connection, its rules and all its tables included; that needs no rights and sends nothing.
A system that cannot be asked like this tells nothing.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from pathlib import Path

from bot.model.observation import Way

_GET, _REQUEST, _ERROR = 26, 1, 2
_DST, _OIF, _GATEWAY, _PREFSRC, _VIA = 1, 4, 5, 7, 18
_HEADER = struct.Struct("=IHHII")
# family, bits of destination and source, tos, table, protocol, scope, type, flags
_ROUTE = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_TIMEOUT_S = 1.0

_INTERFACES = Path("/sys/class/net")
_LANS = frozenset({1, 32, 772})
"""Numbers of the Linux headers: Ethernet and what looks like it, InfiniBand, loopback."""

# Kept for documents, so that nobody has a route of its own to them: what they get is the default one.
_NOWHERE = {4: "192.0.2.1", 6: "2001:db8::1"}


def way_to(address: str) -> Way | None:
    """The way to this address; None where there is none or the kernel does not tell."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if not sys.platform.startswith("linux"):
        return None
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    body = _ROUTE.pack(family, ip.max_prefixlen, 0, 0, 0, 0, 0, 0, 0) + _ATTRIBUTE.pack(4 + len(ip.packed), _DST) + ip.packed
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
            kernel.settimeout(_TIMEOUT_S)
            kernel.send(_HEADER.pack(_HEADER.size + len(body), _GET, _REQUEST, 1, 0) + body)
            return parse_route(kernel.recv(8192))
    except OSError:
        return None


def usual_way(address: str) -> Way | None:
    """The way of everything that has no route of its own, in this address's family."""
    return way_to(_NOWHERE[ipaddress.ip_address(address.partition("%")[0]).version])


def parse_route(data: bytes) -> Way | None:
    """The kernel's answer; None for an error or what is no route."""
    begin = _HEADER.size + _ROUTE.size
    if len(data) < begin or _HEADER.unpack_from(data)[1] == _ERROR:
        return None
    found: dict[int, bytes] = {}
    place = begin
    while place + _ATTRIBUTE.size <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, place)
        if size < _ATTRIBUTE.size:
            break
        found[kind] = data[place + _ATTRIBUTE.size : place + size]
        place += (size + 3) & ~3
    if _OIF not in found:
        return None
    try:
        interface = socket.if_indextoname(struct.unpack("=I", found[_OIF])[0])
    except (OSError, struct.error):
        return None
    return Way(
        interface=interface,
        tunnel=_is_tunnel(interface),
        source=_address(found.get(_PREFSRC)),
        gateway=_address(found.get(_GATEWAY) or found.get(_VIA, b"")[2:]),
    )


def _is_tunnel(interface: str) -> bool:
    """Whether the interface has no neighbours but another end, as those of VPNs have."""
    try:
        kind = int((_INTERFACES / interface / "type").read_text())
    except (OSError, ValueError):
        return False
    return kind not in _LANS


def _address(packed: bytes | None) -> str | None:
    return str(ipaddress.ip_address(packed)) if packed and len(packed) in (4, 16) else None
