"""Numbers of a finding as a picture: drawn when they keep to the form, and shown as other evidence when not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.finding import Status
from bot.render.chart import COLUMNS, amount, chart_lines
from bot.render.evidence import drawn, finding_lines
from bot.render.report import as_json
from bot.render.terminal import summary
from tests.render.builder import seen
from tests.render.scenarios import SCENARIOS
from tests.render.test_thread import thread
from tests.render.transcript import transcript

SPAN = {"from": "2026-11-20T13:33:00.000Z", "to": "2026-11-20T14:03:00.000Z"}


def test_a_history_is_drawn_from_nothing_to_its_most_with_gaps_and_its_time() -> None:
    rows = chart_lines([{"label": "p99", "unit": "s", "values": [0, 1.25, None, 2.5, 1], **SPAN}])
    assert rows == ["p99  ▁▅·█▄  last 1 s, most 2.5 s", "     13:33 to 14:03 UTC"]


def test_rows_stand_below_each_other_each_on_its_own_scale() -> None:
    rows = chart_lines(
        [{"label": "up", "values": [1, 0], "worst": "low", **SPAN}, {"label": "5xx", "unit": "%", "values": [0, 40], **SPAN}]
    )
    assert rows[:2] == ["up   █▁  last 0, least 0", "5xx  ▁█  last 40%, most 40%"]


def test_of_more_values_than_columns_the_worst_is_drawn() -> None:
    high = chart_lines([{"label": "a", "values": [0] * 29 + [9] + [0] * 30, **SPAN}])[0]
    low = chart_lines([{"label": "a", "values": [1] * 29 + [0] + [1] * 30, "worst": "low", **SPAN}])[0]
    assert (high.count("█"), low.count("▁")) == (1, 1)
    assert len(high.split("  ")[1]) == COLUMNS


def test_nothing_known_is_said_and_not_drawn_as_zero() -> None:
    assert chart_lines([{"label": "up", "values": [None, None], **SPAN}])[0] == "up  ··  no values"


def test_phases_follow_each_other_on_one_scale() -> None:
    rows = chart_lines(
        [{"label": "DNS", "start": 0, "length": 0.1}, {"label": "TLS", "start": 0.1, "length": 0.2, "ended": False}]
    )
    assert rows[0] == f"DNS  {'█' * 10}{' ' * 20}  100 ms"
    assert rows[1] == f"TLS  {' ' * 10}{'█' * 20}…  200 ms, given up"


@pytest.mark.parametrize(
    "wrong",
    [
        "text",
        [],
        [{}],
        [{"label": "a"}],
        [{"label": "a", "values": [1]}],
        [{"label": "a", "values": [1] * 61, **SPAN}],
        [{"label": "a" * 25, "values": [1], **SPAN}],
        [{"label": "a", "values": [1], "unit": "furlongs", **SPAN}],
        [{"label": "a", "values": [float("nan")], **SPAN}],
        [{"label": "a", "values": [1], **SPAN}, {"label": "b", "start": 0, "length": 1}],
        [{"label": "a", "start": -1, "length": 1}],
        [{"label": "a", "values": [1], **SPAN}] * 9,
    ],
)
def test_what_is_no_chart_is_shown_as_evidence(wrong: Any) -> None:
    finding = seen("request-flow", "a", Status.PROBLEM, "slow", "Slow.", evidence={"chart": wrong})
    assert drawn(finding) == []
    assert bool(list(finding_lines(finding))) == bool(wrong)


def test_a_chart_is_drawn_and_not_listed() -> None:
    chart = [{"label": "a", "values": [1], **SPAN}]
    finding = seen("request-flow", "a", Status.PROBLEM, "slow", "Slow.", evidence={"chart": chart})
    assert list(finding_lines(finding)) == []
    assert "█" in "".join(drawn(finding))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(-1e12, 1e12)), min_size=1, max_size=60), st.sampled_from(["", "s", "/s", "%"]))
def test_any_values_make_rows_that_a_screen_holds(values: list[float | None], unit: str) -> None:
    for row in chart_lines([{"label": "x" * 24, "unit": unit, "values": values, **SPAN}]):
        assert len(row) <= 100


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.0124, "s", "12.4 ms"),
        (2.5, "s", "2.5 s"),
        (0.8, "/s", "0.8/s"),
        (99, "%", "99%"),
        (123456, "", "123,456"),
        (0, "s", "0 ms"),
    ],
)
def test_numbers_are_said_short(value: float, unit: str, said: str) -> None:
    assert amount(value, unit) == said


def test_a_problems_chart_is_in_its_message_and_in_the_report() -> None:
    story = SCENARIOS["history"]()
    for text in (transcript([thread(story)["problem/1/prometheus-history"]]), summary(story.state, story.at)):
        assert "p99  ▁" in text
        assert "13:33 to 14:03 UTC" in text


def test_what_is_fine_has_its_chart_with_the_steps_and_in_the_full_report() -> None:
    story = SCENARIOS["warned"]()
    assert "GET /readyz" in transcript([thread(story)["steps/1"]])
    assert "GET /readyz" in summary(story.state, story.at, full=True)


def test_what_breaks_next_is_in_every_view_and_never_a_verdict() -> None:
    story = SCENARIOS["warned"]()
    said = "1 of 2 backends does not answer: the other one carries everything."
    for text in (transcript(list(thread(story).values())), summary(story.state, story.at)):
        assert said in text
    report = as_json(story.state)
    assert report["verdict"] == "healthy"
    assert next(one["sentence"] for one in report["next_to_break"]) == said
    assert len(report["next_to_break"]) == 3


def test_beside_an_outage_it_is_one_line() -> None:
    story = SCENARIOS["history"]()
    root = transcript([thread(story)["root"]])
    assert root.count("ext to break") == 1
    assert "*Besides, next to break:* The serving certificate ends in 12 days" in root
