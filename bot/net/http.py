"""HTTP: one GET on a fresh connection to one address, each layer done and timed on its own.

It is written on h11 instead of a client library, because a client folds every failure below HTTP into one error, cannot
verify another name than the URL's behind a proxy, and adds headers of its own. Redirects, retries and proxies from the
environment do not exist here. Credentials are added to the request only after the handshake that verified the peer.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field

import h11

from bot.clock import Clock
from bot.errors import Unavailable
from bot.model.base import Json
from bot.model.observation import BODY_LIMIT, Failure, HttpAnswer, Wire
from bot.model.target import Endpoint, Target
from bot.net.stream import Closed, Stream
from bot.net.tcp import Dial, dial
from bot.net.timing import HTTP_TIMEOUT_S, TLS_TIMEOUT_S, Expired, Stopwatch, raw
from bot.net.tls import HANDSHAKE_ERRORS, classify, sni, unverifying_context, verifying_context
from bot.ports import Credentials

# Plugins that fetch tokens ask a cloud; their time is not the API server's.
CREDENTIALS_TIMEOUT_S = 8.0

_ALPN = ("http/1.1",)
_DEFAULT_PORTS = {"https": 443, "http": 80}


class _NotHttp(Exception):
    """What came back is not HTTP."""


@dataclass(kw_only=True)
class _Progress:
    """What is known of the exchange so far; it survives the error that ends it."""

    failure: Failure | None = None
    raw_error: str | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    verified: bool = False
    with_credentials: bool = False
    phases: Json = field(default_factory=dict)
    wire: Wire | None = None
    most: int = BODY_LIMIT

    def fail(self, failure: Failure | None, raw_error: str | None) -> None:
        self.failure, self.raw_error = failure, raw_error

    @contextmanager
    def phase(self, name: str, watch: Stopwatch) -> Generator[None]:
        """Records how long a phase took, or how long it had lasted when it failed."""
        begin = watch.elapsed()
        try:
            yield
        finally:
            self.phases[name] = round(watch.elapsed() - begin, 6)


async def get(
    address: str,
    target: Target,
    path: str,
    *,
    credentials: Credentials | None,
    verify: bool,
    clock: Clock,
    deadline: float = math.inf,
    route: Dial = dial,
    most: int = BODY_LIMIT,
) -> HttpAnswer:
    """GET ``path`` below the target's own path. ``phases`` has the seconds of connect, tls, send, wait and receive, as
    far as it came; a request was sent if ``send`` is among them.

    Raises ValueError where credentials may not be used, and Unavailable when they cannot be had.
    """
    refuse_unverified(target, credentials, verify=verify)
    progress = _Progress(most=most)
    watch = Stopwatch(clock, deadline)
    secret_headers: dict[str, str] = {}
    if credentials is not None:
        try:
            secret_headers = await _credential_headers(credentials, watch)
        except Expired as error:
            return _answer(address, target, path, progress, watch.observed(Failure.HTTP_TIMEOUT, f"credentials: {raw(error)}"))
    watch = Stopwatch(clock, deadline)
    try:
        context = _context(target, credentials, verify=verify)
    except ValueError as error:
        return _answer(address, target, path, progress, watch.observed(Failure.LOCAL_FAILURE, raw(error)))
    with progress.phase("connect", watch):
        dialled = await route(address, target.port, watch=watch)
    if dialled.sock is None:
        return _answer(address, target, path, progress, watch.observed(dialled.failure, dialled.raw_error))
    async with Stream(dialled.sock, leftover=dialled.leftover, resent=dialled.resent) as stream:
        if context is None or await _secure(stream, context, target, progress, watch):
            progress.verified = verify and context is not None
            headers = _plain_headers(target)
            if progress.verified and credentials is not None:
                headers |= secret_headers
                progress.with_credentials = True
            await _exchange(stream, target.path + path, headers, progress, watch)
        progress.wire = stream.wire()
    return _answer(address, target, path, progress, watch.observed(progress.failure, progress.raw_error))


def refuse_unverified(target: Target, credentials: Credentials | None, *, verify: bool) -> None:
    """Raises ValueError where credentials would go to a peer that has not proved who it is."""
    if credentials is not None and (not verify or target.scheme != "https"):
        raise ValueError("credentials go only to a peer whose certificate was verified")


def _answer(address: str, target: Target, path: str, progress: _Progress, observed: Json) -> HttpAnswer:
    return HttpAnswer(
        address=address,
        port=target.port,
        path=path,
        status=progress.status,
        headers=progress.headers,
        body=progress.body.decode("utf-8", errors="replace")[: progress.most],
        with_credentials=progress.with_credentials,
        verified=progress.verified,
        phases=progress.phases,
        wire=progress.wire,
        **observed,
    )


async def _credential_headers(credentials: Credentials, watch: Stopwatch) -> dict[str, str]:
    """The Authorization header, in time or not at all. Raises Expired when the round is over before it comes."""
    try:
        async with watch.limit(CREDENTIALS_TIMEOUT_S):
            return await credentials.headers()
    except Expired as error:
        if watch.cut:
            raise
        raise Unavailable(f"the credentials did not come within {CREDENTIALS_TIMEOUT_S:.0f} s") from error


def _context(target: Target, credentials: Credentials | None, *, verify: bool) -> ssl.SSLContext | None:
    if target.scheme != "https":
        return None
    if not verify:
        return unverifying_context(_ALPN)
    context = verifying_context(target.ca_pem, _ALPN)
    if credentials is not None:
        try:
            credentials.load_client_certificate(context)
        except (OSError, ValueError) as error:
            raise Unavailable(f"the client certificate cannot be used: {type(error).__name__}") from error
    return context


async def _secure(stream: Stream, context: ssl.SSLContext, target: Target, progress: _Progress, watch: Stopwatch) -> bool:
    try:
        with progress.phase("tls", watch):
            async with watch.limit(TLS_TIMEOUT_S):
                await stream.start_tls(context, sni(target.server_name))
    except HANDSHAKE_ERRORS as error:
        progress.fail(classify(error, stream.first_bytes), raw(error))
        return False
    return True


def _plain_headers(target: Target) -> dict[str, str]:
    place = str(Endpoint(host=target.host, port=target.port))
    host = place.rpartition(":")[0] if target.port == _DEFAULT_PORTS.get(target.scheme) else place
    return {"Host": host, "User-Agent": "apidown", "Accept": "application/json, */*"}


async def _exchange(stream: Stream, path: str, headers: dict[str, str], progress: _Progress, watch: Stopwatch) -> None:
    """Sends the request and reads the answer into ``progress``, with what ended it if it did not end well."""
    connection = h11.Connection(h11.CLIENT)
    request = _encoded(connection, path, headers)
    try:
        async with watch.limit(HTTP_TIMEOUT_S):
            with progress.phase("send", watch):
                await stream.send(request)
            with progress.phase("wait", watch):
                await _read_head(stream, connection, progress)
            with progress.phase("receive", watch):
                await _read_body(stream, connection, progress)
    except Expired as error:
        progress.fail(Failure.HTTP_TIMEOUT, raw(error))
    except Closed as error:
        progress.fail(Failure.HTTP_CLOSED, str(error))
    except _NotHttp as error:
        progress.fail(Failure.NOT_HTTP, str(error))
    except ssl.SSLError as error:
        # With TLS 1.3 a server refuses a client certificate after the handshake.
        progress.fail(Failure.HTTP_CLOSED if isinstance(error, ssl.SSLEOFError) else Failure.TLS_ALERT, raw(error))
    except OSError as error:
        progress.fail(Failure.HTTP_TIMEOUT if isinstance(error, TimeoutError) else Failure.HTTP_RESET, raw(error))


def _encoded(connection: h11.Connection, path: str, headers: dict[str, str]) -> bytes:
    try:
        head = connection.send(h11.Request(method="GET", target=path, headers=list(headers.items())))
        end = connection.send(h11.EndOfMessage())
    except (h11.LocalProtocolError, UnicodeError):
        # The library's message quotes the header, which may be the credential.
        raise Unavailable("the path or the credentials hold characters that HTTP cannot carry") from None
    return (head or b"") + (end or b"")


async def _read_head(stream: Stream, connection: h11.Connection, progress: _Progress) -> None:
    while True:
        event = await _next_event(stream, connection, progress)
        if isinstance(event, h11.Response) or (isinstance(event, h11.InformationalResponse) and event.status_code == 101):
            progress.status = event.status_code
            progress.headers = _joined(event.headers)
            return


async def _read_body(stream: Stream, connection: h11.Connection, progress: _Progress) -> None:
    """Reads up to the limit; a body that is longer is cut, and that is no failure."""
    while progress.status != 101 and len(progress.body) < progress.most:
        event = await _next_event(stream, connection, progress)
        if not isinstance(event, h11.Data):
            return
        progress.body += bytes(event.data)


async def _next_event(stream: Stream, connection: h11.Connection, progress: _Progress) -> object:
    """The next part of the answer. Raises Closed or _NotHttp, besides what the stream raises."""
    ended = False
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            if ended and progress.status is not None:
                raise Closed("the peer closed the connection in the middle of its answer") from error
            raise _NotHttp(raw(error)) from error
        if event is not h11.NEED_DATA:
            return event
        if ended:
            raise Closed("the peer closed the connection in the middle of its answer")
        data = await stream.receive()
        ended = not data
        if ended and progress.status is None:
            raise _end_before_status(bytes(connection.trailing_data[0]))
        connection.receive_data(data)


def _end_before_status(held: bytes) -> Closed | _NotHttp:
    """Nothing or the beginning of an answer is a connection that was closed; anything else was never HTTP."""
    if not b"HTTP/".startswith(held[:5]):
        return _NotHttp(f"the answer begins with {held[:40]!r}")
    return Closed("the peer closed the connection without " + ("a whole answer" if held else "an answer"))


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        joined[key] = f"{joined[key]}, {text}" if key in joined else text
    return joined
