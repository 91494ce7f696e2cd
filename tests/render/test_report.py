"""The published report: its form is the documented one, and every investigation fits it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from bot.render.report import as_json, as_json_schema, as_markdown
from bot.render.report_form import Report
from tests.render.scenarios import SCENARIOS

_SCHEMA = Path(__file__).parents[2] / "docs" / "apidown.v1.schema.json"

# The form that was published first; a key may be added, none may go.
_KEYS = {
    "schema", "investigation", "cluster", "server", "playbooks", "verdict", "onset", "steps", "correlations", "causes",
    "first_verdict_s", "duration_s",
}  # fmt: skip
_STEP_KEYS = {"id", "probe", "vantage", "subject", "status", "outcome", "sentence", "started_at", "duration_s", "evidence"}
_CAUSE_KEYS = {
    "id", "domain", "confidence", "score", "tied_with", "evidence_for", "evidence_against", "unchecked", "next",
}  # fmt: skip


def test_the_published_schema_is_the_forms_own() -> None:
    text = json.dumps(as_json_schema(), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("APIDOWN_UPDATE_SNAPSHOTS") == "1":
        _SCHEMA.write_text(text, encoding="utf-8")
    assert _SCHEMA.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_report_is_json_of_the_published_form(name: str) -> None:
    made = as_json(SCENARIOS[name]().state)
    assert Report.model_validate_json(json.dumps(made)).model_dump(mode="json", by_alias=True) == made
    assert made["schema"] == "apidown/v1"
    assert made.keys() >= _KEYS
    assert all(step.keys() >= _STEP_KEYS for step in made["steps"])
    assert all(cause.keys() >= _CAUSE_KEYS for cause in made["causes"])


def test_there_is_one_entry_for_each_finding_and_one_for_each_step_without() -> None:
    steps = as_json(SCENARIOS["tie"]().state)["steps"]
    refused = [step for step in steps if step["id"] == "tcp-connect"]
    assert [(step["subject"], step["outcome"]) for step in refused] == [
        ("10.0.0.1:6443", "connection-refused"),
        ("10.0.0.2:6443", "connection-refused"),
    ]
    by_hand = [step for step in steps if step["id"] == "kubelet"]
    assert [(step["status"], step["probe"], step["outcome"]) for step in by_hand] == [("not-checked", None, None)]


def test_without_a_diagnosis_the_verdict_is_inconclusive() -> None:
    made = as_json(SCENARIOS["cancelled"]().state)
    assert (made["verdict"], made["state"], made["duration_s"]) == ("inconclusive", "cancelled", None)


def test_times_are_utc_with_milliseconds() -> None:
    made = as_json(SCENARIOS["revised"]().state)
    assert made["onset"] == {
        "first_bad": "2026-11-20T14:02:22.000Z",
        "last_good": "2026-11-20T14:02:17.000Z",
        "source": "heartbeat",
        "uncertainty_s": 5.0,
    }


def test_a_time_of_asking_is_no_onset() -> None:
    made = as_json(SCENARIOS["tie"]().state)
    assert (made["onset"], made["asked_at"]) == (None, "2026-11-20T14:03:22.000Z")


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_in_a_markdown_report_leaves_its_fence(name: str) -> None:
    """Between fences there are only headings of ours, and the escaped headline."""
    story = SCENARIOS[name]()
    fence, outside = "", []
    for row in as_markdown(story.state, story.at).split("\n"):
        if fence:
            fence = "" if row == fence else fence
        elif opened := re.fullmatch(r"(`{3,})text", row):
            fence = opened[1]
        elif row:
            outside.append(row)
    assert fence == ""
    assert outside[0] == f"# API server investigation {story.ref.id}"
    assert not re.search(r"(?<!\\)[`<>\[\]|]", outside[1].strip("*"))
    assert outside[2] == "## Investigation"
    assert set(outside[2:]) <= {f"## {title}" for title in _HEADINGS}


def test_a_markdown_report_has_the_verdict_as_its_headline() -> None:
    story = SCENARIOS["tie"]()
    shown = as_markdown(story.state, story.at)
    assert shown.split("\n")[2] == "**Verdict: The API server is not running (medium confidence, tied with 2 others)**"
    assert "\n## Not checked\n" in shown


_HEADINGS = (
    *("Investigation", "Verdict", "Next (you run it; apidown changes nothing; # says what it is for)", "How far it gets"),
    *("Problems", "Causes", "Steps", "What changed", "Not checked", "Words", "Next to break (nothing of it is broken now)"),
    "Besides, next to break",
)
