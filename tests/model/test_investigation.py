"""Folding a log: the same state for every reader, whatever stands between the owner's events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.alert import Alert
from bot.model.base import Value
from bot.model.diagnosis import Diagnosis, Verdict
from bot.model.events import (
    INTAKE,
    Closed,
    Concluded,
    Delivered,
    DeliveryFailed,
    DeliveryPlanned,
    Diagnosed,
    Event,
    EventType,
    FindingRecorded,
    Opened,
    PlaybookSelected,
    RoundStarted,
    StepFinished,
    StepPlan,
    StepStarted,
    Thread,
    Trigger,
)
from bot.model.finding import Finding, Status
from bot.model.investigation import Investigation, Progress, Ref, State
from bot.model.replay import advance, replay
from bot.model.target import Cluster, Target

REF = Ref(cluster="prod", id="20261120-k7f3")
AT = datetime(2026, 11, 20, 14, 3, tzinfo=UTC)
TRIGGER = Trigger(kind="slash-command", who="ann")
OPENED = Opened(cluster=Cluster(name="prod", target=Target.from_url("https://10.0.0.1"), configured=True), trigger=TRIGGER)
HEALTHY = Diagnosis(revision=1, verdict=Verdict.HEALTHY, headline="All is well.")


def plan(id: str) -> StepPlan:
    return StepPlan(id=id, title=id, playbook="p", probe=id)


def finding(subject: str = "a", round: int = 1) -> Finding:
    return Finding(
        probe="tcp", subject=subject, round=round, status=Status.OK, outcome="connected", sentence="It connects.", started_at=AT
    )


class Log:
    """Writes events as an owner does, a second apart."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.round = 0

    def add(self, type: EventType | str, data: Value | None = None, *, by: str = "replica", round: int | None = None) -> Log:
        number = len(self.events)
        self.events.append(
            Event(
                id=f"{type}/{number}",
                type=str(type),
                round=self.round if round is None else round,
                at=AT + timedelta(seconds=number),
                by=by,
                data={} if data is None else data.model_dump(mode="json"),
            )
        )
        return self

    def begin(self, *steps: str) -> Log:
        self.round += 1
        return self.add(EventType.ROUND_STARTED, RoundStarted(reason="trigger", steps=tuple(map(plan, steps))))

    def conclude(self) -> Log:
        self.add(EventType.DIAGNOSED, Diagnosed(diagnosis=HEALTHY))
        return self.add(EventType.CONCLUDED, Concluded(first_verdict_s=1.0, duration_s=1.0))

    @property
    def state(self) -> Investigation:
        state = replay(REF, self.events)
        assert state is not None
        return state


def opened() -> Log:
    return Log().add(EventType.OPENED, OPENED)


def full() -> Log:
    log = opened().begin("tcp", "tls").add(EventType.STEP_STARTED, StepStarted(step="tcp"))
    log.add(EventType.FINDING_RECORDED, FindingRecorded(finding=finding(), steps=("tcp", "tls")))
    log.add(EventType.STEP_FINISHED, StepFinished(step="tcp", status=Status.OK, sentence="Fine.", duration_s=0.1))
    log.add(EventType.PLAYBOOK_SELECTED, PlaybookSelected(playbook="p", title="P", reason="r", steps=(plan("pods"), plan("tcp"))))
    log.add(EventType.STEP_FINISHED, StepFinished(step="tls", status=Status.OK, sentence="Fine.", duration_s=0.1))
    return log.conclude()


def test_nothing_is_known_before_it_was_opened() -> None:
    assert replay(REF, []) is None
    assert replay(REF, Log().add(EventType.CANCEL_REQUESTED, by="ann").events) is None


def test_a_second_opening_changes_nothing() -> None:
    log = opened().begin("tcp")
    assert log.add(EventType.OPENED, OPENED).state.round == 1


def test_steps_go_from_waiting_to_finished_with_what_they_share() -> None:
    state = full().state
    tcp, tls, pods = map(state.step, ("tcp", "tls", "pods"))
    assert tcp is not None
    assert tls is not None
    assert pods is not None
    assert (tcp.progress, tcp.status, tcp.sentence, tcp.duration_s) == (Progress.FINISHED, Status.OK, "Fine.", 0.1)
    assert tcp.findings == tls.findings == (finding(),)
    assert pods.progress is Progress.WAITING
    assert [step.plan.id for step in state.steps] == ["tcp", "tls", "pods"]
    assert state.findings == (finding(),)
    assert state.step("none") is None


def test_the_conclusion_and_the_verdict_have_their_times() -> None:
    log = full()
    assert (log.state.state, log.state.concluded_at, log.state.diagnosed_at) == (
        State.CONCLUDED,
        log.events[-1].at,
        log.events[-2].at,
    )
    assert log.state.is_healthy


def test_a_new_round_begins_with_nothing_but_what_was_posted_and_asked() -> None:
    log = full().add(EventType.TRIGGER_JOINED, TRIGGER, round=0)
    assert log.state.joined_since_conclusion
    log.add(EventType.DELIVERED, Delivered(message="root", channel="C1", ts="1.0", digest="d"))
    state = log.begin("tcp").state
    assert (state.state, state.round, state.server) == (State.RUNNING, 2, None)
    assert (state.diagnosis, state.diagnosed_at, state.concluded, state.concluded_at, state.triage, state.playbook) == (None,) * 6
    assert [step.progress for step in state.steps] == [Progress.WAITING]
    assert (state.findings, state.correlations, state.joined_since_conclusion) == ((), (), False)
    assert list(state.messages) == ["root"]
    assert state.joined == (TRIGGER,)


def test_the_server_of_a_round_is_kept_when_the_next_one_cannot_say_it() -> None:
    log = opened()
    log.round = 1
    log.add(EventType.ROUND_STARTED, RoundStarted(reason="trigger", server="https://a", steps=()))
    assert log.begin().state.server == "https://a"


def test_a_trigger_during_the_run_is_no_reason_to_look_again() -> None:
    log = opened().begin("tcp").add(EventType.TRIGGER_JOINED, TRIGGER, round=0).conclude()
    assert not log.state.joined_since_conclusion
    assert log.state.joined == (TRIGGER,)


def test_a_re_run_asked_for_twice_is_one() -> None:
    log = full().add(EventType.RERUN_REQUESTED, by="ann")
    assert log.state.rerun_requested_by == "ann"
    log.begin("tcp")
    assert log.state.rerun_requested_by is None
    assert log.add(EventType.RERUN_REQUESTED, by="bob", round=1).state.rerun_requested_by is None


def test_closed_and_reopened() -> None:
    log = full().add(EventType.CLOSED, Closed(reason="completed"))
    assert log.state.state is State.CLOSED
    assert log.add(EventType.REOPENED).state.state is State.RUNNING
    assert log.state.closed is None


def test_deliveries_are_planned_then_there() -> None:
    log = full().add(EventType.DELIVERY_PLANNED, DeliveryPlanned(message="root"))
    assert log.state.planned == ("root",)
    log.add(EventType.DELIVERED, Delivered(message="root", channel="C1", ts="1.0", digest="d"))
    assert (log.state.planned, log.state.messages["root"].ts) == ((), "1.0")


def test_only_a_final_failure_of_delivery_counts_until_the_next_round() -> None:
    log = full().add(EventType.DELIVERY_FAILED, DeliveryFailed(message="root", error="too long", final=False))
    assert log.state.undeliverable is None
    log.add(EventType.DELIVERY_FAILED, DeliveryFailed(message="root", error="archived", final=True))
    assert log.state.undeliverable == "archived"
    assert log.begin("tcp").state.undeliverable is None


def test_a_failure_to_post_the_root_outlives_the_start_of_the_first_round() -> None:
    log = opened().add(EventType.DELIVERY_FAILED, DeliveryFailed(message="root", error="archived", final=True))
    assert log.begin("tcp").state.undeliverable == "archived"


def test_whoever_joins_may_say_since_when_and_which_playbook_for_the_next_round() -> None:
    log = full().add(EventType.TRIGGER_JOINED, Trigger(kind="slash-command", who="bob", since=AT, playbook="q"))
    assert (log.state.opened.since, log.state.opened.playbook) == (AT, "q")
    log.add(EventType.TRIGGER_JOINED, Trigger(kind="slash-command", who="cat"))
    assert (log.state.opened.since, log.state.opened.playbook) == (AT, "q")


def test_a_round_knows_who_asked_for_it_and_how_the_one_before_ended() -> None:
    log = full()
    assert (log.state.asked_by, log.state.before) == (None, None)
    ended = log.state.concluded_at
    log.add(EventType.TRIGGER_JOINED, Trigger(kind="slash-command", who="bob")).begin("tcp")
    assert log.state.asked_by == Trigger(kind="slash-command", who="bob")
    assert (log.state.before, log.state.ended_at) == (HEALTHY, ended)
    log.conclude().add(EventType.RERUN_REQUESTED, by="cat").begin("tcp")
    assert log.state.asked_by == Trigger(kind="button", who="cat")


def test_a_thread_that_was_begun_stays_where_it_is() -> None:
    log = Log().add(EventType.OPENED, OPENED.model_copy(update={"thread": Thread(channel="C1")}))
    log.add(EventType.DELIVERED, Delivered(message="root", channel="C1", ts="1.0", digest="d"))
    log.add(EventType.DELIVERY_FAILED, DeliveryFailed(message="steps/1", error="is_archived", final=True))
    log.add(EventType.TRIGGER_JOINED, Trigger(kind="slash-command", who="bob", thread=Thread(channel="C2")))
    assert log.state.opened.thread == Thread(channel="C1")
    assert log.state.undeliverable == "is_archived"


def test_a_channel_that_was_closed_to_us_is_tried_again_when_somebody_asks_there() -> None:
    log = Log().add(EventType.OPENED, OPENED.model_copy(update={"thread": Thread(channel="C1")}))
    log.add(EventType.DELIVERY_FAILED, DeliveryFailed(message="root", error="not_in_channel", final=True))
    assert log.state.has_no_thread
    log.add(EventType.TRIGGER_JOINED, Trigger(kind="slash-command", who="bob", thread=Thread(channel="C1")))
    assert not log.state.has_no_thread
    assert (log.state.opened.thread, log.state.moves, log.state.closed_to_us) == (Thread(channel="C1"), 1, ())


def test_unknown_types_change_nothing_but_the_time() -> None:
    log = full()
    before = log.state
    after = log.add("teleported").state
    assert after == before.model_copy(update={"last_event_at": after.last_event_at})
    assert after.last_event_at > before.last_event_at


def test_a_state_reads_back_from_json() -> None:
    state = full().state
    assert Investigation.model_validate_json(state.model_dump_json()) == state


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_intake_may_stand_anywhere_between_the_owners_events(data: st.DataObject) -> None:
    """What the owner wrote reads the same; and folding step by step is folding all at once."""
    plain = full()
    events = list(plain.events)
    kinds = st.sampled_from(sorted(INTAKE - {EventType.TRIGGER_JOINED, EventType.MANUAL_ANSWERED}))
    for number, kind in enumerate(data.draw(st.lists(kinds, max_size=5))):
        place = data.draw(st.integers(0, len(events)))
        events.insert(place, Event(id=f"intake/{number}", type=kind.value, round=1, at=AT, by="ann"))
    stepwise: Investigation | None = None
    for event in events:
        stepwise = advance(REF, stepwise, event)
    state = replay(REF, events)
    assert state == stepwise
    assert state is not None
    own = {"steps", "state", "round", "diagnosis", "concluded", "playbook"}
    assert state.model_dump(include=own) == plain.state.model_dump(include=own)


def told(name: str = "KubeAPIDown", *, minutes: int = 0, ended: bool = False) -> Trigger:
    starts = AT + timedelta(minutes=minutes)
    alert = Alert(name=name, fingerprint="a1", starts_at=starts, resolved_at=starts + timedelta(minutes=1) if ended else None)
    return Trigger(kind="alert-resolved" if ended else "alert", who="alertmanager", alert=alert)


def joins(log: Log, *triggers: Trigger) -> Investigation:
    for trigger in triggers:
        log.add(EventType.TRIGGER_JOINED, trigger, round=0)
    return log.state


def test_every_firing_counts_once_with_its_end() -> None:
    state = joins(opened(), told(), told(), told(minutes=30), told(ended=True), told("TargetDown", ended=True))
    assert [(one.name, one.starts_at, one.resolved_at) for one in state.alerts] == [
        ("KubeAPIDown", AT, AT + timedelta(minutes=1)),
        ("KubeAPIDown", AT + timedelta(minutes=30), None),
    ]
    assert state.alerts_fire
    assert not joins(opened(), told(), told(minutes=30), told(minutes=30, ended=True)).alerts_fire
    assert not joins(opened()).alerts_fire


@pytest.mark.parametrize(
    ("triggers", "again"),
    [
        ([TRIGGER], True),
        ([told(minutes=-5)], False),
        ([told(minutes=60)], True),
        ([told(minutes=60), told(minutes=-5)], True),
        ([told(), told("TargetDown"), told(ended=True)], False),
        ([told(), told("TargetDown"), told(ended=True), told("TargetDown", ended=True)], True),
    ],
)
def test_after_the_conclusion_it_depends_on_what_is_told(triggers: list[Trigger], again: bool) -> None:
    assert joins(full(), *triggers).joined_since_conclusion == again


def test_alerts_during_the_run_are_no_reason_to_look_again() -> None:
    log = opened().begin("tcp")
    joins(log, told(minutes=60), told(minutes=60, ended=True))
    assert not log.conclude().state.joined_since_conclusion
