from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.model.events import VERSION, Event, EventType
from bot.model.investigation import Investigation, State
from bot.model.replay import advance, replay
from tests.render import scenarios
from tests.render.builder import START, Story


def complete() -> Story:
    story = scenarios.tie()
    if story.state.concluded is None:
        story.conclude()
    return story.close("cancelled", by="U0BOB")


STORY = complete()
EVENTS = STORY.events


def fold(events: list[Event]) -> Investigation:
    state = replay(STORY.ref, events)
    assert state is not None
    return state


@given(st.integers(min_value=1, max_value=len(EVENTS)))
def test_a_log_may_end_anywhere_and_goes_on_from_there(length: int) -> None:
    state = fold(EVENTS[:length])
    for event in EVENTS[length:]:
        state = advance(STORY.ref, state, event)
    assert state == STORY.state


@given(st.lists(st.sampled_from([event for event in EVENTS if event.type == EventType.FINDING_RECORDED]), max_size=8))
def test_a_finding_said_again_is_there_once(again: list[Event]) -> None:
    last = max(index for index, event in enumerate(EVENTS) if event.type == EventType.FINDING_RECORDED)
    repeated = [*EVENTS[: last + 1], *again, *EVENTS[last + 1 :]]
    assert fold(repeated).steps == STORY.state.steps


def later(type: str, version: int = VERSION) -> Event:
    return Event(v=version, id=f"{type}/later", type=type, round=1, at=START, by="bot-2", data={"what": {"nobody": "knows"}})


@given(st.integers(min_value=1, max_value=len(EVENTS)))
def test_a_type_that_nobody_knows_changes_nothing(place: int) -> None:
    state = fold([*EVENTS[:place], later("weather-reported"), *EVENTS[place:]])
    assert state.model_copy(update={"last_event_at": STORY.at}) == STORY.state


@pytest.mark.parametrize("type", [item.value for item in EventType if item is not EventType.OPENED])
def test_what_a_newer_version_wrote_is_passed_over(type: str) -> None:
    running = fold(EVENTS[:5])
    assert advance(STORY.ref, running, later(type, VERSION + 1)) is not None


def test_an_opening_that_only_a_newer_version_can_read_is_no_investigation_yet() -> None:
    assert replay(STORY.ref, [later("opened", VERSION + 1)]) is None


def test_what_this_version_wrote_wrongly_is_a_defect_and_said() -> None:
    with pytest.raises(ValidationError):
        advance(STORY.ref, fold(EVENTS[:5]), later("step-finished"))


def test_an_investigation_that_is_reopened_runs_and_is_not_cancelled_at_once() -> None:
    asked = Event(id="c", type=EventType.CANCEL_REQUESTED, round=1, at=START, by="U0BOB")
    reopened = Event(id="r", type=EventType.REOPENED, round=1, at=START, by="bot-1")
    state = fold([*EVENTS[:-1], asked, EVENTS[-1], reopened])
    assert state.state is State.RUNNING
    assert state.cancel_requested_by is None
    assert state.closed is None
