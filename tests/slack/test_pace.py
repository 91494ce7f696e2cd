from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.slack.pace import Pace, Timing


class HandClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 11, 20, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def pace(clock):
    return Pace(clock)


def posts_at_once(pace, channel):
    count = 0
    while pace.wait_post(channel) == 0 and count < 100:
        pace.take_post(channel)
        count += 1
    return count


def test_a_quiet_channel_takes_a_burst_of_three_and_then_one_a_second(pace, clock):
    assert posts_at_once(pace, "C1") == 3
    assert pace.wait_post("C1") == pytest.approx(1.0)
    clock.seconds += 1.0
    assert posts_at_once(pace, "C1") == 1
    clock.seconds += 60
    assert posts_at_once(pace, "C1") == 3


def test_channels_do_not_wait_for_each_other(pace):
    posts_at_once(pace, "C1")
    assert pace.wait_post("C2") == 0


def test_a_channel_that_slack_told_to_wait_waits_that_long(pace, clock):
    pace.hold_posts("C1", 7)
    assert pace.wait_post("C1") == 7
    assert pace.wait_post("C2") == 0
    clock.seconds += 7
    assert pace.wait_post("C1") == 0


def test_an_investigation_is_edited_once_in_three_seconds_unless_it_is_urgent(pace, clock):
    pace.take_edit("prod/1")
    assert pace.wait_edit("prod/1", urgent=False) == pytest.approx(3.0)
    assert pace.wait_edit("prod/1", urgent=True) == 0
    assert pace.wait_edit("prod/2", urgent=False) == 0
    clock.seconds += 3
    assert pace.wait_edit("prod/1", urgent=False) == 0


def test_the_workspace_has_forty_edits_a_minute_and_a_reserve_for_urgent_ones(pace, clock):
    for number in range(40):
        assert pace.wait_edit(f"prod/{number}", urgent=False) == 0
        pace.take_edit(f"prod/{number}")
    assert pace.wait_edit("prod/new", urgent=False) == pytest.approx(60.0)
    for _ in range(8):
        assert pace.wait_edit("prod/1", urgent=True) == 0
        pace.take_edit("prod/1")
    assert pace.wait_edit("prod/1", urgent=True) == pytest.approx(60.0)
    clock.seconds += 60
    assert pace.wait_edit("prod/new", urgent=False) == 0


def test_edits_that_slack_told_to_wait_wait_even_when_urgent(pace):
    pace.hold_edits(5)
    assert pace.wait_edit("prod/1", urgent=True) == 5


def test_scaled_timing_shrinks_every_duration_and_no_count():
    scaled = Timing().scaled(0.1)
    assert scaled.post_interval_s == pytest.approx(0.1)
    assert scaled.give_up_s == pytest.approx(8640)
    assert scaled.post_burst == 3
    assert scaled.edits_per_window == 40


def test_a_message_that_shows_the_end_of_a_round_waits_for_no_other_edit(pace):
    pace.take_edit("prod/1")
    assert pace.wait_edit("prod/1", urgent=False) == pytest.approx(3.0)
    assert pace.wait_edit("prod/1", urgent=False, coalesced=False) == 0


def test_the_end_of_a_round_stays_within_the_workspace_s_budget(pace):
    for _ in range(40):
        pace.take_edit("prod/1")
    assert pace.wait_edit("prod/1", urgent=False, coalesced=False) > 0
    assert pace.wait_edit("prod/1", urgent=True) == 0
