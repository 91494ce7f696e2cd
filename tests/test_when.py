"""The times people type."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.errors import UsageError
from bot.when import moment

NOW = datetime(2026, 11, 20, 14, 3, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", NOW - timedelta(minutes=30)),
        ("30 min", NOW - timedelta(minutes=30)),
        ("2H", NOW - timedelta(hours=2)),
        ("45s", NOW - timedelta(seconds=45)),
        ("3d", NOW - timedelta(days=3)),
        ("14:00", NOW.replace(minute=0, second=0)),
        ("9:05", NOW.replace(hour=9, minute=5, second=0)),
        ("14:05", NOW.replace(minute=5, second=0) - timedelta(days=1)),
        ("2026-11-20T12:00Z", NOW.replace(hour=12, minute=0, second=0)),
        ("2026-11-20T12:00", NOW.replace(hour=12, minute=0, second=0)),
        ("2026-11-20 13:00+02:00", NOW.replace(hour=11, minute=0, second=0)),
    ],
)
def test_a_time_is_understood(text: str, expected: datetime) -> None:
    assert moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "soon", "25:00", "14:60", "-5m", "99999m", "5x", "2026-13-01", "0001-01-01T00:00+14:00"])
def test_what_is_no_time_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time") as refusal:
        moment(text, NOW)
    assert refusal.value.next == "type 30m, 14:05 or 2026-11-20T14:05Z"


def test_the_future_is_refused() -> None:
    with pytest.raises(UsageError, match="lies in the future") as refusal:
        moment("2026-11-20T14:04Z", NOW)
    assert refusal.value.next == "now is 14:03 UTC"
