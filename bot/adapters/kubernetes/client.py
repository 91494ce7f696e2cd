"""One round's requests to a cluster's API: verified, authenticated, few, bounded, and never for longer than a moment.

The server that is asked may be sick, and this program must not be what finishes it: two requests run at a time, a round has
a budget, each read is made once a round, an answer is read up to a bound, and every request has one time-out. Only GET can be
sent. The client library is imported when it is first needed, off the event loop: it is large, and most of what this program
finds out it finds out without it.
"""

from __future__ import annotations

import asyncio
import importlib
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from types import ModuleType
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

import aiohttp
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from bot.adapters._shared.reasons import reason
from bot.errors import Unavailable
from bot.model.target import Target
from bot.net.tls import verifying_context
from bot.ports import Credentials

BUDGET = 19
"""Reads of a round; one more, by which a request is timed, is made by the network at each address."""
AT_A_TIME = 2
TIMEOUT_S = 5.0
MAX_BYTES = 8 * 1024 * 1024
"""Of an answer, unpacked: 50 objects have some 100 kB."""

_TEXT_LIMIT = 500
_CHUNK = 64 * 1024

T = TypeVar("T")


def cut(text: Any) -> Any:
    """Text from outside is kept up to a length."""
    return text[:_TEXT_LIMIT] if isinstance(text, str) else text


class _Refusal(BaseModel):
    """A failed request's answer."""

    model_config = ConfigDict(extra="ignore")

    message: Annotated[str | None, BeforeValidator(cut)] = None


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One GET. ``what`` completes "the API did not give …"; ``right`` is what the credentials must be allowed to do."""

    what: str
    path: str
    right: str
    query: Mapping[str, str] = field(default_factory=dict)
    accept: str = "application/json"
    timeout_s: float = TIMEOUT_S
    max_bytes: int = MAX_BYTES
    slow: bool = False
    """The server may wait for somebody else; then nobody waits behind it for a slot."""
    kept: bool = False
    """Asked on one connection that all such requests share, one at a time: behind a balancer the same server answers them."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back: ``complete`` is false when there was more than is read. ``server_time`` is the server's own clock."""

    status: int
    body: bytes
    complete: bool
    server_time: datetime | None

    @property
    def message(self) -> str:
        """What the server says about a refusal, if it says it as API servers do."""
        try:
            return _Refusal.model_validate_json(self.body).message or ""
        except ValidationError:
            return ""


@dataclass(kw_only=True)
class _Read:
    """One read of this round, shared by all who ask for it: its result or its failure, once it is over."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    done: bool = False
    result: Any = None
    failure: Unavailable | None = None


class Client:
    """The connections of one round. Everything raises Unavailable, with the reason in words, when it cannot be had. The peer
    is always verified against the target's authority and name; without credentials nothing is asked at all."""

    def __init__(self, target: Target, credentials: Credentials | None, *, budget: int) -> None:
        self._target = target
        self._credentials = credentials
        self._budget = budget
        self.made = 0
        self._slots = asyncio.Semaphore(AT_A_TIME)
        self._no_slot = asyncio.Semaphore(AT_A_TIME + 1)
        self._reads: dict[tuple[object, ...], _Read] = {}
        self._library: ModuleType | None = None
        self._clients: dict[bool, Any] = {}
        self._connectors: list[aiohttp.TCPConnector] = []

    async def aclose(self) -> None:
        for client in self._clients.values():
            await client.close()
        for connector in self._connectors:
            await connector.close()

    async def once(self, key: tuple[object, ...], read: Callable[[], Awaitable[T]]) -> T:
        """The result of a read that is made once a round, however many ask; its failure, too, is everybody's."""
        shared = self._reads.setdefault(key, _Read())
        async with shared.lock:
            if not shared.done:
                try:
                    shared.result = await read()
                except Unavailable as error:
                    shared.failure = error
                shared.done = True
        if shared.failure is not None:
            raise Unavailable(shared.failure.what, where=shared.failure.where, next=shared.failure.next) from shared.failure
        return shared.result

    async def get(self, ask: Ask, eat: Callable[[bytes], None] | None = None) -> Answer:
        """The answer, whatever its status; with ``eat``, a good answer's body is given to that, piece by piece, and not kept."""
        async with self._no_slot if ask.slow else self._slots:
            if self._budget <= 0:
                raise self.unavailable(f"this round's object reads are used up, so {ask.what} are not read")
            self._budget -= 1
            self.made += 1
            await self._load()
            try:
                async with asyncio.timeout(ask.timeout_s), self._send(ask) as response:
                    return await _read(response, ask.max_bytes, eat)
            except TimeoutError as error:
                raise self.unavailable(f"the API did not give {ask.what} within {ask.timeout_s:g} s") from error
            except aiohttp.ClientError as error:
                raise self.unavailable(f"the API did not give {ask.what}: {reason(error)}") from error

    def refused(self, ask: Ask, answer: Answer) -> Unavailable:
        """What a status other than 200 means, and which right is missing if that is what it means."""
        said = f": {answer.message}" if answer.message else ""
        missing = f"Allow the credentials to {ask.right}." if answer.status == 403 else ""
        return self.unavailable(f"the API answered {answer.status} for {ask.what}{said}", next=missing)

    def unavailable(self, what: str, *, next: str = "") -> Unavailable:
        return Unavailable(what, where=self._target.url, next=next)

    @asynccontextmanager
    async def _send(self, ask: Ask) -> AsyncGenerator[aiohttp.ClientResponse]:
        client = await self._open(kept=ask.kept)
        query = f"?{urlencode(ask.query)}" if ask.query else ""
        headers = {**client.default_headers, "Accept": ask.accept}
        url = f"{self._target.url}{ask.path}{query}"
        answer = await client.rest_client.request("GET", url, headers=headers, _request_timeout=ask.timeout_s)
        async with answer.response as response:
            yield response

    async def _load(self) -> None:
        """Imports the library, which is not the server's time to lose. Raises Unavailable where nothing may be asked."""
        if self._target.scheme != "https":
            raise self.unavailable("credentials are not sent over plain http")
        if self._credentials is None:
            raise self.unavailable("no credentials are configured")
        if self._library is None:
            self._library = await asyncio.to_thread(importlib.import_module, "kubernetes.aio.client")

    async def _open(self, *, kept: bool) -> Any:
        """The library's client, made on first use, with the credentials that are valid now; ``kept`` has one connection."""
        credentials, library = self._credentials, self._library
        assert credentials is not None, "nothing is asked without credentials"
        assert library is not None, "the library is loaded first"
        client = self._clients.get(kept)
        if client is None:
            client = self._make_client(library, self._trust(credentials), limit=1 if kept else 2 * AT_A_TIME + 1)
            self._clients[kept] = client
        for name, text in (await credentials.headers()).items():
            client.set_default_header(name, text)
        return client

    def _trust(self, credentials: Credentials) -> ssl.SSLContext:
        try:
            context = verifying_context(self._target.ca_pem, ())
        except ValueError as error:
            raise self.unavailable(str(error)) from error
        try:
            credentials.load_client_certificate(context)
        except (OSError, ValueError) as error:
            raise self.unavailable(f"the client certificate cannot be used: {type(error).__name__}") from error
        return context

    def _make_client(self, library: ModuleType, context: ssl.SSLContext, *, limit: int) -> Any:
        """A client whose only connections are ours: our trust, no environment, no cookies, no redirects, no retries."""
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(_refuse_redirect)
        connector = aiohttp.TCPConnector(ssl=context, limit=limit)
        self._connectors.append(connector)
        configuration = library.Configuration(
            host=self._target.url,
            ca_cert_data=self._target.ca_pem,
            proxy=self._target.proxy_url,
            tls_server_name=self._target.server_name,
            trace_configs=[trace],
            client_session_kwargs={
                "connector": connector,
                "trust_env": False,
                "cookie_jar": aiohttp.DummyCookieJar(),
            },
        )
        client = library.ApiClient(configuration)
        client.user_agent = "apidown"
        return client


async def _read(response: aiohttp.ClientResponse, max_bytes: int, eat: Callable[[bytes], None] | None) -> Answer:
    """The body up to the bound. What is beyond is not fetched: leaving the response closes its connection."""
    kept, size, complete = bytearray(), 0, True
    taking = eat if eat is not None and response.status == 200 else kept.extend
    async for piece in response.content.iter_chunked(_CHUNK):
        size += len(piece)
        if size > max_bytes:
            complete = False
            break
        taking(piece)
    return Answer(status=response.status, body=bytes(kept), complete=complete, server_time=_date(response.headers.get("Date")))


def _date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


async def _refuse_redirect(_session: Any, _context: Any, params: aiohttp.TraceRequestRedirectParams) -> None:
    """An API server never redirects; following one would take credentials elsewhere."""
    raise aiohttp.ClientError(f"redirected with {params.response.status}, which is not followed")
