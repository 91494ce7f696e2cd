"""Was it posted? Slack has no way to post a message at most once, so a doubt is settled by reading.

Every message carries the investigation and its own key in its metadata. After a time-out, a reset or a predecessor's death
the thread is read, twice, because what was just posted may not be readable at once. Metadata can be read by any member of
the channel: nothing secret is in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog

from bot.model.base import Json, Moment
from bot.model.investigation import Ref
from bot.slack.client import SlackClient
from bot.slack.errors import Kind, Result
from bot.slack.pace import Timing
from bot.slack.patience import Patience

EVENT_TYPE = "apidown_delivery"
# Slack's clock dates the messages and ours the investigation.
_CLOCKS_APART = timedelta(minutes=5)

_TRIES = 3
_LATER = (Kind.AWAY, Kind.AMBIGUOUS, Kind.RETRY_AFTER)

log = structlog.get_logger()


def metadata(ref: Ref, key: str, epoch: int) -> Json:
    """What every message of ours carries, so that a reader of the thread knows whose it is and who posted it."""
    return {"event_type": EVENT_TYPE, "event_payload": {"investigation": str(ref), "message": key, "epoch": epoch}}


class ReadBack:
    """Looks messages of one investigation up in Slack."""

    def __init__(self, slack: SlackClient, ref: Ref, *, channel: str, opened_at: Moment, timing: Timing) -> None:
        self._slack = slack
        self._ref = ref
        self._channel = channel
        self._oldest = f"{(opened_at - _CLOCKS_APART).timestamp():.6f}"
        self._timing = timing

    async def find(self, key: str, *, thread_ts: str | None, patience: Patience) -> str | None:
        """The ``ts`` of the message with this key, the oldest if there are several; None when two reads do not show it,
        or when Slack refuses to let us read: a message twice is better than none."""
        for attempt in range(2):
            if attempt:
                await asyncio.sleep(self._timing.read_back_pause_s)
            for message in await self._messages(thread_ts, patience):
                if self._is(message, key):
                    return str(message["ts"])
        return None

    async def newest_epoch(self, *, thread_ts: str | None, patience: Patience) -> int:
        """The highest epoch of whoever posted of this investigation; 0 when nobody did, or when we may not read."""
        found = [self._payload(message) for message in await self._messages(thread_ts, patience)]
        return max((int(payload.get("epoch", 0)) for payload in found if payload is not None), default=0)

    async def posted(self, *, thread_ts: str | None) -> Mapping[str, str]:
        """The ``ts`` of every message of ours, by key, the oldest where there are several. Tried a few times only."""
        for _ in range(_TRIES):
            result = await self._read(thread_ts)
            if result.ok:
                found = [(self._payload(message), str(message["ts"])) for message in result.data["messages"]]
                return {str(payload.get("message")): ts for payload, ts in reversed(found) if payload is not None}
            if result.kind not in _LATER:
                break
            await asyncio.sleep(result.retry_after_s or self._timing.read_back_pause_s)
        log.warning("slack-read-refused", investigation=str(self._ref), error=result.error, detail=result.detail)
        return {}

    async def _messages(self, thread_ts: str | None, patience: Patience) -> list[Mapping[str, Any]]:
        while True:
            result = await self._read(thread_ts)
            if result.ok:
                patience.reset()
                return list(result.data["messages"])
            if result.kind not in _LATER:
                log.warning("slack-read-refused", investigation=str(self._ref), error=result.error, detail=result.detail)
                return []
            await patience.wait(result)

    async def _read(self, thread_ts: str | None) -> Result:
        """The thread, or the channel while there is none."""
        if thread_ts is None:
            return await self._slack.history(self._channel, oldest=self._oldest)
        return await self._slack.replies(self._channel, thread_ts)

    def _is(self, message: Mapping[str, Any], key: str) -> bool:
        payload = self._payload(message)
        return payload is not None and payload.get("message") == key

    def _payload(self, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What a message of this investigation carries."""
        found = message.get("metadata") or {}
        payload = found.get("event_payload") or {}
        ours = found.get("event_type") == EVENT_TYPE and payload.get("investigation") == str(self._ref)
        return payload if ours else None
