from __future__ import annotations

import pytest

from bot.slack.errors import Kind, Result
from bot.slack.pace import Timing
from bot.slack.patience import Patience, Undeliverable
from tests.slack.test_pace import HandClock

AWAY = Result(kind=Kind.AWAY, error="connection refused")


def pauses(patience: Patience, clock: HandClock, *, for_s: float) -> list[float]:
    """The pauses of a lane that fails at once each time, for so long."""
    made: list[float] = []
    while sum(made) < for_s:
        made.append(patience.next(AWAY))
        clock.seconds += made[-1]
    return made


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def test_a_pause_is_a_quarter_of_the_time_that_slack_is_away(clock: HandClock) -> None:
    made = pauses(Patience(clock, Timing()), clock, for_s=600)
    assert made[:3] == [0.5, 0.5, 0.5]
    waited = 0.0
    for pause in made:
        assert 0.5 <= pause <= 15.0
        assert pause <= max(0.5, waited / 4)
        waited += pause
    assert made[-1] == 15.0


def test_slack_says_itself_how_long_to_wait(clock: HandClock) -> None:
    limited = Result(kind=Kind.RETRY_AFTER, error="ratelimited", retry_after_s=30.0)
    assert Patience(clock, Timing()).next(limited) == 30.0


def test_one_success_begins_anew(clock: HandClock) -> None:
    patience = Patience(clock, Timing())
    pauses(patience, clock, for_s=600)
    patience.reset()
    assert patience.next(AWAY) == 0.5


def test_a_day_without_a_success_is_the_end(clock: HandClock) -> None:
    patience = Patience(clock, Timing())
    patience.next(AWAY)
    clock.seconds += 24 * 3600 + 1
    with pytest.raises(Undeliverable, match="connection refused"):
        patience.next(AWAY)
