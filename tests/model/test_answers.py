"""Answers to manual steps, folded: what a person said is the step's finding, whatever the log holds around it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.answer import MANUAL, Answer, ManualAnswered
from bot.model.diagnosis import Diagnosis, Verdict
from bot.model.events import Diagnosed, Event, EventType, StepPlan
from bot.model.finding import Status
from bot.model.investigation import Investigation, StepState
from bot.model.replay import advance, replay
from tests.render.builder import Story

KUBELET = StepPlan(id="kubelet-state", title="The kubelet runs", playbook="refused", manual="Look at it.", run="systemctl status")
PODS = StepPlan(id="pods", title="Pods run", playbook="refused", probe="apiserver-pods")


def story() -> Story:
    return Story().begin().select(KUBELET, PODS).by_hand("kubelet-state")


def say(
    told: Story, answer: Answer, *, number: int = 0, step: str = "kubelet-state", round: int | None = None, **more: object
) -> Story:
    data = ManualAnswered.model_validate(
        {"step": step, "answer": answer, "who": "U0USER0001", "name": "ann", "number": number, **more}
    )
    told.at += timedelta(seconds=1)
    here = told.round if round is None else round
    event = Event(
        id=f"manual-answered/{here}/{step}/{number}",
        type=EventType.MANUAL_ANSWERED,
        round=here,
        at=told.at,
        by="U0USER0001",
        data=data.model_dump(mode="json"),
    )
    told.events.append(event)
    told._state = advance(told.ref, told._state, event)
    return told


def kubelet(state: Investigation) -> StepState:
    step = state.step("kubelet-state")
    assert step is not None
    return step


@pytest.mark.parametrize(
    ("answer", "status"),
    [(Answer.LOOKS_OK, Status.OK), (Answer.FOUND, Status.PROBLEM), (Answer.SKIPPED, Status.NOT_CHECKED)],
)
def test_an_answer_is_the_steps_finding_from_a_person(answer: Answer, status: Status) -> None:
    step = kubelet(say(story(), answer).state)
    [finding] = step.findings
    assert (finding.probe, finding.subject, str(finding.vantage), finding.outcome) == (MANUAL, "kubelet-state", "person", answer)
    assert (step.status, finding.status, step.answers) == (status, status, 1)
    assert finding.started_at == step.answer.started_at
    assert "ann" in step.sentence


def test_a_note_and_its_time_are_evidence_and_the_sentence() -> None:
    told = say(story(), Answer.FOUND, note="kubelet is masked", since="2026-11-20T13:40:00.000Z")
    finding = kubelet(told.state).answer
    assert finding is not None
    assert finding.sentence == "ann found: kubelet is masked"
    assert (finding.evidence["note"], finding.evidence["since"]) == ("kubelet is masked", "2026-11-20T13:40:00.000Z")
    assert finding.evidence["who"] == "U0USER0001"


def test_what_is_taken_back_is_no_finding_any_more() -> None:
    told = say(say(story(), Answer.LOOKS_OK), Answer.TAKEN_BACK, number=1)
    step = kubelet(told.state)
    assert (step.findings, step.status, step.answers, step.sentence) == ((), Status.NOT_CHECKED, 2, "Look at it.")
    assert kubelet(say(told, Answer.FOUND, number=2).state).status is Status.PROBLEM


def test_the_remark_that_a_step_is_for_a_person_undoes_no_answer() -> None:
    told = Story().begin().select(KUBELET)
    assert kubelet(say(told, Answer.FOUND).by_hand("kubelet-state").state).status is Status.PROBLEM


@pytest.mark.parametrize("late", ["round", "closed", "probe", "unknown"])
def test_what_comes_too_late_or_is_about_no_manual_step_changes_nothing(late: str) -> None:
    told = story()
    if late == "closed":
        told.close()
    before = told.state.steps
    step = {"probe": "pods", "unknown": "nothing"}.get(late, "kubelet-state")
    assert say(told, Answer.FOUND, step=step, round=7 if late == "round" else None).state.steps == before


def test_a_new_round_asks_again() -> None:
    assert say(story(), Answer.FOUND).begin().select(KUBELET).state.answers == 0


def test_a_diagnosis_says_which_answers_it_knows_of() -> None:
    told = say(story(), Answer.FOUND)
    assert told.state.answers > told.state.weighed
    verdict = Diagnosis(revision=2, verdict=Verdict.INCONCLUSIVE, headline="Inconclusive.")
    told.add(EventType.DIAGNOSED, 2, data=Diagnosed(diagnosis=verdict, heard=1))
    assert told.state.answers == told.state.weighed


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(list(Answer)), max_size=5), st.lists(st.integers(0, 30), min_size=5, max_size=5))
def test_a_log_with_answers_anywhere_replays_to_the_same_state(answers: list[Answer], places: list[int]) -> None:
    told, log = story(), list(story().events)
    for number, answer in enumerate(answers):
        say(told, answer, number=number)
    for event, place in zip(told.events[len(log) :], places, strict=False):
        log.insert(1 + place % len(log), event)
    stepwise: Investigation | None = None
    for event in log:
        stepwise = advance(told.ref, stepwise, event)
    assert stepwise == replay(told.ref, log)
    restored = [Event.model_validate_json(event.model_dump_json()) for event in log]
    assert replay(told.ref, restored) == stepwise
