"""Time, passed in rather than looked up.

Wall-clock times are UTC with millisecond precision, because that is what Redis, Slack and log lines can carry.
Durations come from the monotonic clock, because a wrong wall clock is one of the faults under investigation.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What a component needs to know of time."""

    def now(self) -> datetime:
        """The wall clock: UTC, whole milliseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never go back; for durations and deadlines only."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return to_milliseconds(datetime.now(UTC))

    def monotonic(self) -> float:
        return time.monotonic()


def to_milliseconds(moment: datetime) -> datetime:
    """The same moment in UTC, cut to whole milliseconds. A naive time is refused: its zone would be a guess."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone cannot be compared with anything")
    utc = moment.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def utc(moment: datetime) -> str:
    """``2026-11-20 14:03:22 UTC``, as people read a time and compare it with a log."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def stamp(moment: datetime) -> str:
    """``2026-11-20T14:03:22.123Z``, the one way times are written in JSON, logs and keys."""
    return to_milliseconds(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")
