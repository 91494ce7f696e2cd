"""Names into addresses, two ways: as the system does it, and as one DNS server answers.

The system's way is what clients get, and it folds most failures into one. The server's own answer has a code.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import math
import socket
import threading
from dataclasses import dataclass, replace

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from bot.clock import Clock
from bot.model.observation import Failure, Lookup
from bot.model.target import literal
from bot.net.timing import DNS_TIMEOUT_S, Expired, Stopwatch, raw

_ADDRESS_LIMIT = 64
_ALIAS_LIMIT = 8

# "Try again" stands for a server that failed and for one that is silent. No resolver waits less than a second for an
# answer, so what comes sooner was said by somebody.
_SILENCE_S = 0.95

_LOOKUP_FAILURES = {
    socket.EAI_NONAME: Failure.NAME_NOT_FOUND,
    getattr(socket, "EAI_NODATA", -5): Failure.NAME_HAS_NO_ADDRESS,
    getattr(socket, "EAI_ADDRFAMILY", -9): Failure.NAME_HAS_NO_ADDRESS,
    socket.EAI_AGAIN: Failure.RESOLVER_FAILING,
    socket.EAI_FAIL: Failure.RESOLVER_FAILING,
}

# Nothing listens there; and nobody is reached, which is as good as no answer.
_SERVER_GONE = {
    errno.ECONNREFUSED: Failure.RESOLVER_FAILING,
    errno.EHOSTUNREACH: Failure.RESOLVER_TIMEOUT,
    errno.ENETUNREACH: Failure.RESOLVER_TIMEOUT,
}


class SystemResolver:
    """The system's resolution, in daemon threads.

    A blocked ``getaddrinfo`` cannot be interrupted, and with DNS gone it blocks for up to half a minute. The threads of
    an executor are joined when the loop and the process end, which would then hang as long; a daemon thread is left behind.
    ``limit`` bounds how many may hang at once.
    """

    def __init__(self, limit: int = 32) -> None:
        self._slots = threading.BoundedSemaphore(limit)

    async def addresses(self, name: str) -> tuple[str, ...]:
        """Every address, IPv4 and IPv6, in the system's order. Raises what ``getaddrinfo`` raises: OSError, ValueError."""
        if not self._slots.acquire(blocking=False):
            raise BlockingIOError(errno.EAGAIN, "too many lookups are still waiting for the system's resolver")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[str, ...]] = loop.create_future()

        def deliver(found: tuple[str, ...] | Exception) -> None:
            if future.done():
                return
            if isinstance(found, Exception):
                future.set_exception(found)
            else:
                future.set_result(found)

        def work() -> None:
            found: tuple[str, ...] | Exception
            try:
                found = _resolve(name)
            except (OSError, ValueError) as error:
                found = error
            finally:
                self._slots.release()
            # Raises when the loop was closed in the meantime: then nobody waits any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(deliver, found)

        try:
            threading.Thread(target=work, name=f"lookup {name}", daemon=True).start()
        except RuntimeError as error:
            self._slots.release()
            raise BlockingIOError(errno.EAGAIN, f"no thread for a lookup: {error}") from error
        return await future


def _resolve(name: str) -> tuple[str, ...]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(item[4][0]) for item in found))


async def lookup_system(name: str, *, clock: Clock, resolver: SystemResolver, deadline: float = math.inf) -> Lookup:
    """What clients on this machine get: hosts file, caches, search domains and all."""
    watch = Stopwatch(clock, deadline)
    given = literal(name)
    if given is not None:
        return Lookup(name=name, addresses=(given,), **watch.observed(None, None))
    failure: Failure | None = None
    reason: str | None = None
    addresses: tuple[str, ...] = ()
    try:
        async with watch.limit(DNS_TIMEOUT_S):
            addresses = await resolver.addresses(name)
    except Expired as error:
        failure, reason = Failure.RESOLVER_TIMEOUT, raw(error)
    except socket.gaierror as error:
        failure, reason = _LOOKUP_FAILURES.get(error.errno or 0, Failure.LOCAL_FAILURE), raw(error)
        if error.errno == socket.EAI_AGAIN and watch.elapsed() >= _SILENCE_S:
            failure = Failure.RESOLVER_TIMEOUT
    except OSError as error:
        failure, reason = Failure.LOCAL_FAILURE, raw(error)
    except ValueError as error:
        # A label that is too long or holds what no name can: nobody has such a name.
        failure, reason = Failure.NAME_NOT_FOUND, raw(error)
    return Lookup(name=name, addresses=addresses, **watch.observed(failure, reason))


@dataclass(frozen=True, kw_only=True)
class _Reply:
    failure: Failure | None = None
    raw_error: str | None = None
    rcode: str | None = None
    addresses: tuple[str, ...] = ()
    ttl_s: int | None = None
    aliases: tuple[str, ...] = ()
    truncated: bool = False
    over_tcp: bool = False


async def lookup_server(name: str, server: str, *, clock: Clock, deadline: float = math.inf) -> Lookup:
    """What one DNS server says, for IPv4 and IPv6. ``server`` is an address, with a port if it is not 53.

    It is asked over UDP, and over TCP where the answer does not fit into a datagram, as resolvers do. The name is taken as
    absolute: no search domain is tried.
    """
    watch = Stopwatch(clock, deadline)
    given = literal(name)
    if given is not None:
        return Lookup(name=name, server=server, addresses=(given,), **watch.observed(None, None))
    try:
        place = _server_place(server)
    except ValueError:
        reason = f"{server!r} is not the address of a DNS server"
        return Lookup(name=name, server=server, **watch.observed(Failure.LOCAL_FAILURE, reason))
    try:
        absolute = dns.name.from_text(name)
    except (dns.exception.DNSException, ValueError) as error:
        return Lookup(name=name, server=server, **watch.observed(Failure.NAME_NOT_FOUND, raw(error)))
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_ask(absolute, kind, place, watch), name=f"{kind.name} of {name}")
            for kind in (dns.rdatatype.A, dns.rdatatype.AAAA)
        ]
    return _combined(name, server, [task.result() for task in tasks], watch)


def _combined(name: str, server: str, replies: list[_Reply], watch: Stopwatch) -> Lookup:
    addresses = tuple(dict.fromkeys(address for reply in replies for address in reply.addresses))[:_ADDRESS_LIMIT]
    failed = [reply for reply in replies if reply.failure is not None]
    # One kind of address is enough. Without any, a failure is worth more than an empty answer.
    worst = next((reply for reply in failed if reply.failure is not Failure.NAME_HAS_NO_ADDRESS), None) or next(
        iter(failed), None
    )
    failure, reason = (worst.failure, worst.raw_error) if worst is not None and not addresses else (None, None)
    rcodes = [reply.rcode for reply in ([worst] if worst and not addresses else replies) if reply.rcode]
    ttls = [reply.ttl_s for reply in replies if reply.ttl_s is not None]
    return Lookup(
        name=name,
        server=server,
        addresses=addresses,
        rcode=rcodes[0] if rcodes else None,
        ttl_s=min(ttls, default=None),
        aliases=max((reply.aliases for reply in replies), key=len),
        over_tcp=any(reply.over_tcp for reply in replies),
        **watch.observed(failure, reason),
    )


async def _ask(
    name: dns.name.Name, kind: dns.rdatatype.RdataType, place: tuple[socket.AddressFamily, str, int], watch: Stopwatch
) -> _Reply:
    """One question over a connected socket, so that a refusal by the server's host is seen and nobody else can answer."""
    family, host, port = place
    query = dns.message.make_query(name, kind)
    loop = asyncio.get_running_loop()
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            async with watch.limit(DNS_TIMEOUT_S):
                await loop.sock_connect(sock, (host, port))
                await loop.sock_sendall(sock, query.to_wire())
                for _ in range(8):
                    reply = read_answer(query, await loop.sock_recv(sock, 65_535))
                    if reply is not None:
                        return reply if not reply.truncated else await _ask_again(query, place, watch)
    except Expired as error:
        return _Reply(failure=Failure.RESOLVER_TIMEOUT, raw_error=raw(error))
    except OSError as error:
        return _Reply(failure=_SERVER_GONE.get(error.errno or 0, Failure.LOCAL_FAILURE), raw_error=raw(error))
    return _Reply(failure=Failure.RESOLVER_FAILING, raw_error="only answers to other questions came")


async def _ask_again(query: dns.message.QueryMessage, place: tuple[socket.AddressFamily, str, int], watch: Stopwatch) -> _Reply:
    """The same question over TCP. Where that fails the name does not resolve, although the server answers."""
    family, host, port = place
    loop = asyncio.get_running_loop()
    wire = query.to_wire()
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.setblocking(False)
            async with watch.limit(DNS_TIMEOUT_S):
                await loop.sock_connect(sock, (host, port))
                await loop.sock_sendall(sock, len(wire).to_bytes(2, "big") + wire)
                size = int.from_bytes(await _exactly(sock, 2), "big")
                reply = read_answer(query, await _exactly(sock, size))
    except Expired as error:
        return _Reply(failure=Failure.RESOLVER_TIMEOUT, raw_error=f"the answer is too long for UDP, and over TCP {raw(error)}")
    except (EOFError, OSError) as error:
        reason = f"the answer is too long for UDP, and DNS over TCP fails: {raw(error)}"
        return _Reply(failure=Failure.RESOLVER_FAILING, raw_error=reason)
    if reply is None:
        return _Reply(failure=Failure.RESOLVER_FAILING, raw_error="the answer over TCP is to another question")
    if reply.truncated:
        return _Reply(failure=Failure.RESOLVER_FAILING, raw_error="the answer is too long for UDP, and cut off over TCP as well")
    return replace(reply, over_tcp=True)


async def _exactly(sock: socket.socket, size: int) -> bytes:
    """So many bytes. Raises EOFError when the peer ends before."""
    data = b""
    while len(data) < size:
        more = await asyncio.get_running_loop().sock_recv(sock, size - len(data))
        if not more:
            raise EOFError("the DNS server closed the connection")
        data += more
    return data


def read_answer(query: dns.message.QueryMessage, wire: bytes) -> _Reply | None:
    """What a datagram says to this question; None if it answers another one."""
    try:
        answer = dns.message.from_wire(wire, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError) as error:
        return _Reply(failure=Failure.RESOLVER_FAILING, raw_error=f"malformed answer: {raw(error)}")
    if not query.is_response(answer):
        return None
    if answer.flags & dns.flags.TC:
        return _Reply(truncated=True)
    rcode, aliases = dns.rcode.to_text(answer.rcode()), _aliases(query.question[0].name, answer)
    if answer.rcode() == dns.rcode.NXDOMAIN:
        return _Reply(failure=Failure.NAME_NOT_FOUND, raw_error="the server answers NXDOMAIN", rcode=rcode, aliases=aliases)
    if answer.rcode() != dns.rcode.NOERROR:
        return _Reply(failure=Failure.RESOLVER_FAILING, raw_error=f"the server answers {rcode}", rcode=rcode)
    kind = query.question[0].rdtype
    sets = [rrset for rrset in answer.answer if (rrset.rdclass, rrset.rdtype) == (dns.rdataclass.IN, kind)]
    addresses = tuple(item.address for rrset in sets for item in rrset)
    if not addresses:
        reason = f"the server has no {dns.rdatatype.to_text(kind)} record for it"
        return _Reply(failure=Failure.NAME_HAS_NO_ADDRESS, raw_error=reason, rcode=rcode, aliases=aliases)
    return _Reply(rcode=rcode, addresses=addresses, ttl_s=min(rrset.ttl for rrset in sets), aliases=aliases)


def _aliases(name: dns.name.Name, answer: dns.message.Message) -> tuple[str, ...]:
    """The names that this one stands for, one after another."""
    known = {rrset.name: rrset[0].target for rrset in answer.answer if rrset.rdtype == dns.rdatatype.CNAME}
    found: list[str] = []
    while name in known and len(found) < _ALIAS_LIMIT:
        name = known[name]
        found.append(name.to_text(omit_final_dot=True))
    return tuple(found)


def _server_place(server: str) -> tuple[socket.AddressFamily, str, int]:
    host, port = server, "53"
    if server.startswith("["):
        host, bracket, rest = server[1:].partition("]")
        if not bracket:
            raise ValueError(server)
        port = rest.removeprefix(":") or port
    elif server.count(":") == 1:
        host, port = server.split(":")
    version = ipaddress.ip_address(host).version
    return (socket.AF_INET if version == 4 else socket.AF_INET6), host, int(port)
