"""Plain text to the TLS port: a Go server answers it even when TLS hangs on the way, and a middlebox does not."""

from __future__ import annotations

import math

from bot.clock import Clock
from bot.model.observation import Failure, Plaintext
from bot.net.stream import Stream
from bot.net.tcp import Dial, dial
from bot.net.timing import TLS_TIMEOUT_S, Expired, Stopwatch, raw

_REQUEST = b"GET / HTTP/1.0\r\n\r\n"
_GO_SAYS = "Client sent an HTTP request to an HTTPS server"
_ANSWER_LIMIT = 2_048


async def plaintext(address: str, port: int, *, clock: Clock, deadline: float = math.inf, route: Dial = dial) -> Plaintext:
    """Sends one plain request and keeps the beginning of what comes back. It is no request to the API: TLS stops it."""
    watch = Stopwatch(clock, deadline)
    dialled = await route(address, port, watch=watch)
    if dialled.sock is None:
        return Plaintext(address=address, port=port, **watch.observed(dialled.failure, dialled.raw_error))
    answer = b""
    failure: Failure | None = None
    reason: str | None = None
    async with Stream(dialled.sock, leftover=dialled.leftover) as stream:
        try:
            async with watch.limit(TLS_TIMEOUT_S):
                await stream.send(_REQUEST)
                while len(answer) < _ANSWER_LIMIT and (data := await stream.receive()):
                    answer += data
            if not answer:
                failure, reason = Failure.HTTP_CLOSED, "the peer closed the connection without an answer"
        except Expired as error:
            failure, reason = Failure.HTTP_TIMEOUT, raw(error)
        except OSError as error:
            failure, reason = Failure.HTTP_RESET, raw(error)
    if answer:
        # How the connection ended does not matter once there is an answer.
        failure, reason = None, None
    text = answer[:_ANSWER_LIMIT].decode("latin-1")
    observed = watch.observed(failure, reason)
    return Plaintext(address=address, port=port, answer=text, is_go_tls_server=_GO_SAYS in text, **observed)
