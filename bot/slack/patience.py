"""Waiting for Slack to come back, longer each time, but not for ever."""

from __future__ import annotations

import asyncio

from bot.clock import Clock
from bot.errors import Unavailable
from bot.slack.errors import Kind, Result
from bot.slack.pace import Timing


class Undeliverable(Unavailable):
    """Nothing more of this investigation can be shown in Slack; ``result`` says why."""

    def __init__(self, result: Result, *, key: str = "") -> None:
        super().__init__(why(result))
        self.result = result
        self.key = key


class Patience:
    """One lane's back-off: a quarter of the time since Slack failed first, ``retry_first_s`` at least and ``retry_most_s`` at
    most, so that a verdict is shown soon after Slack is back. Given up after ``give_up_s`` without a single success."""

    def __init__(self, clock: Clock, timing: Timing) -> None:
        self._clock = clock
        self._timing = timing
        self._since: float | None = None

    def reset(self) -> None:
        """Slack answered."""
        self._since = None

    def next(self, result: Result) -> float:
        """Seconds until the next try; what Slack asks for, where it does. Raises Undeliverable when it is too long ago."""
        now = self._clock.monotonic()
        self._since = now if self._since is None else self._since
        away_s = now - self._since
        if away_s > self._timing.give_up_s:
            raise Undeliverable(result)
        own = min(max(away_s / 4, self._timing.retry_first_s), self._timing.retry_most_s)
        return result.retry_after_s or own

    async def wait(self, result: Result) -> None:
        await asyncio.sleep(self.next(result))


_WHY = {
    "not_in_channel": "I am not a member of this channel. Invite me with /invite @apidown, then type the command again.",
    "channel_not_found": "I cannot see this channel. Invite me with /invite @apidown, then type the command again.",
    "is_archived": "The channel is archived.",
    "missing_scope": "The Slack app lacks a permission; install it again from its manifest.",
    "invalid_auth": "Slack does not accept the bot's token (SLACK_BOT_TOKEN).",
    "token_revoked": "The bot's token (SLACK_BOT_TOKEN) was revoked.",
    "account_inactive": "The bot's token (SLACK_BOT_TOKEN) belongs to an app that was removed.",
}


def why(result: Result) -> str:
    """One or two sentences for a person, from Slack's code."""
    if result.error in _WHY:
        return _WHY[result.error]
    if result.error.startswith("restricted_action"):
        return "This channel lets only some people post, and I am not one of them."
    if result.kind in (Kind.AWAY, Kind.AMBIGUOUS, Kind.RETRY_AFTER):
        return f"Slack did not take a message for too long ({result.error})."
    return f"Slack refuses to take the message ({result.error})."
