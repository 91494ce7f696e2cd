"""What an HAProxy says of itself, from its statistics page or its socket.

Nothing but ``GET …;csv``, ``show info`` and ``show stat`` is ever sent, so the lowest level of a socket (``level user``) is
enough. An answer is bounded in size and time. Versions differ in which columns they have and in what order: the header's names
say which is which, and everything in the table is text from outside.
"""

from __future__ import annotations

import asyncio
import csv
import errno
import io
import os
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from bot.adapters._shared.names import OwnThreads
from bot.errors import Unavailable
from bot.model.balancer import BalancerRow, BalancerStatistics, RowKind
from bot.model.observation import Failure
from bot.model.target import Balancer, literal
from bot.net.dns import SystemResolver
from bot.net.tls import verifying_context
from bot.ports import BalancerAccess, StatisticsUnavailable

TIMEOUT_S = 3.0
"""From the connection's first packet to the answer's last: the balancer is near, and its answer is made from memory."""

MAX_BYTES = 2 * 1024 * 1024
MAX_ROWS = 4000
"""A row has some 400 bytes. Of what is longer the beginning is read."""

_OFF_LOOP = 256 * 1024
"""From here on a table takes so long to be understood that everything else would wait for it."""

_TEXT_LIMIT = 200
_LONGEST_S = 100 * 365 * 86_400
_CONNECT_SHARE = 0.8
_ASKS = b"show info;show stat\n"
_KINDS = {"0": RowKind.FRONTEND, "1": RowKind.BACKEND, "2": RowKind.SERVER}
_NAMES = {"FRONTEND": RowKind.FRONTEND, "BACKEND": RowKind.BACKEND}
_ERRNO = {
    errno.ECONNREFUSED: Failure.CONNECTION_REFUSED,
    errno.ENOENT: Failure.CONNECTION_REFUSED,
    errno.ECONNRESET: Failure.CONNECTION_RESET,
    errno.EHOSTUNREACH: Failure.HOST_UNREACHABLE,
    errno.ENETUNREACH: Failure.NETWORK_UNREACHABLE,
    errno.ETIMEDOUT: Failure.CONNECT_TIMEOUT,
}


class HaproxyStatistics:
    """Implements ``ports.BalancerReads``. Each reading is a connection of its own."""

    def __init__(
        self, accesses: Sequence[BalancerAccess], *, timeout_s: float = TIMEOUT_S, names: SystemResolver | None = None
    ) -> None:
        self._accesses = {access.balancer: access for access in accesses}
        self._timeout_s = timeout_s
        self._names = names or SystemResolver()

    @property
    def balancers(self) -> Sequence[Balancer]:
        return tuple(self._accesses)

    async def read(self, balancer: Balancer) -> BalancerStatistics:
        """Raises StatisticsUnavailable, in words, with how it failed where that is known."""
        access = self._accesses[balancer]
        if access.problem:
            raise _unavailable(balancer, access.problem, todo="Correct it in the configuration, where apidown runs.")
        if balancer.url.startswith("http"):
            text, complete = await self._page(access)
        else:
            text, complete = await self._socket(balancer)
        try:
            return (
                await asyncio.to_thread(parse, text, complete=complete)
                if len(text) > _OFF_LOOP
                else parse(text, complete=complete)
            )
        except Unavailable as error:
            raise _unavailable(balancer, error.what) from error

    async def _page(self, access: BalancerAccess) -> tuple[str, bool]:
        balancer = access.balancer
        url = URL(f"{balancer.url if urlsplit(balancer.url).path else f'{balancer.url}/'};csv", encoded=True)
        # Elsewhere than configured nothing is sent, least of all a password.
        asked: dict[str, Any] = {"allow_redirects": False, "headers": {**access.headers, "Accept-Encoding": "identity"}}
        if url.scheme == "https":
            asked["ssl"] = _trust(access)
        steps = _Steps()
        try:
            async with self._session(steps) as session, session.get(url, **asked) as answer:
                if answer.status != 200:
                    raise _refused(balancer, answer.status)
                return await _bounded(answer.content)
        except aiohttp.ConnectionTimeoutError as error:
            raise self._no_connection(balancer) from error
        except TimeoutError as error:
            raise (self._no_answer if steps.named else self._no_connection)(balancer) from error
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            reason = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
            raise _unavailable(balancer, f"its TLS is not good: {reason}") from error
        except OSError as error:
            raise _not_connected(balancer, error) from error
        except (aiohttp.ClientError, ValueError) as error:
            raise _unavailable(balancer, f"its answer cannot be read: {error or type(error).__name__}") from error

    def _session(self, steps: _Steps) -> aiohttp.ClientSession:
        limits = aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=self._timeout_s * _CONNECT_SHARE)
        connector = aiohttp.TCPConnector(resolver=OwnThreads(self._names))
        return aiohttp.ClientSession(timeout=limits, trace_configs=[steps.trace()], connector=connector)

    async def _socket(self, balancer: Balancer) -> tuple[str, bool]:
        try:
            async with asyncio.timeout(self._timeout_s * _CONNECT_SHARE):
                reader, writer = await self._open(balancer)
        except TimeoutError as error:
            raise self._no_connection(balancer) from error
        except OSError as error:
            raise _not_connected(balancer, error) from error
        except ValueError as error:
            raise _unavailable(balancer, f"nobody can have its name: {error}") from error
        try:
            async with asyncio.timeout(self._timeout_s):
                writer.write(_ASKS)
                return await _bounded(reader)
        except TimeoutError as error:
            raise self._no_answer(balancer) from error
        except OSError as error:
            raise _not_connected(balancer, error) from error
        finally:
            writer.close()

    async def _open(self, balancer: Balancer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(balancer.url)
        if parts.scheme == "unix":
            return await asyncio.open_unix_connection(parts.path)
        host, failed = parts.hostname or "", OSError("its name has no address")
        for address in (host,) if literal(host) else await self._names.addresses(host):
            try:
                return await asyncio.open_connection(address, parts.port)
            except OSError as error:
                failed = error
        raise failed

    def _no_connection(self, balancer: Balancer) -> StatisticsUnavailable:
        what = f"nothing answers there within {self._timeout_s * _CONNECT_SHARE:g} s"
        return _unavailable(balancer, what, how=Failure.CONNECT_TIMEOUT)

    def _no_answer(self, balancer: Balancer) -> StatisticsUnavailable:
        what = f"the connection is taken, and nothing is answered within {self._timeout_s:g} s"
        return _unavailable(balancer, what, how=Failure.HTTP_TIMEOUT)


class _Steps:
    """How far a request came: a time-out while the name is looked up says nothing of the balancer."""

    def __init__(self) -> None:
        self.named = True

    def trace(self) -> aiohttp.TraceConfig:
        trace = aiohttp.TraceConfig()
        trace.on_dns_resolvehost_start.append(self._looking)
        trace.on_dns_resolvehost_end.append(self._found)
        return trace

    async def _looking(self, *_: object) -> None:
        self.named = False

    async def _found(self, *_: object) -> None:
        self.named = True


def _trust(access: BalancerAccess) -> ssl.SSLContext:
    try:
        return verifying_context(access.ca_pem, ())
    except ValueError as error:
        raise _unavailable(access.balancer, str(error)) from error


def parse(text: str, *, complete: bool = True) -> BalancerStatistics:
    """The statistics in an answer: a table, and before it, where the socket was asked, the process's own numbers. Raises
    Unavailable when there is no table in it."""
    before, mark, table = text.partition("# pxname,")
    if not mark or (before and not before.endswith("\n")):
        first = _text(before.strip().partition("\n")[0])
        raise Unavailable(f"what answers is no HAProxy that tells its statistics{f' ({first})' if first else ''}")
    info = dict(_info(before))
    rows = tuple(islice(_rows(f"pxname,{table}", complete=complete), MAX_ROWS + 1))
    return BalancerStatistics(
        rows=rows[:MAX_ROWS],
        version=_text(info.get("Version", "")),
        uptime_s=_seconds(info.get("Uptime_sec")),
        connections=_number(info.get("CurrConns")),
        connection_limit=_number(info.get("Maxconn")),
        complete=complete and len(rows) <= MAX_ROWS,
    )


def _info(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            yield name.strip(), value.strip()


def _rows(table: str, *, complete: bool) -> Iterator[BalancerRow]:
    if not complete:
        table = table[: table.rfind("\n") + 1]
    lines = csv.reader(io.StringIO(table.replace("\0", "")))
    try:
        header = next(lines)
        for line in lines:
            row = _row(dict(reversed([*zip(header, line, strict=False)])))
            if row is not None:
                yield row
    except (csv.Error, StopIteration) as error:
        raise Unavailable(f"its table cannot be read ({error})") from error


def _row(row: Mapping[str, str]) -> BalancerRow | None:
    """None for what is neither frontend, backend nor server, and for a line that is none."""
    proxy, name = _text(row.get("pxname", "")), _text(row.get("svname", ""))
    told = row.get("type", "")
    kind = _KINDS.get(told) if told else _NAMES.get(name, RowKind.SERVER)
    if not proxy or not name or kind is None:
        return None
    check = _text(row.get("check_status", ""))
    return BalancerRow(
        proxy=proxy,
        name=name,
        kind=kind,
        status=_text(row.get("status", "")),
        mode=_text(row.get("mode", "")),
        weight=_number(row.get("weight")),
        address=_text(row.get("addr", "")),
        check=check.removeprefix("* "),
        checking=check.startswith("* "),
        code=_number(row.get("check_code")) or None,
        said=_text(row.get("last_chk", "")),
        changed_s=_seconds(row.get("lastchg")),
        down_s=_seconds(row.get("downtime")),
        went_down=_number(row.get("chkdown")),
        sessions=_number(row.get("scur")),
        session_limit=_number(row.get("slim")),
        queued=_number(row.get("qcur")),
        connection_errors=_number(row.get("econ")),
        response_errors=_number(row.get("eresp")),
        redispatched=_number(row.get("wredis")),
    )


def _text(text: str) -> str:
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text).split())[:_TEXT_LIMIT]


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,18}", text) else None


def _seconds(text: str | None) -> int | None:
    """For how long something lasts; None for what is longer than any balancer runs, which no calendar has either."""
    number = _number(text)
    return number if number is not None and number <= _LONGEST_S else None


async def _bounded(content: asyncio.StreamReader | aiohttp.StreamReader) -> tuple[str, bool]:
    """The answer up to its bound, and whether that was all."""
    said = bytearray()
    while len(said) <= MAX_BYTES and (part := await content.read(64 * 1024)):
        said += part
    return bytes(said[:MAX_BYTES]).decode("utf-8", "replace"), len(said) <= MAX_BYTES


def _not_connected(balancer: Balancer, error: OSError) -> StatisticsUnavailable:
    number = error.errno or 0
    reason = os.strerror(number) if number in errno.errorcode else error.strerror or type(error).__name__
    return _unavailable(balancer, f"it cannot be connected to: {reason}", how=_ERRNO.get(number))


def _refused(balancer: Balancer, status: int) -> StatisticsUnavailable:
    if status in (401, 403):
        return _unavailable(balancer, f"it wants other credentials ({status})", todo="Give user and password_file beside it.")
    return _unavailable(balancer, f"it answers {status}", todo="Give the path that 'stats uri' has in its configuration.")


def _unavailable(balancer: Balancer, what: str, *, how: Failure | None = None, todo: str = "") -> StatisticsUnavailable:
    return StatisticsUnavailable(what, where=balancer.called, next=todo, how=how)
