"""Folds a log of events into an investigation's state.

``replay`` is the only way to get one. The owner, the delivery, the terminal and the report all fold the same log, so they
cannot disagree. Folding is tolerant: intake events may be anywhere between the owner's, a log may end anywhere, and what a
newer version wrote and this one cannot read is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pydantic import ValidationError

from bot.model.answer import Answer, ManualAnswered, finding_of
from bot.model.change import Onset
from bot.model.events import (
    VERSION,
    Closed,
    Concluded,
    CorrelationEvaluated,
    Delivered,
    DeliveryFailed,
    DeliveryPlanned,
    Diagnosed,
    Durability,
    Event,
    EventType,
    FindingRecorded,
    Opened,
    PlaybookSelected,
    RoundStarted,
    StepFinished,
    StepStarted,
    Thread,
    Triaged,
    Trigger,
)
from bot.model.finding import Finding, Status
from bot.model.investigation import ROUNDS_BY_ALERTS, Investigation, Progress, Ref, State, StepState


def replay(ref: Ref, events: Iterable[Event]) -> Investigation | None:
    """The state after these events; None while the log has no ``opened`` yet."""
    state: Investigation | None = None
    for event in events:
        state = advance(ref, state, event)
    return state


def advance(ref: Ref, state: Investigation | None, event: Event) -> Investigation | None:
    """The state after one more event. What is not known here, a type or a newer version's data, changes nothing but
    ``last_event_at``."""
    try:
        return _advanced(ref, state, event)
    except ValidationError:
        if event.v <= VERSION:
            raise
        return state and state.model_copy(update={"last_event_at": event.at})


def _advanced(ref: Ref, state: Investigation | None, event: Event) -> Investigation | None:
    if event.type == EventType.OPENED:
        if state is not None:
            return state
        opened = Opened.model_validate_json(_json(event))
        return Investigation(ref=ref, opened=opened, opened_at=event.at, last_event_at=event.at)
    if state is None:
        return None
    fold = _FOLDS.get(event.type)
    update = {} if fold is None else fold(state, event)
    return state.model_copy(update={**update, "last_event_at": event.at})


def _json(event: Event) -> str:
    return event.model_dump_json(include={"data"})[len('{"data":') : -1]


def _with_step(state: Investigation, id: str, **update: Any) -> tuple[StepState, ...]:
    return tuple(step.model_copy(update=update) if step.plan.id == id else step for step in state.steps)


def _round_started(state: Investigation, event: Event) -> dict[str, Any]:
    data = RoundStarted.model_validate_json(_json(event))
    return {
        "state": State.RUNNING,
        "round": event.round,
        "round_started_at": event.at,
        "server": data.server or state.server,
        "steps": tuple(StepState(plan=plan) for plan in data.steps),
        "asked_by": _asker(state) if event.round > 1 else None,
        "before": state.diagnosis,
        "ended_at": state.concluded_at,
        "triage": None,
        "playbook": None,
        "correlations": (),
        "diagnosis": None,
        "diagnosed_at": None,
        "weighed": 0,
        "concluded": None,
        "concluded_at": None,
        "rerun_requested_by": None,
        "joined_since_conclusion": False,
        # The first round starts while the root is being posted: it does not undo that posting failed.
        "undeliverable": state.undeliverable if event.round <= 1 else None,
    }


def _asker(state: Investigation) -> Trigger | None:
    """Whose wish the next round is."""
    if state.rerun_requested_by:
        return Trigger(kind="button", who=state.rerun_requested_by)
    return state.joined[-1] if state.joined_since_conclusion else None


def _playbook_selected(state: Investigation, event: Event) -> dict[str, Any]:
    data = PlaybookSelected.model_validate_json(_json(event))
    known = {step.plan.id for step in state.steps}
    added = tuple(StepState(plan=plan) for plan in data.steps if plan.id not in known)
    return {"playbook": data, "steps": state.steps + added}


def _step_started(state: Investigation, event: Event) -> dict[str, Any]:
    data = StepStarted.model_validate_json(_json(event))
    return {"steps": _with_step(state, data.step, progress=Progress.RUNNING)}


def _finding_recorded(state: Investigation, event: Event) -> dict[str, Any]:
    data = FindingRecorded.model_validate_json(_json(event))
    return {"steps": tuple(_with_finding(step, data.finding) if step.plan.id in data.steps else step for step in state.steps)}


def _with_finding(step: StepState, finding: Finding) -> StepState:
    """The step with this finding, once: whoever took a round over may have said it again for the same step."""
    if finding.key in {known.key for known in step.findings}:
        return step
    return step.model_copy(update={"findings": (*step.findings, finding)})


def _step_finished(state: Investigation, event: Event) -> dict[str, Any]:
    data = StepFinished.model_validate_json(_json(event))
    step = state.step(data.step)
    if step is not None and step.answer is not None:
        return {}  # a person was quicker than the remark that this step is for one
    return {
        "steps": _with_step(
            state,
            data.step,
            progress=Progress.FINISHED,
            status=data.status,
            sentence=data.sentence,
            duration_s=data.duration_s,
        )
    }


def _triaged(state: Investigation, event: Event) -> dict[str, Any]:
    return {"triage": Triaged.model_validate_json(_json(event)).triage}


def _onset(state: Investigation, event: Event) -> dict[str, Any]:
    return {"onset": Onset.model_validate_json(_json(event))}


def _correlation(state: Investigation, event: Event) -> dict[str, Any]:
    new = CorrelationEvaluated.model_validate_json(_json(event)).correlation
    kept = tuple(old for old in state.correlations if (old.playbook, old.id) != (new.playbook, new.id))
    return {"correlations": (*kept, new)}


def _diagnosed(state: Investigation, event: Event) -> dict[str, Any]:
    data = Diagnosed.model_validate_json(_json(event))
    return {"diagnosis": data.diagnosis, "diagnosed_at": event.at, "weighed": data.heard}


def _concluded(state: Investigation, event: Event) -> dict[str, Any]:
    concluded = Concluded.model_validate_json(_json(event))
    return {"state": State.CONCLUDED, "concluded": concluded, "concluded_at": event.at}


def _closed(state: Investigation, event: Event) -> dict[str, Any]:
    return {"state": State.CLOSED, "closed": Closed.model_validate_json(_json(event))}


def _durability(state: Investigation, event: Event) -> dict[str, Any]:
    return {"durable": Durability.model_validate_json(_json(event)).durable}


def _owner_changed(state: Investigation, event: Event) -> dict[str, Any]:
    return {"durable": True}  # whoever takes over has a store


def _reopened(state: Investigation, event: Event) -> dict[str, Any]:
    return {"state": State.RUNNING, "closed": None, "cancel_requested_by": None}


def _joined(state: Investigation, event: Event) -> dict[str, Any]:
    trigger = Trigger.model_validate_json(_json(event))
    after = state.model_copy(update={"joined": (*state.joined, trigger)})
    asks = state.state is State.CONCLUDED and _asks_again(after, trigger)
    wishes = {name: wish for name in ("playbook", "since") if (wish := getattr(trigger, name)) is not None}
    update: dict[str, Any] = {"opened": state.opened.model_copy(update=wishes)} if wishes else {}
    if state.has_no_thread and trigger.thread is not None:
        left = tuple(channel for channel in state.closed_to_us if channel != trigger.thread.channel)
        update = _moved(state.model_copy(update={"closed_to_us": left, **update}), trigger.thread)
    return {"joined": after.joined, "joined_since_conclusion": state.joined_since_conclusion or asks, **update}


def _moved(state: Investigation, thread: Thread) -> dict[str, Any]:
    """The thread begins here instead: where somebody asked."""
    opened = state.opened.model_copy(update={"thread": thread})
    return {"opened": opened, "closed_to_us": state.closed_to_us, "undeliverable": None, "moves": state.moves + 1}


def _asks_again(state: Investigation, trigger: Trigger) -> bool:
    """Whether a trigger after the conclusion is a reason to look again. People are. An alert is when it fired after the
    conclusion: an earlier one is of the outage that was looked at. The end of the last alert is: it may be the recovery.
    Alerts that come and go have had their looks after a few rounds."""
    if trigger.alert is None:
        return True
    if state.round >= ROUNDS_BY_ALERTS:
        return False
    if trigger.alert.resolved_at is not None:
        return not state.alerts_fire
    return state.concluded_at is None or trigger.alert.starts_at > state.concluded_at


def _cancel(state: Investigation, event: Event) -> dict[str, Any]:
    return {"cancel_requested_by": event.by}


def _rerun(state: Investigation, event: Event) -> dict[str, Any]:
    # One that was asked for a round which is over meanwhile has had its answer: the round that runs now.
    return {"rerun_requested_by": event.by} if event.round == state.round else {}


def _answered(state: Investigation, event: Event) -> dict[str, Any]:
    """An answer is its step's finding, as long as it stands. One for a round that is over meanwhile comes too late."""
    told = ManualAnswered.model_validate_json(_json(event))
    step = state.step(told.step)
    if event.round != state.round or state.state is State.CLOSED or step is None or step.plan.probe is not None:
        return {}
    if told.answer is Answer.TAKEN_BACK:
        plain = step.plan.manual or "needs a person"
        said = {"findings": (), "status": Status.NOT_CHECKED, "sentence": plain}
    else:
        finding = finding_of(told, round=event.round, at=event.at)
        said = {"findings": (finding,), "status": finding.status, "sentence": finding.sentence}
    return {"steps": _with_step(state, told.step, progress=Progress.FINISHED, answers=step.answers + 1, **said)}


def _planned(state: Investigation, event: Event) -> dict[str, Any]:
    message = DeliveryPlanned.model_validate_json(_json(event)).message
    return {"planned": (*state.planned, message)}


def _delivered(state: Investigation, event: Event) -> dict[str, Any]:
    data = Delivered.model_validate_json(_json(event))
    planned = tuple(message for message in state.planned if message != data.message)
    return {"messages": {**state.messages, data.message: data}, "planned": planned}


def _delivery_failed(state: Investigation, event: Event) -> dict[str, Any]:
    data = DeliveryFailed.model_validate_json(_json(event))
    if not data.final:
        return {}
    if state.root is not None or state.opened.thread is None:
        return {"undeliverable": data.error}
    closed = (*state.closed_to_us, state.opened.thread.channel)
    asked = [trigger.thread for trigger in state.joined if trigger.thread is not None and trigger.thread.channel not in closed]
    update = {"closed_to_us": closed}
    return _moved(state.model_copy(update=update), asked[0]) if asked else {**update, "undeliverable": data.error}


_FOLDS: dict[str, Callable[[Investigation, Event], dict[str, Any]]] = {
    EventType.ROUND_STARTED: _round_started,
    EventType.PLAYBOOK_SELECTED: _playbook_selected,
    EventType.STEP_STARTED: _step_started,
    EventType.FINDING_RECORDED: _finding_recorded,
    EventType.STEP_FINISHED: _step_finished,
    EventType.TRIAGED: _triaged,
    EventType.ONSET_ESTABLISHED: _onset,
    EventType.CORRELATION_EVALUATED: _correlation,
    EventType.DIAGNOSED: _diagnosed,
    EventType.CONCLUDED: _concluded,
    EventType.CLOSED: _closed,
    EventType.REOPENED: _reopened,
    EventType.DURABILITY_CHANGED: _durability,
    EventType.OWNER_CHANGED: _owner_changed,
    EventType.TRIGGER_JOINED: _joined,
    EventType.CANCEL_REQUESTED: _cancel,
    EventType.RERUN_REQUESTED: _rerun,
    EventType.MANUAL_ANSWERED: _answered,
    EventType.DELIVERY_PLANNED: _planned,
    EventType.DELIVERED: _delivered,
    EventType.DELIVERY_FAILED: _delivery_failed,
}
