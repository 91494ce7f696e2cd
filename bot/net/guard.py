"""Where a URL that a stranger gave must not lead: this machine itself, and what answers only to those who are near it.

A chat message must not make the bot ask its cloud's metadata service for credentials, nor its neighbours on loopback. A name
proves nothing, because its owner decides what it resolves to, anew each time. So every address is judged when it is about to
be connected to. Private networks are allowed: that is where API servers are.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from bot.model.observation import Failure
from bot.model.target import Target
from bot.net.tcp import Dial, Dialled, dial
from bot.net.timing import Stopwatch

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # AWS, Azure, Google, Oracle, OpenStack, DigitalOcean
            "169.254.170.2",  # AWS, containers
            "169.254.170.23",  # AWS, pods
            "fd00:ec2::254",  # AWS
            "fd00:ec2::23",  # AWS, pods
            "fd20:ce::254",  # Google
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure, the host
            "192.0.0.192",  # Oracle, classic
        ),
    )
)
_METADATA_NAMES = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "metadata.internal",
        "metadata.azure.com",
        "metadata.azure.internal",
        "metadata.tencentyun.com",
        "instance-data",
        "instance-data.ec2.internal",
    }
)
_SPECIAL = tuple(
    (ipaddress.ip_network(network), what)
    for network, what in (
        ("0.0.0.0/8", "an unspecified address, which is this machine itself"),
        ("127.0.0.0/8", "a loopback address, which is this machine itself"),
        ("169.254.0.0/16", "a link-local address"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
        ("::/128", "an unspecified address, which is this machine itself"),
        ("::1/128", "a loopback address, which is this machine itself"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a site-local address"),
        ("ff00::/8", "a multicast address"),
    )
)
# IPv6 addresses that stand for an IPv4 one, by where in them it is: mapped, compatible, translated (NAT64, also a network's
# own), 6to4.
_CARRIERS = tuple(
    (ipaddress.ip_network(network), shift)
    for network, shift in (
        ("::ffff:0:0/96", 0),
        ("::ffff:0:0:0/96", 0),
        ("::/96", 0),
        ("64:ff9b::/96", 0),
        ("64:ff9b:1::/48", 0),
        ("2002::/16", 80),
    )
)
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""What stands before the IPv4 address in the interface identifier of a tunnel's address, in any network."""


def forbidden(address: str) -> str | None:
    """What this IP address is that a stranger's URL must not lead to; None for one that it may. Raises ValueError for a name."""
    for meant in _meant(ipaddress.ip_address(address.partition("%")[0])):
        if meant in _METADATA:
            return "a cloud's metadata service"
        found = next((what for network, what in _SPECIAL if meant.version == network.version and meant in network), None)
        if found is not None:
            return found
    return None


def forbidden_host(host: str) -> str | None:
    """The same for a URL's host, which may be a name. A name that only turns out to lead there is judged by its addresses."""
    name = host.rstrip(".").lower()
    try:
        return forbidden(name)
    except ValueError:
        pass
    if name in _METADATA_NAMES:
        return "a cloud's metadata service"
    return "this machine itself" if name == "localhost" or name.endswith(".localhost") else None


def dial_for(target: Target) -> Dial:
    """How connections to this target are made: guarded where a stranger gave its URL."""
    return _guarded if target.guarded else dial


async def _guarded(address: str, port: int, *, watch: Stopwatch, max_segment: int | None = None) -> Dialled:
    what = forbidden(address)
    if what is not None:
        return Dialled(failure=Failure.ADDRESS_FORBIDDEN, raw_error=f"a pasted URL may not lead to {address}: it is {what}")
    return await dial(address, port, watch=watch, max_segment=max_segment)


def _meant(address: Address) -> Iterator[Address]:
    """The address, and the IPv4 one that it stands for."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        for network, shift in _CARRIERS:
            if address in network and int(address) > 0xFFFF:
                yield ipaddress.IPv4Address((int(address) >> shift) & 0xFFFF_FFFF)
        if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
            yield ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if address.teredo is not None:
            yield from address.teredo
