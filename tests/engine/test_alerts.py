"""Alerts of one outage are one investigation: what repeats is heard once, what comes later is weighed, and nothing loops."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bot.model.alert import Alert, AlertRule
from bot.model.events import Trigger
from bot.model.finding import Status
from bot.model.investigation import ROUNDS_BY_ALERTS, Investigation, State
from bot.model.playbook import Selects
from bot.model.recognised import About, Recognised
from bot.playbook import Library
from bot.ports import Opening, Request, Resolution
from tests.engine.desk import CLUSTER, HEALTHY, LADDER, LIBRARY, REFUSED, REFUSES, Desk, ScriptedVantage, request, says, settled


def now() -> datetime:
    return datetime.now(UTC)


def alert(name: str = "KubeAPIDown", *, starts_at: datetime | None = None, fingerprint: str = "a1", pending_m: int = 0) -> Alert:
    starts_at = starts_at or now() - timedelta(minutes=1)
    rule = AlertRule(name=name, pending=timedelta(minutes=pending_m) if pending_m else None)
    return Alert(name=name, fingerprint=fingerprint, starts_at=starts_at, onset=rule.onset(starts_at))


def key(one: Alert) -> str:
    return f"{one.name}/{one.fingerprint}/{one.starts_at.isoformat()}"


def fires(one: Alert) -> Request:
    return Request(cluster=CLUSTER, trigger=Trigger(kind="alert", who="alertmanager", alert=one), key=key(one))


def ends(one: Alert) -> Resolution:
    over = one.model_copy(update={"resolved_at": now()})
    return Resolution(cluster=CLUSTER.name, trigger=Trigger(kind="alert-resolved", who="alertmanager", alert=over), key=key(one))


def concluded(state: Investigation) -> bool:
    return state.state is State.CONCLUDED


def closed(state: Investigation) -> bool:
    return state.state is State.CLOSED


async def test_a_thousand_posts_of_one_alert_are_one_investigation_and_one_event(desk: Desk) -> None:
    one = alert()
    async with desk.replica() as replica, desk.replica("replica-2") as other:
        turns = asyncio.Semaphore(8)

        async def post(number: int) -> Opening:
            async with turns:
                return await (replica, other)[number % 2].intake.start(fires(one))

        openings = await asyncio.gather(*map(post, range(1_000)))
        state = await desk.reached(openings[0].ref, concluded)
    assert len({opening.ref for opening in openings}) == 1
    assert sum(not opening.repeated for opening in openings) == 1
    assert state.round == 1
    assert state.joined == ()
    assert "trigger-joined" not in await desk.types(state.ref)


async def test_a_repetition_is_a_no_op_after_the_end_too_and_on_another_replica(desk: Desk) -> None:
    desk.watch = timedelta(0)
    one = alert()
    async with desk.replica() as replica:
        opening = await replica.intake.start(fires(one))
        await desk.reached(opening.ref, closed)
        await settled(desk)
    async with desk.replica("replica-2") as other:
        again = await other.intake.start(fires(one))
        assert (again.ref, again.repeated) == (opening.ref, True)
        assert await desk.store.active() == []
        anew = await other.intake.start(fires(alert(starts_at=now())))
        assert (anew.joined, anew.ref == opening.ref) == (False, False)
        await desk.reached(anew.ref, closed)
        await settled(desk)


async def test_further_alerts_of_the_outage_join_and_start_no_round(desk: Desk) -> None:
    first, second, third = alert(), alert(fingerprint="b2"), alert("TargetDown")
    async with desk.replica() as replica:
        opening = await replica.intake.start(fires(first))
        await desk.reached(opening.ref, concluded)
        for late in (second, third, second, first):
            assert (await replica.intake.start(fires(late))).ref == opening.ref
        # An event behind them in the log shows that they were weighed.
        await replica.intake.cancel(opening.ref, who="ann")
        state = await desk.reached(opening.ref, closed)
    assert [(one.name, one.fingerprint) for one in state.alerts] == [
        ("KubeAPIDown", "a1"),
        ("KubeAPIDown", "b2"),
        ("TargetDown", "a1"),
    ]
    assert state.round == 1
    assert len(state.joined) == 2


async def test_an_alert_that_fires_after_the_conclusion_is_one_more_round_and_its_repetition_is_none(desk: Desk) -> None:
    async with desk.replica() as replica:
        opening = await replica.intake.start(fires(alert()))
        before = await desk.reached(opening.ref, concluded)
        assert before.concluded_at is not None
        late = alert("KubeletDown", starts_at=before.concluded_at + timedelta(milliseconds=1))
        for _ in range(5):
            await replica.intake.start(fires(late))
        await desk.reached(opening.ref, lambda state: state.round == 2 and concluded(state))
        await replica.intake.start(fires(late))
        await replica.intake.cancel(opening.ref, who="ann")
        state = await desk.reached(opening.ref, closed)
    assert state.round == 2


async def test_the_end_of_the_last_alert_is_looked_into_and_a_recovery_closes(desk: Desk) -> None:
    first, second = alert(), alert("TargetDown")
    async with desk.replica() as replica:
        opening = await replica.intake.start(fires(first))
        await replica.intake.start(fires(second))
        await desk.reached(opening.ref, concluded)
        assert await replica.intake.resolve([ends(first)]) == 1
        partly = await replica.intake.look(opening.ref)
        assert partly is not None
        assert not partly.joined_since_conclusion
        desk.vantage.script = dict(HEALTHY)
        assert await replica.intake.resolve([ends(second)]) == 1
        state = await desk.reached(opening.ref, closed)
        await settled(desk)
        assert await replica.intake.resolve([ends(second)]) == 0
    assert (state.round, state.is_healthy) == (2, True)
    assert all(one.resolved_at is not None for one in state.alerts)
    reasons = [event.data["reason"] for event in await desk.events(opening.ref) if event.type == "round-started"]
    assert reasons == ["trigger", "the alerts are over"]


async def test_an_end_that_is_told_again_starts_no_further_round(desk: Desk) -> None:
    one = alert()
    async with desk.replica() as replica:
        opening = await replica.intake.start(fires(one))
        await desk.reached(opening.ref, concluded)
        await replica.intake.resolve([ends(one)])
        await desk.reached(opening.ref, lambda state: state.round == 2 and concluded(state))
        for _ in range(3):
            assert await replica.intake.resolve([ends(one)]) == 0
            await replica.intake.start(fires(one))
        await replica.intake.cancel(opening.ref, who="ann")
        state = await desk.reached(opening.ref, closed)
    assert state.round == 2


async def test_an_end_opens_nothing_and_one_of_something_else_is_not_noted(desk: Desk) -> None:
    async with desk.replica() as replica:
        assert await replica.intake.resolve([ends(alert())]) == 0
        assert await desk.store.active() == []
        opening = await replica.intake.start(fires(alert()))
        assert await replica.intake.resolve([ends(alert("KubeletDown"))]) == 0
        state = await desk.reached(opening.ref, concluded)
    assert state.joined == ()


async def test_the_onset_is_the_earliest_of_the_alerts_of_this_outage(desk: Desk) -> None:
    opened_at = now()
    first = alert("KubeletDown", starts_at=opened_at, pending_m=10)
    earlier = alert("KubeAPIDown", starts_at=opened_at - timedelta(minutes=2), pending_m=15)
    chronic = alert("TargetDown", starts_at=opened_at - timedelta(days=3), pending_m=10)
    async with desk.replica("idle") as idle:
        await idle.stop()
        for one in (first, earlier, chronic):
            opening = await idle.intake.start(fires(one))
    async with desk.replica():
        state = await desk.reached(opening.ref, concluded)
    assert state.onset == earlier.onset


async def test_what_a_person_says_of_the_onset_comes_first(desk: Desk) -> None:
    stated = now() - timedelta(minutes=40)
    async with desk.replica("idle") as idle:
        await idle.stop()
        opening = await idle.intake.start(request().model_copy(update={"since": stated}))
        await idle.intake.start(fires(alert(pending_m=15)))
    async with desk.replica():
        state = await desk.reached(opening.ref, concluded)
    assert state.onset is not None
    assert state.onset.source == "stated"


BY_ALERT = REFUSED.model_copy(update={"id": "by-alert", "selects": Selects(alerts=("KubeAPIDown",)), "title": "By alert"})


@pytest.mark.parametrize(
    ("script", "playbook", "reason"),
    [
        (REFUSES, "refused", "the ladder shows connection-refused"),
        (HEALTHY, "by-alert", "the ladder shows no symptom, and the alert KubeAPIDown fires"),
        (
            {**REFUSES, "tcp-connect": says("tcp-connect", Status.PROBLEM, "connect-timeout")},
            None,
            "no playbook is for connect-timeout",
        ),
    ],
)
async def test_the_ladders_symptom_selects_the_playbook_and_the_alert_only_where_there_is_none(
    desk: Desk, script: dict[str, object], playbook: str | None, reason: str
) -> None:
    desk.vantage = ScriptedVantage(script)
    desk.library = Library(playbooks={one.id: one for one in (LADDER, REFUSED, BY_ALERT)}, causes=LIBRARY.causes)
    async with desk.replica() as replica:
        opening = await replica.intake.start(fires(alert()))
        state = await desk.reached(opening.ref, lambda state: state.concluded is not None)
    assert state.playbook is not None
    assert (state.playbook.playbook, state.playbook.reason) == (playbook, reason)


BY_TEXT = REFUSED.model_copy(update={"id": "by-text", "selects": Selects(), "title": "By text"})


@pytest.mark.parametrize(
    ("script", "playbook", "reason"),
    [
        (REFUSES, "refused", "the ladder shows connection-refused"),
        (HEALTHY, "by-text", "the ladder shows no symptom, and the pasted text shows certificate-expired"),
        (
            {**REFUSES, "tcp-connect": says("tcp-connect", Status.PROBLEM, "connect-timeout")},
            "by-text",
            "no playbook is for connect-timeout, and the pasted text shows certificate-expired",
        ),
    ],
)
async def test_what_was_pasted_names_the_playbook_where_the_ladder_selects_none(
    desk: Desk, script: dict[str, object], playbook: str, reason: str
) -> None:
    seen = Recognised(about=About.API_SERVER, playbook="by-text", symptom="certificate-expired", why="It says so.")
    desk.vantage = ScriptedVantage(script)
    desk.library = Library(playbooks={one.id: one for one in (LADDER, REFUSED, BY_TEXT)}, causes=LIBRARY.causes)
    async with desk.replica() as replica:
        trigger = Trigger(kind="command-line", who="ann", recognised=seen)
        opening = await replica.intake.start(request().model_copy(update={"trigger": trigger}))
        state = await desk.reached(opening.ref, lambda state: state.concluded is not None)
    assert state.recognised == seen
    assert state.playbook is not None
    assert (state.playbook.playbook, state.playbook.reason) == (playbook, reason)


async def test_a_healthy_one_watches_while_its_alert_fires_so_that_the_next_alert_finds_it(desk: Desk) -> None:
    desk.vantage.script = dict(HEALTHY)
    one = alert()
    async with desk.replica() as replica:
        opening = await replica.intake.start(fires(one))
        before = await desk.reached(opening.ref, concluded)
        assert before.is_healthy
        assert before.concluded_at is not None
        second = alert("TargetDown", starts_at=before.concluded_at + timedelta(milliseconds=1))
        assert (await replica.intake.start(fires(second))).ref == opening.ref
        await desk.reached(opening.ref, lambda state: state.round == 2 and concluded(state))
        assert await replica.intake.resolve([ends(one), ends(second)]) == 2
        state = await desk.reached(opening.ref, closed)
        await settled(desk)
    assert (state.round, state.is_healthy) == (3, True)


async def test_alerts_that_come_and_go_do_not_make_rounds_for_ever(desk: Desk) -> None:
    async with desk.replica() as replica:
        opening = await replica.intake.start(fires(alert()))
        for number in range(2, ROUNDS_BY_ALERTS + 1):
            await desk.reached(opening.ref, lambda state, done=number - 1: state.round == done and concluded(state))
            await replica.intake.start(fires(alert(starts_at=now() + timedelta(minutes=number))))
        await desk.reached(opening.ref, lambda state: state.round == ROUNDS_BY_ALERTS and concluded(state))
        for number in range(10, 13):
            late = alert(starts_at=now() + timedelta(minutes=number))
            await replica.intake.start(fires(late))
            await replica.intake.resolve([ends(late)])
        state = await replica.intake.look(opening.ref)
        assert state is not None
        assert not state.joined_since_conclusion
        assert await replica.intake.rerun(opening.ref, who="ann")
        await desk.reached(opening.ref, lambda state: state.round == ROUNDS_BY_ALERTS + 1 and concluded(state))
