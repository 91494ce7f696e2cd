"""What an answer of Slack's means for what is done next, decided in one place.

The SDK reports a failure in many shapes: an error whose response is a mapping, a string, a raw HTTP response or nothing,
a time-out, a broken connection. Whoever posts needs one of eight meanings, and never looks into a vendor's exception.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.slack.last_look import Withheld


class Kind(StrEnum):
    """What to do with the call: each kind has one treatment."""

    OK = "ok"
    RETRY_AFTER = "retry-after"  # nothing was done; the same call is right later
    AWAY = "away"  # nothing was sent, so nothing was done
    AMBIGUOUS = "ambiguous"  # it may have been done: read back before doing it again
    CONTENT = "content"  # the message itself is refused: say it as plain text
    RECREATE = "recreate"  # the message that was to be edited cannot be edited any more
    DESTINATION = "destination"  # nothing of this investigation can be posted there
    FATAL = "fatal"  # nothing can be posted anywhere: the token, the app or its scopes are wrong


@dataclass(frozen=True, kw_only=True)
class Result:
    """One call's end. ``error`` is Slack's code or the transport's own words, ``retry_after_s`` is set when Slack said so,
    ``detail`` is what Slack adds for developers (which block is wrong, which scope is missing), ``headers`` (lower-case) are
    a success's."""

    kind: Kind
    error: str = ""
    retry_after_s: float | None = None
    detail: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.kind is Kind.OK


_RETRY_AFTER = {"ratelimited", "rate_limited", "message_limit_exceeded"}
_AMBIGUOUS = {"fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"}
_CONTENT = {
    "invalid_blocks",
    "invalid_blocks_format",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_text",
    "block_mismatch",
    "invalid_attachments",
    "too_many_attachments",
    "markdown_text_conflict",
    "only_one_table_allowed",
}
_RECREATE = {
    "message_not_found",
    "cant_update_message",
    "edit_window_closed",
    "is_inactive",
    "thread_not_found",
    "invalid_thread_ts",
    "cannot_reply_to_message",
    "cant_broadcast_message",
    "no_dual_broadcast_content_update",
}
_DESTINATION = {
    "channel_not_found",
    "not_in_channel",
    "is_archived",
    "posting_to_channel_denied",
    "messages_tab_disabled",
    "team_not_found",
    "team_access_not_granted",
    "user_not_found",
    "ekm_access_denied",
}
TOKEN_REFUSED = frozenset({"not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired"})
"""Codes that say that the token itself is wrong, whatever was asked."""
_FATAL = TOKEN_REFUSED | {
    "missing_scope",
    "not_allowed_token_type",
    "no_permission",
    "org_login_required",
    "two_factor_setup_required",
    "access_denied",
    "forbidden_team",
    "accesslimited",
}


def kind_of(code: str, status: int) -> Kind:
    """The meaning of Slack's error code, or of the HTTP status where there is none. What nobody knows is ambiguous when
    the server may have failed half-way, and the content's fault when Slack refused it in good order."""
    if status == 429 or code in _RETRY_AFTER:
        return Kind.RETRY_AFTER
    for codes, kind in (
        (_AMBIGUOUS, Kind.AMBIGUOUS),
        (_CONTENT, Kind.CONTENT),
        (_RECREATE, Kind.RECREATE),
        (_DESTINATION, Kind.DESTINATION),
        (_FATAL, Kind.FATAL),
    ):
        if code in codes:
            return kind
    if code.startswith("restricted_action"):
        return Kind.DESTINATION
    if code and status < 500:
        return Kind.CONTENT
    return Kind.AMBIGUOUS


def failure(error: BaseException) -> Result:
    """The result of a call that raised. Only errors of the transport and of the SDK are understood; see ``EXPECTED``."""
    if isinstance(error, SlackApiError):
        return _api_failure(error)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError) or isinstance(error.__cause__, Withheld):
        return Result(kind=Kind.AWAY, error=_words(error))
    return Result(kind=Kind.AMBIGUOUS, error=_words(error))


EXPECTED = (SlackClientError, aiohttp.ClientError, asyncio.TimeoutError, OSError, json.JSONDecodeError)
"""Everything a call of the SDK raises because of Slack or of the way to it."""


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _api_failure(error: SlackApiError) -> Result:
    response: Any = error.response
    status = getattr(response, "status_code", None) or getattr(response, "status", None) or 0
    body = getattr(response, "data", response)
    body = body if isinstance(body, Mapping) else {}
    code = body.get("error") if isinstance(body.get("error"), str) else ""
    headers = getattr(response, "headers", None)
    return Result(
        kind=kind_of(code or "", int(status)),
        error=code or (f"HTTP {status}" if status else "an answer that cannot be read"),
        retry_after_s=_retry_after(headers),
        detail=_detail(body),
    )


def _retry_after(headers: object) -> float | None:
    if not isinstance(headers, Mapping):
        return None
    value = next((value for name, value in headers.items() if str(name).lower() == "retry-after"), None)
    try:
        return max(0.0, float(value)) if value is not None else None
    except ValueError:
        return None


def _detail(body: Mapping[str, Any]) -> str:
    parts = [str(item) for item in body.get("errors") or ()]
    if body.get("needed"):
        parts.append(f"needs the scope {body['needed']}, has {body.get('provided', 'others') or 'none'}")
    return "; ".join(parts)
