"""Webhooks: what other systems post to us, made into triggers.

The answer waits for the store and for nothing else: 202 says that what was asked for is in the log, and a status of 500 or
more that it is not, so that the sender tries again. Whoever sends knows the token; what is sent is data all the same.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog
from aiohttp import web

from bot.clock import Clock
from bot.config import Config
from bot.errors import ApidownError, Conflict, Unavailable, UsageError
from bot.ports import Investigations
from bot.redact import Redactor
from bot.registry import Heard, Webhook

_log = structlog.get_logger(__name__)

_BODY_S = 10.0
"""How long a body may take to arrive."""

_AT_ONCE = 4
"""How many bodies are acted on at once: a flood of them must leave the store to those who carry investigations out."""

_ACT_S = 10.0
"""How long one may wait for its turn and for the store."""

_PROBLEMS = 20
"""How many problems are told and logged; of more, how many there are."""


@dataclass(frozen=True, kw_only=True)
class WebhookServices:
    """What webhooks work with. Without a token none is served."""

    webhooks: Mapping[str, Webhook]
    investigations: Investigations
    config: Callable[[], Config]
    clock: Clock
    redactor: Redactor
    token: str | None


def webhook_routes(services: WebhookServices) -> list[web.RouteDef]:
    """``POST /webhooks/<id>`` for each."""
    turns = asyncio.Semaphore(_AT_ONCE)
    return [web.post(f"/webhooks/{name}", _handler(services, hook, turns)) for name, hook in services.webhooks.items()]


class _Refused(Exception):
    """A request that is answered with this status and this sentence."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


def _handler(
    services: WebhookServices, hook: Webhook, turns: asyncio.Semaphore
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        log = _log.bind(webhook=hook.id, remote=request.remote)
        try:
            _check_token(request, services.token)
            heard = _read(services, hook, await _body(request, hook.max_bytes))
            done = await _act(services.investigations, heard, turns)
        except _Refused as refused:
            why = services.redactor.text(refused.why)
            log.warning("webhook-refused", status=refused.status, why=why)
            return web.Response(status=refused.status, text=f"{why}\n", headers=_headers(refused.status))
        problems = [services.redactor.text(problem) for problem in heard.problems[:_PROBLEMS]]
        told = {**done, "not_acted_on": len(heard.problems), "problems": problems}
        (log.warning if problems else log.info)("webhook-heard", **told)
        return web.json_response(told, status=202)

    return handle


def _headers(status: int) -> dict[str, str]:
    return {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "5"}}.get(status, {})


def _check_token(request: web.Request, token: str | None) -> None:
    if token is None:
        raise _Refused(503, "webhooks are not served: APIDOWN_WEBHOOK_TOKEN is not set")
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    same = hmac.compare_digest(given.strip().encode(errors="surrogateescape"), token.encode(errors="surrogateescape"))
    if scheme.lower() != "bearer" or not same:
        raise _Refused(401, "the bearer token is missing or not the one in APIDOWN_WEBHOOK_TOKEN")


async def _body(request: web.Request, limit: int) -> bytes:
    """The body as it was sent. A compressed one is refused: what it unpacks to is not bounded by its size."""
    if request.content_type != "application/json" or request.headers.get("Content-Encoding", "identity") != "identity":
        raise _Refused(415, "the body is not plain application/json")
    too_large = _Refused(413, f"the body is larger than {limit:,} bytes; set max_alerts in the receiver, or smaller groups")
    if (request.content_length or 0) > limit:
        raise too_large
    read = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            async for chunk in request.content.iter_any():
                read += chunk
                if len(read) > limit:
                    raise too_large
    except TimeoutError:
        raise _Refused(408, f"the body did not arrive within {_BODY_S:.0f} s") from None
    except (web.RequestPayloadError, ConnectionError) as error:
        raise _Refused(400, "the body broke off") from error
    return bytes(read)


def _read(services: WebhookServices, hook: Webhook, body: bytes) -> Heard:
    try:
        return hook.read(body, services.config(), services.clock.now())
    except UsageError as error:
        raise _Refused(400, f"{error.what} ({error.nearest})" if error.nearest else error.what) from error


async def _act(investigations: Investigations, heard: Heard, turns: asyncio.Semaphore) -> dict[str, int]:
    """Writes everything into the log; what was done before the store went away is found there by the sender's next try."""
    done = {"opened": 0, "joined": 0, "repeated": 0, "resolved": 0}
    try:
        async with asyncio.timeout(_ACT_S), turns:
            for request in heard.requests:
                opening = await investigations.start(request)
                done["repeated" if opening.repeated else "joined" if opening.joined else "opened"] += 1
            done["resolved"] = await investigations.resolve(heard.resolutions)
    except TimeoutError:
        raise _Refused(503, f"the store did not take this within {_ACT_S:.0f} s") from None
    except (Unavailable, Conflict) as error:
        raise _Refused(503, _plain(error)) from error
    return done


def _plain(error: ApidownError) -> str:
    return f"{error.where}: {error.what}" if error.where else error.what
