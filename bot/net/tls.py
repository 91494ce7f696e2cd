"""TLS: one handshake as clients do it, verified first; when that fails, a second one reads the chain to say why."""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.clock import Clock
from bot.model.observation import CERTIFICATE_FAILURES, Failure, Handshake, PresentedCertificate, Wire
from bot.net.certificates import presented_chain
from bot.net.stream import Closed, Stream
from bot.net.tcp import Dial, dial
from bot.net.timing import TLS_TIMEOUT_S, Expired, Stopwatch, raw

# OpenSSL's verification results. 7 is a signature that does not fit: an authority of the same name with another key.
_VERIFY_FAILURES = {
    9: Failure.CERTIFICATE_NOT_YET_VALID,
    10: Failure.CERTIFICATE_EXPIRED,
    62: Failure.CERTIFICATE_NAME_MISMATCH,
    64: Failure.CERTIFICATE_NAME_MISMATCH,
    **dict.fromkeys((2, 7, 18, 19, 20, 21), Failure.CERTIFICATE_UNKNOWN_AUTHORITY),
}

_CERTIFICATE_REQUEST = 13
_RECORD_TYPES = frozenset({20, 21, 22, 23})


def verifying_context(ca_pem: str | None, alpn: tuple[str, ...]) -> ssl.SSLContext:
    """A client context that trusts what kubectl would trust. Raises ValueError when the CA bundle cannot be read.

    As Go does, it accepts an intermediate authority as an anchor and ignores common names. X.509 strictness is off:
    it refuses old clusters' certificates for extensions that nothing else misses.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.hostname_checks_common_name = False
    if ca_pem is None:
        context.load_default_certs()
    else:
        try:
            # People annotate bundles in their own language; only the ASCII parts are certificates.
            context.load_verify_locations(cadata=ca_pem.encode("ascii", "ignore").decode())
        except (ssl.SSLError, ValueError) as error:
            raise ValueError(f"the CA bundle cannot be read: {raw(error)}") from error
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def unverifying_context(alpn: tuple[str, ...]) -> ssl.SSLContext:
    """A client context that accepts anybody, for looking only. Nothing secret may ever be sent over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Keys too small to be trusted are still worth reading.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def classify(error: Exception, first_bytes: bytes) -> Failure:
    """The failure that an error during a handshake stands for. ``first_bytes`` are what the peer began its answer with."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY_FAILURES.get(error.verify_code, Failure.CERTIFICATE_INVALID)
    if isinstance(error, Expired):
        return Failure.TLS_TIMEOUT
    if isinstance(error, Closed | ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Failure.TLS_CLOSED
    if isinstance(error, ssl.SSLError) and first_bytes:
        return Failure.TLS_ALERT if _looks_like_tls(first_bytes) else Failure.NOT_TLS
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return Failure.TLS_TIMEOUT if isinstance(error, TimeoutError) else Failure.TLS_RESET
    # The peer has said nothing yet: a name or a setting that TLS cannot work with, so a fault of the configuration here.
    return Failure.LOCAL_FAILURE


def _looks_like_tls(first_bytes: bytes) -> bool:
    return len(first_bytes) >= 2 and first_bytes[0] in _RECORD_TYPES and first_bytes[1] == 3


HANDSHAKE_ERRORS = (Expired, Closed, OSError, ValueError)
"""What a handshake raises for reasons of the peer, the wire or the configuration; SSLError is an OSError."""


@dataclass(kw_only=True)
class _Try:
    """What one handshake showed."""

    failure: Failure | None = None
    raw_error: str | None = None
    alpn: str | None = None
    version: str | None = None
    chain: tuple[PresentedCertificate, ...] = ()
    bytes_received: int = 0
    certificate_requested: bool | None = None
    wire: Wire | None = None


async def handshake(
    address: str,
    port: int,
    *,
    server_name: str,
    ca_pem: str | None,
    alpn: tuple[str, ...],
    clock: Clock,
    deadline: float = math.inf,
    max_segment: int | None = None,
    route: Dial = dial,
) -> Handshake:
    """A handshake on a connection of its own. Never presents a client certificate.

    ``duration_s`` is that of the verified handshake with its connect; reading the chain afterwards is not in it.
    """
    watch = Stopwatch(clock, deadline)

    async def attempt(make: Callable[[], ssl.SSLContext]) -> _Try:
        return await _attempt(address, port, server_name, make, watch=watch, max_segment=max_segment, route=route)

    first = await attempt(lambda: verifying_context(ca_pem, alpn))
    observed = watch.observed(first.failure, first.raw_error)
    seen = first
    if first.failure in CERTIFICATE_FAILURES:
        seen = await attempt(lambda: unverifying_context(alpn))
    return Handshake(
        address=address,
        port=port,
        server_name=server_name,
        alpn_offered=alpn,
        alpn_selected=seen.alpn,
        version=seen.version,
        verified=first.failure is None,
        chain=seen.chain,
        max_segment=max_segment,
        bytes_received=first.bytes_received,
        client_certificate_requested=None if seen.failure is not None else seen.certificate_requested,
        wire=first.wire,
        **observed,
    )


async def unverified_handshake(
    address: str,
    port: int,
    *,
    server_name: str,
    clock: Clock,
    deadline: float = math.inf,
    route: Dial = dial,
) -> Handshake:
    """One handshake on one connection, which believes anybody and reads the chain. Never presents a client certificate."""
    watch = Stopwatch(clock, deadline)
    alpn = ("h2", "http/1.1")
    seen = await _attempt(
        address, port, server_name, lambda: unverifying_context(alpn), watch=watch, max_segment=None, route=route
    )
    return Handshake(
        address=address,
        port=port,
        server_name=server_name,
        alpn_offered=alpn,
        alpn_selected=seen.alpn,
        version=seen.version,
        chain=seen.chain,
        bytes_received=seen.bytes_received,
        client_certificate_requested=None if seen.failure is not None else seen.certificate_requested,
        wire=seen.wire,
        **watch.observed(seen.failure, seen.raw_error),
    )


async def _attempt(
    address: str,
    port: int,
    server_name: str,
    make: Callable[[], ssl.SSLContext],
    *,
    watch: Stopwatch,
    max_segment: int | None,
    route: Dial,
) -> _Try:
    result = _Try()
    try:
        context = make()
        _notice_certificate_request(context, result)
    except ValueError as error:
        return _Try(failure=Failure.LOCAL_FAILURE, raw_error=raw(error))
    dialled = await route(address, port, watch=watch, max_segment=max_segment)
    if dialled.sock is None:
        return _Try(failure=dialled.failure, raw_error=dialled.raw_error)
    async with Stream(dialled.sock, leftover=dialled.leftover, resent=dialled.resent) as stream:
        try:
            async with watch.limit(TLS_TIMEOUT_S):
                tls = await stream.start_tls(context, sni(server_name))
            result.alpn, result.version = tls.selected_alpn_protocol(), tls.version()
            result.chain = presented_chain(tls)
        except HANDSHAKE_ERRORS as error:
            result.failure, result.raw_error = classify(error, stream.first_bytes), raw(error)
        result.bytes_received, result.wire = stream.bytes_received, stream.wire()
    return result


def sni(server_name: str) -> str:
    """The name as certificates have it: without the dot that ends an absolute DNS name."""
    return server_name.removesuffix(".")


def _notice_certificate_request(context: ssl.SSLContext, result: _Try) -> None:
    """Sees the server ask for a client certificate: API servers do, most middleboxes do not.

    The hook is the standard library's own for debugging, and may go away; the answer is then "not known".
    """

    def look(_tls: Any, direction: str, _version: Any, _kind: Any, message: Any, _data: bytes) -> None:
        if direction == "read" and message == _CERTIFICATE_REQUEST:
            result.certificate_requested = True

    if hasattr(context, "_msg_callback"):
        result.certificate_requested = False
        setattr(context, "_msg_callback", look)  # noqa: B010 - it is not in the published types
