"""One round's network: every operation once, within the round's time, and gently towards a server that is sick."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Hashable
from types import TracebackType
from typing import Any, TypeVar

from bot.clock import Clock
from bot.model.observation import BODY_LIMIT, Connection, Failure, Handshake, HttpAnswer, Lookup, Packets, Plaintext
from bot.model.target import Endpoint, Target
from bot.net import http, plaintext, tcp, tls
from bot.net.dns import SystemResolver, lookup_server, lookup_system
from bot.net.packets import packets
from bot.net.proxy import ProxyRoute
from bot.net.tcp import Dial
from bot.net.timing import Stopwatch
from bot.ports import Credentials

T = TypeVar("T")

_OBJECTS = "/api/v1/namespaces/"
"""What is below is read from storage or a cache of it, which health is not."""


class _Same:
    """Credentials as part of a key: equal to themselves only, and kept alive, so that no others get their identity."""

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._credentials is other._credentials

    def __hash__(self) -> int:
        return id(self._credentials)


class RoundNetwork:
    """``ports.Network`` at this process's own vantage point, for one round.

    Probes ask for the same operation independently; it is done once and all get the same observation. The operations
    belong to this object and not to who asked first, so one probe's cancellation takes nothing from the others. Close
    it (or use it as an async context manager) when the round is over.

    ``deadline`` is on the monotonic clock. ``health_limit`` is the number of HTTP requests an API server gets at most;
    ``object_limit`` how many besides that read an object.
    A ``resolver`` that several rounds share bounds how many lookups hang at once in all of them. ``dial`` makes every
    connection that no proxy makes.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        deadline: float = math.inf,
        health_limit: int = 4,
        object_limit: int = 1,
        resolver: SystemResolver | None = None,
        dial: Dial = tcp.dial,
    ) -> None:
        self._clock = clock
        self._deadline = deadline
        self._health_limit = health_limit
        self._object_limit = object_limit
        self._resolver = resolver or SystemResolver()
        self._dial = dial
        self._tasks: dict[tuple[Hashable, ...], asyncio.Task[Any]] = {}
        self._reserved: Counter[tuple[str, int, bool]] = Counter()
        self._made = 0
        self._closed = False

    async def __aenter__(self) -> RoundNetwork:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends what is still running and waits for it. Safe to call twice."""
        self._closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def lookup(self, name: str, *, server: str | None = None) -> Lookup:
        def start() -> Coroutine[Any, Any, Lookup]:
            if server is None:
                return lookup_system(name, clock=self._clock, resolver=self._resolver, deadline=self._deadline)
            return lookup_server(name, server, clock=self._clock, deadline=self._deadline)

        return await self._once(("lookup", name, server), start)

    async def connect(self, address: str, port: int) -> Connection:
        return await self._once(
            ("connect", address, port),
            lambda: tcp.connect(address, port, clock=self._clock, deadline=self._deadline, route=self._dial),
        )

    async def handshake(
        self,
        address: str,
        port: int,
        *,
        server_name: str,
        ca_pem: str | None,
        alpn: tuple[str, ...] = ("h2", "http/1.1"),
        max_segment: int | None = None,
        proxy_url: str | None = None,
    ) -> Handshake:
        def start() -> Coroutine[Any, Any, Handshake]:
            return tls.handshake(
                address,
                port,
                server_name=server_name,
                ca_pem=ca_pem,
                alpn=alpn,
                clock=self._clock,
                deadline=self._deadline,
                max_segment=max_segment,
                route=self._route(proxy_url),
            )

        return await self._once(("handshake", address, port, server_name, ca_pem, alpn, max_segment, proxy_url), start)

    async def fresh_handshake(
        self,
        address: str,
        port: int,
        *,
        server_name: str,
        sample: int,
        proxy_url: str | None = None,
        deadline: float | None = None,
    ) -> Handshake:
        def start() -> Coroutine[Any, Any, Handshake]:
            return tls.unverified_handshake(
                address,
                port,
                server_name=server_name,
                clock=self._clock,
                deadline=self._deadline if deadline is None else deadline,
                route=self._route(proxy_url),
            )

        return await self._once(("fresh handshake", address, port, server_name, sample, proxy_url), start)

    async def packets(self, address: str, port: int, *, sizes: tuple[int, ...]) -> Packets:
        async def send() -> Packets:
            # The same judge as for every connection: where none may be made, no packet goes either.
            seen = await self.connect(address, port)
            if not seen.ok:
                return Packets(
                    address=address,
                    started_at=seen.started_at,
                    duration_s=seen.duration_s,
                    failure=seen.failure,
                    raw_error=seen.raw_error,
                    capped=seen.capped,
                )
            return await packets(address, sizes, clock=self._clock, deadline=self._deadline)

        return await self._once(("packets", address, port, sizes), send)

    async def plaintext(self, address: str, port: int, *, proxy_url: str | None = None) -> Plaintext:
        def start() -> Coroutine[Any, Any, Plaintext]:
            return plaintext.plaintext(address, port, clock=self._clock, deadline=self._deadline, route=self._route(proxy_url))

        return await self._once(("plaintext", address, port, proxy_url), start)

    async def request(
        self,
        address: str,
        target: Target,
        path: str,
        *,
        credentials: Credentials | None = None,
        verify: bool = True,
        most: int = BODY_LIMIT,
        deadline: float | None = None,
    ) -> HttpAnswer:
        http.refuse_unverified(target, credentials, verify=verify)
        until = self._deadline if deadline is None else deadline
        return await self._once(
            ("request", address, target, path, _Same(credentials), verify, most),
            lambda: self._request(address, target, path, credentials, verify=verify, most=most, deadline=until),
        )

    def requests_made(self) -> int:
        return self._made

    async def _request(
        self,
        address: str,
        target: Target,
        path: str,
        credentials: Credentials | None,
        *,
        verify: bool,
        most: int,
        deadline: float,
    ) -> HttpAnswer:
        is_object = path.startswith(_OBJECTS)
        place, limit = (address, target.port, is_object), self._object_limit if is_object else self._health_limit
        if self._reserved[place] >= limit:
            reason = f"{Endpoint(host=address, port=target.port)} has had its {limit} requests of this round"
            observed = Stopwatch(self._clock).observed(Failure.BUDGET_SPENT, reason)
            return HttpAnswer(address=address, port=target.port, path=path, **observed)
        # Taken before the request, so that concurrent ones cannot overdraw, and given back if it was never sent.
        self._reserved[place] += 1
        sent = False
        try:
            answer = await http.get(
                address,
                target,
                path,
                credentials=credentials,
                verify=verify,
                clock=self._clock,
                deadline=deadline,
                route=self._route(target.proxy_url),
                most=most,
            )
            sent = "send" in answer.phases
        finally:
            if not sent:
                self._reserved[place] -= 1
        self._made += sent
        return answer

    def _route(self, proxy_url: str | None) -> Dial:
        return self._dial if proxy_url is None else ProxyRoute(url=proxy_url, lookup=self.lookup)

    async def _once(self, key: tuple[Hashable, ...], start: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Starts an operation, or joins it. Who is cancelled while waiting leaves it running for the others."""
        if self._closed:
            raise RuntimeError("the round is over, and its network is closed")
        task: asyncio.Task[T] | None = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(start(), name=f"{key[0]} {key[1]}")
            self._tasks[key] = task
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if self._closed and caller is not None and not caller.cancelling():
                # It is the operation that was cancelled, not who waits for it.
                raise RuntimeError("the round ended before this operation did") from None
            raise
