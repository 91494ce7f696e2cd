"""Which of several known beginnings is taken."""

from __future__ import annotations

from datetime import timedelta

from bot.diagnosis.onset import establish, from_alerts, from_trigger, is_measured_or_stated
from bot.model.change import Onset
from tests.diagnosis.facts import AT

EARLIER = AT - timedelta(minutes=20)
MEASURED = Onset(first_bad=EARLIER, last_good=EARLIER - timedelta(seconds=5), source="heartbeat")


def test_the_moment_of_asking_is_the_last_resort_and_says_so():
    assert establish(asked_at=AT) == Onset(first_bad=AT, source="asked")
    assert not is_measured_or_stated(establish(asked_at=AT))
    assert not is_measured_or_stated(None)


def test_what_a_person_states_comes_before_an_alert_and_after_a_measurement():
    alert = Onset(first_bad=AT - timedelta(hours=1), source="alert")
    assert establish(asked_at=AT, since=EARLIER, others=[alert]).source == "stated"
    assert establish(asked_at=AT, since=EARLIER, others=[alert, MEASURED]) == MEASURED
    assert establish(asked_at=AT, others=[alert]) == alert


def test_a_source_that_is_not_ranked_is_better_than_none():
    other = Onset(first_bad=EARLIER, source="metrics")
    assert establish(asked_at=AT, others=[other]) == other
    assert establish(asked_at=AT, since=AT, others=[other]).source == "stated"


def test_of_two_equal_sources_the_one_that_knows_the_interval_wins():
    vague = Onset(first_bad=EARLIER - timedelta(hours=1), source="heartbeat")
    assert establish(asked_at=AT, others=[vague, MEASURED]) == MEASURED


def test_a_time_that_lies_ahead_is_now():
    assert from_trigger(asked_at=AT, since=AT + timedelta(hours=1)).first_bad == AT


def test_alerts_that_began_together_count_and_a_chronic_one_does_not():
    opening = Onset(first_bad=AT, last_good=AT - timedelta(minutes=5), source="alert")
    sooner = opening.model_copy(update={"first_bad": AT - timedelta(minutes=50), "last_good": AT - timedelta(minutes=55)})
    chronic = Onset(first_bad=AT - timedelta(days=3), last_good=AT - timedelta(days=4), source="alert")
    told = from_alerts([opening, sooner, chronic], about=AT)
    assert told == [opening, sooner]
    assert establish(asked_at=AT, others=told) == sooner
