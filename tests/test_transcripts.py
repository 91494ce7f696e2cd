"""The threads that the documents show are those that the program makes, and no playbook's thread is longer than one reads."""

from __future__ import annotations

import re

import pytest

from bot.app import build_registry
from bot.demo.scenarios import SCENARIOS
from bot.diagnosis.texts import values_of
from bot.engine.planning import plan_steps
from bot.model.diagnosis import Correlation, CorrelationResult, Diagnosis, Verdict
from bot.model.finding import Status
from bot.playbook import default_folder, load_library
from bot.render.thread import messages
from tests.diagnosis.facts import CLUSTER
from tests.render.builder import Story, seen
from tests.transcripts import FOLDER, REHEARSED, page, thread

LIBRARY = load_library(default_folder(), build_registry())
FOLLOWED = sorted(playbook.id for playbook in LIBRARY.playbooks.values() if not playbook.always)
MOST_POSTS = 15
MEASURED = {"problem/1/connection-quality", "problem/1/request-flow"}
"""What a busy machine may show at times."""


def headings(text: str) -> set[str]:
    return set(re.findall(r"^## `([^`]+)`", text, re.M)) - MEASURED


def steps(text: str) -> set[str]:
    """Titles of steps; what became of them differs from machine to machine, and so may their place."""
    titles = {step.title for playbook in LIBRARY.playbooks.values() for step in (*playbook.steps, *playbook.otherwise)}
    return {title for title in titles if re.search(rf"\d\. {re.escape(title)}", text)}


def test_every_playbook_has_a_transcript_and_every_transcript_a_playbook() -> None:
    assert sorted(REHEARSED) == FOLLOWED == sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "README")


@pytest.mark.parametrize("playbook", FOLLOWED)
async def test_a_transcript_is_what_the_program_makes(playbook: str) -> None:
    """The same messages, steps and verdict; times and measures differ."""
    state, shown = await thread(playbook)
    assert state.playbook is not None
    assert state.playbook.playbook == playbook
    assert state.diagnosis is not None
    assert state.diagnosis.causes[0].id == SCENARIOS[REHEARSED[playbook]].cause
    stored = (FOLDER / f"{playbook}.md").read_text()
    made = page(playbook, state, shown)
    assert headings(made) == headings(stored), "run `make transcripts`"
    assert steps(made) == steps(stored), "run `make transcripts`"
    assert len(shown) <= MOST_POSTS
    assert state.diagnosis.causes[0].title in stored
    assert not re.search(r":[a-z]+(?:_[a-z]+)+:", stored), "an emoji's name, which Markdown does not draw"


@pytest.mark.parametrize("playbook", FOLLOWED)
def test_a_thread_stays_short_when_everything_is_wrong(playbook: str) -> None:
    """Each step that a probe carries out finds a problem, and each diagnosis line a change."""
    values = values_of(CLUSTER)
    always = [plan for one in LIBRARY.playbooks.values() if one.always for plan in plan_steps(one, values)]
    own = plan_steps(LIBRARY.playbooks[playbook], values)
    story = Story().begin(*[plan for plan in always if plan.probe and not plan.id.startswith(("dns", "tcp", "tls", "apiserver"))])
    story.select(*own, playbook=playbook)
    for step in story.state.steps:
        if step.plan.probe is None:
            story.by_hand(step.plan.id)
        else:
            found = seen(
                step.plan.probe, step.plan.id, Status.PROBLEM, "bad", f"{step.plan.title}: not so.", params={"of": step.plan.id}
            )
            story.finish(step.plan.id, found)
    lines = LIBRARY.playbooks[playbook].diagnosis
    story.correlate(
        *(
            Correlation(
                id=line.id,
                playbook=playbook,
                title=line.title,
                result=CorrelationResult.MATCH,
                window="before 10m",
                sentence="It fits.",
            )
            for line in lines
        )
    )
    story.diagnose(Diagnosis(revision=1, verdict=Verdict.INCONCLUSIVE, headline="Everything is wrong.", final=True)).conclude()
    made = messages(story.state, now=story.at)
    assert len(made) <= MOST_POSTS
    assert {f"problem/1/{step.plan.id}" for step in story.state.steps if step.plan.probe} & {message.key for message in made}
