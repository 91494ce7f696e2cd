"""Which of the two address families this machine has at all.

A name may have addresses of a family that a machine was never given. Its clients pass over them, so that nothing can be
reached there from it is no fault of the server's, nor a route that is missing. The kernel tells its own addresses in two
files; a system without them does not tell.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

_NET = Path("/proc/net")

_OWN_IPV4 = re.compile(r"-- (\S+)\s+/32 host LOCAL")
"""In ``fib_trie`` an address is on the line above that of what it is to this machine."""

_WIDE = "00"
"""In ``if_inet6`` the scope of an address that reaches beyond its link; it is the fourth word of its line."""


def is_missing(address: str) -> bool:
    """Whether this machine has no address of this one's family, but for those of its loopback and its links. False where that
    cannot be told."""
    has = _has_ipv4 if ipaddress.ip_address(address).version == 4 else _has_ipv6
    try:
        return _NET.is_dir() and not has()
    except OSError:
        return False


def _has_ipv6() -> bool:
    path = _NET / "if_inet6"
    # A kernel without IPv6 has no such file.
    return path.exists() and any(line.split()[3:4] == [_WIDE] for line in path.read_text().splitlines())


def _has_ipv4() -> bool:
    own = map(ipaddress.IPv4Address, _OWN_IPV4.findall((_NET / "fib_trie").read_text()))
    return any(not (one.is_loopback or one.is_link_local) for one in own)
