"""Windows, directions and precision of one diagnosis line."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.diagnosis.correlate import MAX_CHANGES, correlate, duration
from bot.model.change import CHANGE_KINDS, Change, Onset
from bot.model.diagnosis import Correlation, CorrelationResult
from bot.model.playbook import CorrelationLine, Direction, Window
from tests.diagnosis.facts import AT, ONSET

MINUTE = timedelta(minutes=1)
KIND = "pod-restart"


def at(minutes: float, *, kind: str = KIND, subject: str = "kube-system/kube-apiserver-cp1", precision_s: float = 0.0) -> Change:
    return Change(kind=kind, subject=subject, at=AT + minutes * MINUTE, precision_s=precision_s, source="test", who="ann")


def run(
    *changes: Change,
    direction: Direction = Direction.AROUND,
    length: float = 5,
    widen: float | None = None,
    onset: Onset | None = ONSET,
    kinds: tuple[str, ...] = (KIND,),
    recorded: frozenset[str] = frozenset({KIND}),
    subject: str | None = "kube-system/kube-apiserver*",
) -> Correlation:
    window = Window(direction=direction, length=length * MINUTE, widen=None if widen is None else widen * MINUTE)
    line = CorrelationLine(
        id="restart", title="It restarts", source=("000/diagnosis/1",), changes=kinds, subject=subject, window=window
    )
    return correlate(line=line, playbook="connection-refused", onset=onset, changes=changes, recorded_kinds=recorded)


@pytest.mark.parametrize(
    ("direction", "minutes", "matches"),
    [
        (Direction.BEFORE, -5, True),
        (Direction.BEFORE, -5.1, False),
        (Direction.BEFORE, 0, True),
        (Direction.BEFORE, 0.1, False),
        (Direction.AFTER, 5, True),
        (Direction.AFTER, 5.1, False),
        (Direction.AFTER, -0.1, False),
        (Direction.AROUND, -5, True),
        (Direction.AROUND, 5, True),
        (Direction.AROUND, 5.1, False),
    ],
)
def test_a_window_has_a_direction_and_its_ends_belong_to_it(direction, minutes, matches):
    assert (run(at(minutes), direction=direction).result is CorrelationResult.MATCH) is matches


def test_precision_reaches_into_the_window():
    assert run(at(-6, precision_s=30)).result is CorrelationResult.NO_MATCH
    assert run(at(-6, precision_s=60)).result is CorrelationResult.MATCH


def test_any_point_of_the_onset_s_interval_will_do():
    wide = Onset(first_bad=AT, last_good=AT - 10 * MINUTE, source="heartbeat")
    assert run(at(-14), onset=wide).result is CorrelationResult.MATCH
    assert run(at(-16), onset=wide).result is CorrelationResult.NO_MATCH
    assert run(at(-3), onset=wide, direction=Direction.AFTER).result is CorrelationResult.MATCH


def test_the_second_try_is_wider_and_says_so():
    found = run(at(-8), widen=10)
    assert (found.result, found.widened, found.window) == (CorrelationResult.MATCH_AFTER_WIDENING, True, "around 10m")
    assert run(at(-8)).result is CorrelationResult.NO_MATCH
    assert run(at(-2), widen=10).widened is False


def test_other_subjects_and_kinds_do_not_count():
    assert run(at(0, subject="kube-system/coredns-1")).result is CorrelationResult.NO_MATCH
    assert run(at(0, kind="config-map")).result is CorrelationResult.NO_MATCH
    assert run(at(0, subject="anything"), subject=None).result is CorrelationResult.MATCH


def test_what_nothing_records_is_not_checked_and_says_what_would():
    missing = run(recorded=frozenset())
    assert missing.result is CorrelationResult.NOT_CHECKED
    assert missing.todo is not None
    assert CHANGE_KINDS[KIND].recorded_by in missing.todo


def test_no_needs_every_kind_to_be_recorded():
    kinds = (KIND, "kubelet-restart")
    assert run(kinds=kinds).result is CorrelationResult.NOT_CHECKED
    assert run(at(0), kinds=kinds).result is CorrelationResult.MATCH
    assert run(kinds=kinds, recorded=frozenset(kinds)).result is CorrelationResult.NO_MATCH


@pytest.mark.parametrize("onset", [None, Onset(first_bad=AT, source="asked")])
def test_the_moment_of_asking_is_no_ground_for_a_no(onset):
    said = run(onset=onset)
    assert said.result is CorrelationResult.NOT_CHECKED
    assert said.todo == "Say since when it fails, and the line is looked at again."


def test_the_nearest_change_is_told_first_with_who_and_when():
    found = run(at(-4), at(1), at(-2))
    assert [change.at for change in found.changes] == [AT + MINUTE, AT - 2 * MINUTE, AT - 4 * MINUTE]
    assert "2026-11-20T14:01:00.000Z by ann, 1m after the first failure, and 2 more." in found.sentence
    assert found.kinds == (KIND,)
    assert found.source == ("000/diagnosis/1",)


def test_a_result_carries_a_bounded_number_of_changes():
    assert len(run(*(at(index / 10) for index in range(30))).changes) == MAX_CHANGES


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (90, "1m30s"), (3600, "1h"), (5400, "1h30m"), (172800, "2d")])
def test_durations_read_as_playbooks_write_them(seconds, text):
    assert duration(timedelta(seconds=seconds)) == text
