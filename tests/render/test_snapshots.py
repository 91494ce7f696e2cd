"""What people read, as files: the thread, the lines that appear live, and the terminal's summary.

Set APIDOWN_UPDATE_SNAPSHOTS=1 to write them anew, then read the diff.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from bot.model.replay import advance
from bot.render.terminal import WIDTH, lines_for, summary
from bot.render.thread import messages
from tests.render.builder import Story
from tests.render.scenarios import SCENARIOS
from tests.render.transcript import transcript

_FOLDER = Path(__file__).parent / "snapshots"
_RULE = "#" * 100


def live(story: Story) -> list[str]:
    """Everything the terminal printed while the log grew."""
    state, printed = None, []
    for event in story.events:
        state = advance(story.ref, state, event)
        assert state is not None
        printed += lines_for(event, state)
    return printed


def picture(story: Story) -> str:
    now = story.at + timedelta(seconds=2)
    parts = {
        "SLACK": transcript(messages(story.state, now=now)),
        "TERMINAL, LIVE": "\n".join(live(story)),
        "TERMINAL, REPORT": summary(story.state, now),
        "TERMINAL, FULL REPORT": summary(story.state, now, full=True),
    }
    shown = "\n".join(f"{_RULE}\n# {title}\n{_RULE}\n{text}\n" for title, text in parts.items())
    # Long rows are the budgets' tests' concern; here they would only hide what changed.
    return "\n".join(row if len(row) <= 320 else f"{row[:320]} [{len(row)} characters]" for row in shown.split("\n"))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_view_reads_as_it_was_reviewed(name: str) -> None:
    path = _FOLDER / f"{name}.txt"
    shown = picture(SCENARIOS[name]())
    if os.environ.get("APIDOWN_UPDATE_SNAPSHOTS") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")


def test_every_snapshot_belongs_to_a_scenario() -> None:
    assert {path.stem for path in _FOLDER.glob("*.txt")} == set(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_but_commands_is_wider_than_the_terminal(name: str) -> None:
    story = SCENARIOS[name]()
    rows = [*live(story), *summary(story.state, story.at).split("\n"), *summary(story.state, story.at, full=True).split("\n")]
    if name == "hostile":
        rows = [row for row in rows if "rm -rf" not in row]
    assert max(map(len, rows)) <= WIDTH


def test_paint_gets_every_status_and_changes_no_word() -> None:
    story = SCENARIOS["tie"]()
    styles: set[str] = set()

    def paint(text: str, style: str) -> str:
        styles.add(style)
        return f"\x1b[1m{text}\x1b[0m"

    painted = summary(story.state, story.at, paint=paint, full=True)
    assert painted.replace("\x1b[1m", "").replace("\x1b[0m", "") == summary(story.state, story.at, full=True)
    assert {"ok", "problem", "doubt", "dim", "bold"} == styles
