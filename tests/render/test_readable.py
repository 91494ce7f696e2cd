"""How much there is to read at worst: each installed playbook, under a fault that leaves hardly a step silent."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.diagnosis.rank import diagnose
from bot.diagnosis.texts import values_of
from bot.engine.journal import make_event
from bot.engine.planning import plan_steps
from bot.model.answer import LONGEST_NOTE, Answer, ManualAnswered
from bot.model.change import Change, Onset
from bot.model.diagnosis import Correlation, CorrelationResult
from bot.model.events import MAX_BYTES, Diagnosed, EventType
from bot.model.finding import Finding, Status
from bot.model.message import Message
from bot.model.playbook import Domain, Playbook
from bot.playbook import Library
from bot.redact import Redactor
from bot.render.thread import messages
from bot.render.thread_manual import MOST_BLOCKS
from tests.diagnosis.facts import library
from tests.render.builder import START, Story, seen
from tests.render.test_thread import assert_within_budgets

MOST_POSTS = 15
PLACES = tuple(f"10.0.0.{number}:6443" for number in range(1, 6))
ONSET = Onset(first_bad=START - timedelta(minutes=9), source="stated")

LIBRARY: Library = library()
NAMED = [playbook for playbook in LIBRARY.playbooks.values() if not playbook.always]


def findings(probe: str, step: str) -> list[Finding]:
    """A problem at each place, with an error, evidence, a warning and a chart."""
    phases = [{"label": f"phase {n}", "start": n * 0.1, "length": 0.1} for n in range(8)]
    return [
        seen(
            probe,
            place,
            Status.PROBLEM,
            "worse-than-ever",
            f"{place} does not do what it should, as {step} shows: {'it says so at length, ' * 8}and that is all.",
            raw_error="Error: " + "why " * 200,
            evidence={"lines": "\n".join(f"line {n} of what it says" for n in range(40)), "chart": phases},
            todo=f"look --at {place}",
            warning=f"{place} breaks next, within {len(step)} days.",
        )
        for place in PLACES
    ]


def worst_case(playbook: Playbook, *, answered: bool) -> Story:
    story = Story().begin()
    values = values_of(story.state.opened.cluster)
    plans = [plan for one in (*LIBRARY.always, playbook) for plan in plan_steps(one, values)]
    story.select(*plans, playbook=playbook.id)
    for plan in plans:
        if plan.probe is None:
            story.by_hand(plan.id)
        else:
            story.finish(plan.id, *findings(plan.probe, plan.id))
    story.triage("Nothing is as it should be, at any of five addresses.", domain=Domain.PROCESS, symptom="connection-refused")
    change = Change(kind="config-map", subject="kube-system/something", at=START, source="recorder", what="changed", who="root")
    for line in playbook.diagnosis:
        fits = Correlation(
            id=line.id,
            title=line.title,
            playbook=playbook.id,
            kinds=line.changes,
            result=CorrelationResult.MATCH,
            window="around 5m",
            changes=(change,) * 3,
            sentence="It fits. " * 20,
        )
        story.correlate(fits)
    if answered:
        for plan in plans:
            if plan.probe is None:
                story.answer(plan.id, Answer.FOUND, note="&<> found " * (LONGEST_NOTE // 10), since="2026-11-20T13:41:00.000Z")
    verdict = diagnose(
        causes=LIBRARY.causes,
        findings=story.state.findings,
        correlations=story.state.correlations,
        onset=ONSET,
        cluster=story.state.opened.cluster,
        revision=1,
        unchecked=[plan.title for plan in plans],
        by_hand={plan.id: plan.title for plan in plans if plan.probe is None},
        final=True,
    )
    return story.diagnose(verdict).conclude()


def shown(playbook: Playbook, *, answered: bool) -> list[Message]:
    story = worst_case(playbook, answered=answered)
    return messages(story.state, now=story.at)


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("playbook", NAMED, ids=lambda playbook: playbook.id)
def test_no_playbook_makes_more_than_fifteen_posts_and_each_keeps_within_slacks_limits(
    playbook: Playbook, answered: bool
) -> None:
    made = shown(playbook, answered=answered)
    assert len({message.key for message in made}) == len(made) <= MOST_POSTS
    for message in made:
        assert_within_budgets(message)
        assert len(message.blocks) <= MOST_BLOCKS
        assert len(message.model_dump_json().encode()) <= 4 * MAX_BYTES


@pytest.mark.parametrize("playbook", NAMED, ids=lambda playbook: playbook.id)
def test_every_step_for_a_person_has_its_command_and_its_buttons(playbook: Playbook) -> None:
    pages = [message for message in shown(playbook, answered=False) if message.key.startswith("manual/")]
    assert len(pages) <= 2
    text = str([message.blocks for message in pages])
    manual = [step for step in (*playbook.steps, *playbook.otherwise) if step.probe is None]
    for step in manual:
        assert text.count(f"|{step.id}|0'") == 3, step.id
    assert "more characters" not in text, "nothing of a command is cut"
    assert "left out" not in text


def test_an_answer_and_the_largest_diagnosis_fit_into_an_event() -> None:
    told = ManualAnswered(step="s" * 60, answer=Answer.FOUND, who="U0USER0001", name="é" * 80, note="é" * LONGEST_NOTE)
    largest = max((worst_case(playbook, answered=True) for playbook in NAMED), key=lambda story: len(str(story.state.diagnosis)))
    verdict = largest.state.diagnosis
    assert verdict is not None
    for data in (told, Diagnosed(diagnosis=verdict, heard=40)):
        event = make_event(EventType.DIAGNOSED, data=data, round=1, at=START, by="x", redactor=Redactor())
        assert len(event.model_dump_json().encode()) <= MAX_BYTES
    kept = make_event(EventType.MANUAL_ANSWERED, data=told, round=1, at=START, by="x", redactor=Redactor())
    assert kept.data["note"] == told.note
