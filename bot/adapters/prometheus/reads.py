"""A cluster's Prometheus, or what speaks its API (Thanos, Mimir, VictoriaMetrics), asked for one round.

It belongs to the company that has the outage, so it may be down, slow, or something else entirely: every request has one time-out
and a bound, is tried once, follows nothing, and what comes back is text from outside. Only GET is sent, and credentials
go over a verified connection only.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from bot.adapters._shared.names import OwnThreads
from bot.adapters._shared.reasons import reason
from bot.adapters.prometheus import forms
from bot.clock import Clock
from bot.errors import Unavailable
from bot.model.metrics import USUAL_JOBS, Monitoring, Role, ScrapedTarget, Series
from bot.net.dns import SystemResolver
from bot.net.tls import verifying_context
from bot.ports import MetricsAccess

TIMEOUT_S = 5.0
MAX_BYTES = 8 * 1024 * 1024
"""Of an answer, unpacked: a target's entry has some 4 kB."""

_CHUNK = 64 * 1024
_OFF_LOOP = 256 * 1024
_MOST_POOLS = 8
_NO_LIST = frozenset({400, 404, 405, 422, 501})
_ROLES = tuple(Role)


class _TooLarge(Exception):
    """There is more than is read."""


class Prometheus:
    """``ports.MetricsReads``. Everything raises Unavailable, with the reason in words, when it cannot be had."""

    def __init__(
        self, access: MetricsAccess, clock: Clock, timeout_s: float = TIMEOUT_S, *, names: SystemResolver | None = None
    ) -> None:
        self._access = access
        self._clock = clock
        self._timeout_s = timeout_s
        self._names = names or SystemResolver()
        self._session: aiohttp.ClientSession | None = None
        self._offset_s: float | None = None
        self._measuring = asyncio.Lock()
        self._failures = 0
        self._failure: Unavailable | None = None
        self._pools: tuple[str, ...] = ()
        self._has_list = True

    @property
    def monitoring(self) -> Monitoring:
        return self._access.monitoring

    def selector(self, role: Role, *more: str) -> str:
        return forms.selector(self.monitoring, [role], more)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def query(self, promql: str) -> Sequence[Series]:
        offset_s = await self._offset()
        return self._read(await self._get("query", {"query": promql}), forms.series_of, offset_s)

    async def query_range(self, promql: str, *, span_s: int, step_s: int) -> Sequence[Series]:
        offset_s = await self._offset()
        end = self._clock.now().timestamp() + offset_s
        asked = {"query": promql, "start": f"{end - span_s:.3f}", "end": f"{end:.3f}", "step": str(step_s)}
        return self._read(await self._get("query_range", asked), forms.series_of, offset_s)

    async def targets(self) -> Sequence[ScrapedTarget]:
        offset_s = await self._offset()
        found = await self._listed(offset_s) if self._has_list else None
        if found:
            return found
        # Who keeps no list, or scrapes nothing itself, has the series all the same.
        self._has_list = False
        series = await self.query(f"up{forms.selector(self.monitoring, _ROLES)}[5m]")
        return [one for line in series if (one := forms.target_of_up(line, self.monitoring)) is not None]

    async def _listed(self, offset_s: float) -> Sequence[ScrapedTarget] | None:
        """From its own list, which tells reasons; None where there is none that can be read."""
        pools: Sequence[str | None] = self._pools or [None]
        try:
            lists = [await self._list(pool, offset_s) for pool in pools]
        except _TooLarge:
            lists = await self._of_likely_pools(offset_s)
        if lists is None or None in lists:
            return None
        entries = {
            (one.role, one.job, one.instance, one.address, pool): (one, pool) for some in lists for one, pool in some or ()
        }
        named = tuple(sorted({pool for _, pool in entries.values() if pool}))
        self._pools = named if len(named) <= _MOST_POOLS else ()
        return [one for one, _ in entries.values()]

    async def _list(self, pool: str | None, offset_s: float) -> tuple[tuple[ScrapedTarget, str], ...] | None:
        asked = {"state": "active"} | ({"scrapePool": pool} if pool else {})
        data = await self._get("targets", asked, missing=_NO_LIST)
        return None if data is None else self._read(data, forms.targets_of, self.monitoring, offset_s)

    async def _of_likely_pools(self, offset_s: float) -> list[tuple[tuple[ScrapedTarget, str], ...] | None] | None:
        """Of a list that is too long only the pools whose names have a job's name in them."""
        data = await self._get("scrape_pools", {}, missing=_NO_LIST)
        roles = (Role.APISERVER, Role.ETCD, Role.BALANCER)
        words = {word.strip("*") for role in roles for word in (*self.monitoring.patterns(role), *USUAL_JOBS[role])} - {""}
        names = [] if data is None else [name for name in forms.pools_of(data) if any(word in name for word in words)]
        lists: list[tuple[tuple[ScrapedTarget, str], ...] | None] = []
        for name in names[:_MOST_POOLS]:
            try:
                lists.append(await self._list(name, offset_s))
            except _TooLarge:
                continue
        return lists or None

    async def _offset(self) -> float:
        """How far its clock is ahead of ours, in seconds, measured once and rather too much than too little: what it saw then
        counts as seen earlier, and never as newer than it is."""
        before = self._failures
        async with self._measuring:
            if self._failures > before and self._failure is not None:
                # Whoever waited for somebody's question has its answer: a silent one is waited for once, not by turns.
                raise Unavailable(self._failure.what, where=self._failure.where, next=self._failure.next) from self._failure
            if self._offset_s is None:
                sent = self._clock.now().timestamp()
                try:
                    data = await self._get("query", {"query": "time()"})
                    self._offset_s = self._read(data, forms.seconds_of) - sent
                except Unavailable as error:
                    self._failures, self._failure = self._failures + 1, error
                    raise
        return self._offset_s

    def _read(self, data: Any, reader: Any, *rest: Any) -> Any:
        try:
            return reader(data, *rest)
        except forms.Malformed as error:
            raise self._unavailable(f"gave an answer that cannot be read: {error}") from error

    async def _get(self, path: str, query: Mapping[str, str], *, missing: frozenset[int] = frozenset()) -> Any:
        """The data of a good answer; None for a status that means that it has no such thing."""
        if self._access.problem is not None:
            raise Unavailable(self._access.problem, where=self._access.url, next="correct the cluster's `prometheus:`")
        try:
            async with asyncio.timeout(self._timeout_s):
                status, kind, body = await self._ask(path, query)
        except TimeoutError as error:
            raise self._unavailable(f"did not answer within {self._timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._unavailable(f"did not answer: {reason(error)}") from error
        if status in missing and path != "query":
            return None
        if status != 200:
            raise self._refused(status, body)
        try:
            return await asyncio.to_thread(forms.data_of, body) if len(body) > _OFF_LOOP else forms.data_of(body)
        except forms.Malformed as error:
            if missing and path != "query":
                return None
            raise self._unavailable(f"gave an answer that cannot be read: {error} ({kind or 'of no type'})") from error

    async def _ask(self, path: str, query: Mapping[str, str]) -> tuple[int, str, bytes]:
        session = self._open()
        url = f"{self._access.url}/api/v1/{path}"
        # Not the session's: aiohttp tells a proxy the session's headers as well, credentials included.
        headers, proxy = dict(self._access.headers), self._access.proxy_url
        async with session.get(url, params=dict(query), headers=headers, allow_redirects=False, proxy=proxy) as response:
            kept = bytearray()
            async for piece in response.content.iter_chunked(_CHUNK):
                kept += piece
                if len(kept) > MAX_BYTES:
                    if path == "targets":
                        raise _TooLarge
                    raise ValueError(f"the answer has more than {MAX_BYTES // 1024 // 1024} MiB")
            return response.status, response.content_type, bytes(kept)

    def _open(self) -> aiohttp.ClientSession:
        """One session with our trust only: no environment, no cookies, no credentials but the configured ones."""
        if self._session is None:
            trust: ssl.SSLContext | bool = True
            if self._access.url.startswith("https:"):
                trust = verifying_context(self._access.ca_pem, ())
            headers = {"User-Agent": "apidown", "Accept": "application/json"}
            connector = aiohttp.TCPConnector(ssl=trust, limit=4, resolver=OwnThreads(self._names))
            self._session = aiohttp.ClientSession(
                connector=connector, headers=headers, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session

    def _refused(self, status: int, body: bytes) -> Unavailable:
        said = forms.error_of(body)
        if status in (401, 403):
            todo = "give the cluster's `prometheus:` a token_file, or a username and password_file, that may read it"
            return self._unavailable(f"answered {status}: it does not take the credentials", next=todo)
        if 300 <= status < 400:
            todo = "give its own URL, with the path that it is served under"
            return self._unavailable(f"answered {status}, a redirect, which is not followed", next=todo)
        return self._unavailable(f"answered {status}{': ' + said if said else ''}")

    def _unavailable(self, what: str, *, next: str = "") -> Unavailable:
        todo = next or f"curl -s -m 10 '{self._access.url}/api/v1/targets?state=active'"
        return Unavailable(f"Prometheus at {self._access.url} {what}", next=todo)
