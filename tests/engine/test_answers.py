"""People's answers to manual steps: heard from any replica, weighed while a round runs and after it, and each one once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from bot.engine.answers import weigh_again
from bot.engine.journal import make_event
from bot.errors import Unavailable
from bot.model.answer import Answer, ManualAnswered
from bot.model.base import Json
from bot.model.diagnosis import Confidence, Verdict
from bot.model.events import Event, EventType
from bot.model.finding import Finding
from bot.model.investigation import Investigation, State
from bot.model.playbook import Cause, Domain, EvidenceLine, Weight
from bot.model.replay import replay
from bot.playbook import Library
from bot.ports import Noted
from tests.engine.desk import HEALTHY, LIBRARY, REFUSES, Desk, DyingStore, ScriptedVantage, after, request, settled

STEP = "network-team"
WORKED_ON = Cause(
    id="worked-on",
    domain=Domain.LOAD_BALANCER,
    title="The balancer is being worked on",
    sentence="Somebody changes it.",
    evidence_for=(EvidenceLine(step=STEP, answer="found", weight=Weight.DECISIVE, says="Somebody works on it."),),
    evidence_against=(EvidenceLine(step=STEP, answer="looks-ok", weight=Weight.STRONG, says="Nobody works on it."),),
)


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.library = Library(playbooks=LIBRARY.playbooks, causes={**LIBRARY.causes, WORKED_ON.id: WORKED_ON})
    return desk


def told(answer: Answer = Answer.FOUND, *, who: str = "U0USER0001", name: str = "ann", **more: object) -> ManualAnswered:
    return ManualAnswered.model_validate({"step": STEP, "answer": answer, "who": who, "name": name, **more})


def answer_event(desk: Desk, data: ManualAnswered) -> Event:
    at, by = datetime.now(UTC), data.who
    parts = (1, data.step, data.number)
    return make_event(EventType.MANUAL_ANSWERED, *parts, data=data, round=1, at=at, by=by, redactor=desk.redactor)


def concluded(state: Investigation) -> bool:
    return state.state is State.CONCLUDED


def weighed(state: Investigation) -> bool:
    return state.weighed == state.answers > 0


def leads(state: Investigation) -> str | None:
    return state.diagnosis.causes[0].id if state.diagnosis and state.diagnosis.causes else None


async def test_an_answer_after_the_conclusion_revises_the_verdict_and_quotes_the_note(desk: Desk) -> None:
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        before = await desk.reached(opening.ref, concluded)
        assert leads(before) == "down"
        assert before.diagnosis is not None
        assert "Nobody works on the balancer" in before.diagnosis.not_checked
        assert await replica.intake.answer(opening.ref, told(note="bob swaps the backends"), round=1) is Noted.NEW
        state = await desk.reached(opening.ref, weighed)
    assert state.diagnosis is not None
    assert (leads(state), state.diagnosis.revision) == ("worked-on", before.diagnosis.revision + 1)
    first = state.diagnosis.causes[0]
    assert first.confidence is Confidence.HIGH
    assert first.evidence_for == ("Somebody works on it. (ann found: bob swaps the backends)",)
    assert state.diagnosis.revised[0].startswith("It was: The API server is down")
    assert "bob swaps the backends" in state.diagnosis.revised[1]
    assert "Nobody works on the balancer" not in state.diagnosis.not_checked
    assert desk.vantage.runs["tcp-connect"] == 1, "nothing is looked at again for an answer"


async def test_what_is_taken_back_counts_no_more(desk: Desk) -> None:
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, concluded)
        await replica.intake.answer(opening.ref, told(), round=1)
        await desk.reached(opening.ref, weighed)
        await replica.intake.answer(opening.ref, told(Answer.TAKEN_BACK, number=1), round=1)
        state = await desk.reached(opening.ref, lambda state: state.weighed == 2)
    assert leads(state) == "down"
    assert state.diagnosis is not None
    assert "Nobody works on the balancer" in state.diagnosis.not_checked


async def test_an_answer_while_slower_evidence_is_looked_for_revises_the_first_verdict(desk: Desk) -> None:
    gate = asyncio.Event()
    desk.vantage.script["apiserver-pods"] = after(gate, REFUSES["apiserver-pods"])
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, lambda state: state.diagnosis is not None)
        await replica.intake.answer(opening.ref, told(), round=1)
        revised = await desk.reached(opening.ref, weighed)
        assert (revised.state, leads(revised)) == (State.RUNNING, "worked-on")
        assert revised.diagnosis is not None
        assert not revised.diagnosis.final
        gate.set()
        state = await desk.reached(opening.ref, concluded)
    assert leads(state) == "worked-on"
    assert state.diagnosis is not None
    assert state.diagnosis.revised == revised.diagnosis.revised, "what was new last is still said"


async def test_an_answer_before_the_first_verdict_is_in_it(desk: Desk) -> None:
    gate = asyncio.Event()
    desk.vantage.script["apiserver-pods"] = after(gate, REFUSES["apiserver-pods"])
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, lambda state: state.step(STEP) is not None)
        await replica.intake.answer(opening.ref, told(), round=1)
        await desk.reached(opening.ref, lambda state: state.answers == 1)
        gate.set()
        state = await desk.reached(opening.ref, lambda state: state.diagnosis is not None)
    assert (leads(state), state.weighed) == ("worked-on", 1)


async def test_of_two_people_who_answer_at_once_one_is_heard(desk: Desk) -> None:
    async with desk.replica("one") as one, desk.replica("two") as two:
        opening = await one.intake.start(request())
        await desk.reached(opening.ref, concluded)
        bob = told(Answer.LOOKS_OK, who="U0USER0002", name="bob")
        noted = await asyncio.gather(
            one.intake.answer(opening.ref, told(key="a"), round=1), two.intake.answer(opening.ref, bob, round=1)
        )
        assert sorted(noted) == [Noted.NEW, Noted.TAKEN]
        state = await desk.reached(opening.ref, weighed)
    assert state.answers == 1


async def test_a_click_that_is_told_again_to_another_replica_is_one_answer(desk: Desk) -> None:
    async with desk.replica("one") as one:
        opening = await one.intake.start(request())
        await desk.reached(opening.ref, concluded)
        assert await one.intake.answer(opening.ref, told(key="a"), round=1) is Noted.NEW
    async with desk.replica("two") as two:
        assert await two.intake.answer(opening.ref, told(key="a"), round=1) is Noted.REPEATED
        await two.intake.answer(opening.ref, told(Answer.TAKEN_BACK, number=1, key="b"), round=1)
        assert await two.intake.answer(opening.ref, told(key="a"), round=1) is Noted.REPEATED
        state = await desk.reached(opening.ref, lambda state: state.weighed == 2)
    step = state.step(STEP)
    assert step is not None
    assert (step.answer, step.answers) == (None, 2)


async def test_an_answer_comes_too_late_for_a_round_that_is_over_and_for_what_is_closed(desk: Desk) -> None:
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, concluded)
        await replica.intake.rerun(opening.ref, who="ann")
        await desk.reached(opening.ref, lambda state: state.round == 2 and concluded(state))
        assert await replica.intake.answer(opening.ref, told(), round=1) is Noted.OVER
        assert await replica.intake.answer(opening.ref, told(step="nothing"), round=2) is Noted.OVER
        await replica.intake.cancel(opening.ref, who="ann")
        await desk.reached(opening.ref, lambda state: state.closed is not None)
        assert await replica.intake.answer(opening.ref, told(), round=2) is Noted.OVER
        await settled(desk)
    assert (await desk.types(opening.ref)).count("manual-answered") == 0


async def test_a_successor_weighs_what_its_predecessor_did_not(desk: Desk) -> None:
    dying = DyingStore(desk.store)
    async with desk.replica("first", store=dying) as first:
        opening = await first.intake.start(request())
        await desk.reached(opening.ref, concluded)
        dying.die()
    await desk.store.append(opening.ref, [answer_event(desk, told())])
    async with desk.replica("second"):
        state = await desk.reached(opening.ref, weighed)
    assert leads(state) == "worked-on"


async def test_a_successor_in_a_running_round_keeps_the_answer_and_asks_nobody_again(desk: Desk) -> None:
    never = asyncio.Event()
    desk.vantage.script["apiserver-pods"] = after(never, REFUSES["apiserver-pods"])
    async with desk.replica("first") as first:
        opening = await first.intake.start(request())
        await desk.reached(opening.ref, lambda state: state.diagnosis is not None)
        await first.intake.answer(opening.ref, told(), round=1)
        await desk.reached(opening.ref, weighed)
    desk.vantage.script["apiserver-pods"] = REFUSES["apiserver-pods"]
    async with desk.replica("second"):
        state = await desk.reached(opening.ref, concluded)
    assert leads(state) == "worked-on"
    assert state.diagnosis is not None
    assert "Nobody works on the balancer" not in state.diagnosis.not_checked


async def test_the_store_being_away_is_told_to_whoever_answers(desk: Desk) -> None:
    dying = DyingStore(desk.store)
    async with desk.replica() as replica, desk.replica("deaf", store=dying) as deaf:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, concluded)
        dying.die()
        with pytest.raises(Unavailable):
            await deaf.intake.answer(opening.ref, told(), round=1)


async def test_since_when_counts_as_a_stated_onset(desk: Desk) -> None:
    since = datetime.now(UTC) - timedelta(hours=3)
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, concluded)
        await replica.intake.answer(opening.ref, told(since=since), round=1)
        state = await desk.reached(opening.ref, weighed)
    assert state.diagnosis is not None
    assert state.diagnosis.onset is not None
    assert state.diagnosis.onset.source == "stated"
    assert abs(state.diagnosis.onset.first_bad - since) < timedelta(seconds=1)


async def test_a_find_ends_the_calm(desk: Desk) -> None:
    """An alert still fires, so the healthy one is watched; what a person finds then is no all-clear."""
    desk.vantage = ScriptedVantage(HEALTHY)
    desk.library = Library(playbooks=LIBRARY.playbooks, causes=LIBRARY.causes)
    async with desk.replica() as replica:
        opening = await replica.intake.start(request(playbook="refused"))
        state = await desk.reached(opening.ref, lambda state: state.diagnosis is not None)
        assert state.diagnosis is not None
        assert state.diagnosis.verdict is Verdict.HEALTHY
        await settled(desk)
    log = await desk.events(opening.ref)
    log = [event for event in log if event.type not in ("closed", "concluded")]
    answered = answer_event(desk, told(note="half of it is down"))
    known = replay(opening.ref, [*log, answered])
    assert known is not None
    diagnosis = weigh_again(known, causes=desk.library.causes, cluster=None, revision=2).diagnosis
    assert diagnosis.verdict is Verdict.INCONCLUSIVE
    assert "ann found: half of it is down" in diagnosis.headline


async def test_a_note_is_redacted_before_it_is_stored(desk: Desk) -> None:
    secret = "password=hunter2hunter2"
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, concluded)
        await replica.intake.answer(opening.ref, told(note=f"it says {secret}"), round=1)
        await desk.reached(opening.ref, weighed)
    assert "hunter2hunter2" not in str(await desk.events(opening.ref))


async def test_a_round_that_broke_off_keeps_saying_so_whatever_is_answered(desk: Desk) -> None:
    async def breaks(round: int, params: Json) -> AsyncIterator[Finding]:
        await asyncio.sleep(0)
        raise ZeroDivisionError
        yield

    desk.vantage.script["apiserver-pods"] = breaks
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        before = await desk.reached(opening.ref, concluded)
        assert before.diagnosis is not None
        assert "apidown itself failed" in before.diagnosis.headline
        assert await replica.intake.answer(opening.ref, told(), round=1) is Noted.NEW
        state = await desk.reached(opening.ref, lambda state: state.answers == 1)
        await replica.intake.cancel(opening.ref, who="ann")
        await settled(desk)
    log = await desk.types(opening.ref)
    assert state.diagnosis == before.diagnosis
    assert log.index("manual-answered") > max(place for place, kind in enumerate(log) if kind == "diagnosed")


async def test_an_answer_in_the_moment_of_closing_is_weighed_or_told_to_be_late(desk: Desk) -> None:
    """Several times, because the moment is short: never noted and left unweighed."""
    desk.watch = timedelta(0)
    for _ in range(12):
        async with desk.replica() as replica:
            opening = await replica.intake.start(request())
            await desk.reached(opening.ref, lambda state: state.diagnosis is not None)
            noted = await replica.intake.answer(opening.ref, told(), round=1)
            state = await desk.reached(opening.ref, lambda state: state.closed is not None)
            await settled(desk)
        assert (noted is Noted.NEW) == (state.weighed == 1)
        assert noted in (Noted.NEW, Noted.OVER)
