"""The lowest layer: errors, time and ids."""

from __future__ import annotations

import re
import string
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import SystemClock, stamp, to_milliseconds
from bot.errors import ApidownError, Conflict, LeaseLost, Unavailable, UsageError
from bot.ids import adhoc_cluster, digest, event_id, investigation_id

NOW = datetime(2026, 11, 20, 14, 3, 22, 123_999, tzinfo=UTC)


def test_an_error_says_where_what_the_nearest_and_what_next() -> None:
    error = UsageError("there is no cluster 'prd'", where="line 3", nearest="did you mean 'prod'?", next="apidown clusters")
    assert str(error) == "line 3: there is no cluster 'prd'\n  did you mean 'prod'?\n  Next: apidown clusters"
    assert str(Unavailable("the store is gone")) == "the store is gone"
    assert all(issubclass(kind, ApidownError) for kind in (UsageError, Unavailable, LeaseLost, Conflict))


def test_times_are_utc_in_whole_milliseconds() -> None:
    assert stamp(NOW) == "2026-11-20T14:03:22.123Z"
    assert stamp(NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))) == "2026-11-20T14:03:22.123Z"
    assert to_milliseconds(NOW).microsecond == 123_000
    assert SystemClock().now().microsecond % 1000 == 0
    assert SystemClock().now().tzinfo is UTC


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        stamp(NOW.replace(tzinfo=None))


@given(st.datetimes(timezones=st.timezones()).filter(lambda moment: 1 < moment.year < 9999))
def test_a_stamp_reads_back_as_the_same_millisecond(moment: datetime) -> None:
    assert datetime.fromisoformat(stamp(moment)) == to_milliseconds(moment)
    assert moment - datetime.fromisoformat(stamp(moment)) < timedelta(milliseconds=1)


def test_the_monotonic_clock_never_goes_back() -> None:
    clock = SystemClock()
    seen = [clock.monotonic() for _ in range(1000)]
    assert seen == sorted(seen)


def test_investigations_can_be_read_aloud() -> None:
    ids = {investigation_id(NOW) for _ in range(500)}
    assert len(ids) > 490
    assert all(re.fullmatch(r"20261120-[bcdfghjkmnpqrstvwxz2-9]{4}", one) for one in ids)
    assert not set("".join(one[9:] for one in ids)) & set("aeiouyl01" + string.ascii_uppercase)


def test_the_same_url_is_the_same_cluster() -> None:
    assert adhoc_cluster("https://API.example.com:6443/ ") == adhoc_cluster("https://api.example.com:6443")
    assert adhoc_cluster("https://api.example.com:6443") != adhoc_cluster("https://api.example.com:443")
    assert re.fullmatch(r"url-[0-9a-f]{8}", adhoc_cluster("https://api.example.com"))


def test_ids_of_events_are_made_of_what_they_are_about() -> None:
    assert event_id("finding", 1, "tcp-connect@bot", "10.0.0.1") == "finding/1/tcp-connect@bot/10.0.0.1"
    assert event_id("closed") == "closed"
    assert digest("a") == digest("a") != digest("b")
    assert len(digest("a", length=6)) == 6
