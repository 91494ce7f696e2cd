"""The times that people type: when it began, as somebody on call says it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from bot.errors import UsageError

_DURATION = re.compile(r"(\d{1,4})\s*(s|m|min|h|d)", re.I)
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def moment(text: str, now: datetime) -> datetime:
    """``30m`` ago, ``14:05`` (the last one, UTC) or an ISO time (UTC where it names no zone)."""
    if match := _DURATION.fullmatch(text):
        return now - timedelta(seconds=int(match[1]) * _UNITS[match[2].lower()])
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}", text):
            hour, minute = map(int, text.split(":"))
            at = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
            return at if at <= now else at - timedelta(days=1)
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--since {text} is not a time", next="type 30m, 14:05 or 2026-11-20T14:05Z") from error
    if at > now:
        raise UsageError(f"--since {text} lies in the future", next=f"now is {now:%H:%M} UTC")
    return at
