"""How large a packet the way carries, asked without rights: datagrams of given sizes that nobody may take apart on the way.

They go to a port where nobody listens, so that the host itself answers each with "port unreachable": that one arrived. A router
that cannot pass one on says so and how large it may be. One that draws no answer while a small one does may have vanished; or
somebody answers too seldom, so that alone proves nothing.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import math
import socket
import sys
from collections.abc import Sequence

from bot.clock import Clock
from bot.model.observation import Failure, Fate, Packet, Packets
from bot.net.icmp import listen_for_rejects, read_told
from bot.net.timing import Expired, Stopwatch, raw

PACKET_TIMEOUT_S = 1.0
NOBODY_LISTENS = 33_434
"""Where traceroute's packets go first, so that administrators know what they see."""

# Numbers of the Linux headers: packets are sent whole, whatever was learned of the way before.
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PROBE = 10, 23, 3
_HEADERS = {4: 28, 6: 48}
_FRAGMENTATION_NEEDED = (3, 4)
_TOO_BIG_V6 = 2


async def packets(address: str, sizes: Sequence[int], *, clock: Clock, deadline: float = math.inf) -> Packets:
    """One packet of each size (bytes, headers included), all at once. Where the system cannot be asked, a local failure."""
    watch = Stopwatch(clock, deadline)
    if not sys.platform.startswith("linux"):
        reason = "only Linux tells what became of a packet to who has no rights"
        return Packets(address=address, **watch.observed(Failure.LOCAL_FAILURE, reason))
    fates = await asyncio.gather(*(_send(address, size, watch) for size in sizes))
    failed = next((fate for fate in fates if isinstance(fate, OSError)), None)
    if failed is not None:
        return Packets(address=address, **watch.observed(Failure.LOCAL_FAILURE, raw(failed)))
    sent = tuple(fate for fate in fates if isinstance(fate, Packet))
    return Packets(address=address, sent=sent, **watch.observed(None, None))


async def _send(address: str, size: int, watch: Stopwatch) -> Packet | OSError:
    """What became of one packet, or this machine's own error."""
    version = ipaddress.ip_address(address.partition("%")[0]).version
    payload = bytes(max(size - _HEADERS[version], 0))
    try:
        with socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            _whole(sock)
            listen_for_rejects(sock)
            return await _fate(sock, address, payload, size, watch)
    except OSError as error:
        return error


async def _fate(sock: socket.socket, address: str, payload: bytes, size: int, watch: Stopwatch) -> Packet | OSError:
    loop, begin = asyncio.get_running_loop(), watch.elapsed()
    try:
        await loop.sock_connect(sock, (address, NOBODY_LISTENS))
        async with watch.limit(PACKET_TIMEOUT_S):
            await loop.sock_sendall(sock, payload)
            await loop.sock_recv(sock, 1)
    except Expired:
        return Packet(size=size, fate=Fate.SILENT)
    except OSError as error:
        return _told(sock, size, error, address, watch.elapsed() - begin)
    return Packet(size=size, fate=Fate.ARRIVED, after_s=round(watch.elapsed() - begin, 6))


def _whole(sock: socket.socket) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PROBE)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PROBE)


def _told(sock: socket.socket, size: int, error: OSError, address: str, after_s: float) -> Packet | OSError:
    """What an error says. Without one from the wire it is this machine's own: its link takes no such packet."""
    told = read_told(sock)
    if told is None:
        return error
    reject, mtu = told
    if reject is None:
        if error.errno != errno.EMSGSIZE:
            return error
        return Packet(size=size, fate=Fate.TOO_BIG_HERE, mtu=mtu or None)
    kind = (reject.icmp_type, reject.icmp_code)
    fate = Fate.REFUSED
    if kind == _FRAGMENTATION_NEEDED or (sock.family == socket.AF_INET6 and reject.icmp_type == _TOO_BIG_V6):
        fate = Fate.TOO_BIG
    elif reject.offender == address:
        fate = Fate.ARRIVED
    return Packet(
        size=size,
        fate=fate,
        mtu=mtu if fate is Fate.TOO_BIG and mtu else None,
        by=reject.offender,
        after_s=round(after_s, 6),
    )
