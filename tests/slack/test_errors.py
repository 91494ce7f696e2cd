from __future__ import annotations

from types import SimpleNamespace

import pytest
from aiohttp import ClientConnectorError, ServerDisconnectedError
from aiohttp.client_reqrep import ConnectionKey
from slack_sdk.errors import SlackApiError

from bot.slack.errors import Kind, failure, kind_of

NOWHERE = ConnectionKey("slack.example", 443, True, True, None, None, None)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ratelimited", 429, Kind.RETRY_AFTER),
        ("message_limit_exceeded", 200, Kind.RETRY_AFTER),
        ("", 429, Kind.RETRY_AFTER),
        ("", 503, Kind.AMBIGUOUS),
        ("internal_error", 200, Kind.AMBIGUOUS),
        ("invalid_blocks", 200, Kind.CONTENT),
        ("a_code_of_next_year", 200, Kind.CONTENT),
        ("message_not_found", 200, Kind.RECREATE),
        ("restricted_action_thread_locked", 200, Kind.DESTINATION),
        ("not_in_channel", 200, Kind.DESTINATION),
        ("token_revoked", 200, Kind.FATAL),
    ],
)
def test_a_code_or_status_has_one_meaning(code, status, kind):
    assert kind_of(code, status) is kind


def response(data, *, status=200, headers=None):
    return SimpleNamespace(data=data, status_code=status, headers=headers or {})


def test_a_refusal_says_which_block_is_wrong():
    error = SlackApiError("no", response({"ok": False, "error": "invalid_blocks", "errors": ["too long [/blocks/0]"]}))
    result = failure(error)
    assert (result.kind, result.error, result.detail) == (Kind.CONTENT, "invalid_blocks", "too long [/blocks/0]")


def test_a_missing_scope_says_which():
    data = {"ok": False, "error": "missing_scope", "needed": "groups:history", "provided": "chat:write"}
    assert "groups:history" in failure(SlackApiError("no", response(data))).detail


def test_a_token_without_any_scope_is_said_to_have_none():
    error = SlackApiError("x", {"ok": False, "error": "missing_scope", "needed": "chat:write", "provided": ""})
    assert failure(error).detail == "needs the scope chat:write, has none"


def test_a_rate_limit_says_how_long():
    error = SlackApiError("no", response({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "7"}))
    assert failure(error).retry_after_s == 7


@pytest.mark.parametrize(
    "odd",
    [response("<html>", status=502), SimpleNamespace(status=503, headers={}), {}, None],
    ids=["text", "raw response", "empty", "nothing"],
)
def test_an_answer_that_cannot_be_read_is_ambiguous_whatever_its_shape(odd):
    assert failure(SlackApiError("no", odd)).kind is Kind.AMBIGUOUS


def test_a_connection_that_was_never_made_leaves_no_doubt_and_every_other_failure_does():
    assert failure(ClientConnectorError(NOWHERE, OSError(111, "refused"))).kind is Kind.AWAY
    assert failure(ServerDisconnectedError()).kind is Kind.AMBIGUOUS
    assert failure(TimeoutError()).kind is Kind.AMBIGUOUS
    assert failure(ConnectionResetError(104, "reset")).kind is Kind.AMBIGUOUS
