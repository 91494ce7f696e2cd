"""An investigation's state: what every view renders and what a successor resumes from. ``bot.model.replay`` makes it."""

from __future__ import annotations

from enum import StrEnum

from bot.model.alert import Alert
from bot.model.answer import is_answer
from bot.model.base import Moment, Value
from bot.model.change import Onset
from bot.model.diagnosis import Correlation, Diagnosis, Triage, Verdict
from bot.model.events import (
    Closed,
    Concluded,
    Delivered,
    Opened,
    PlaybookSelected,
    StepPlan,
    Trigger,
)
from bot.model.finding import Finding, Status
from bot.model.recognised import Recognised

ROUNDS_BY_ALERTS = 5
"""How many rounds an investigation has at most when nobody but alerts asks for them."""


_ROOT = "root"
"""The key of the message that a thread begins with."""


class Ref(Value):
    """Names one investigation: its cluster is part of the name, because all its keys live with the cluster."""

    cluster: str
    id: str

    def __str__(self) -> str:
        return f"{self.cluster}/{self.id}"


class State(StrEnum):
    RUNNING = "running"
    CONCLUDED = "concluded"
    CLOSED = "closed"


class Progress(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"


class StepState(Value):
    """One step as a view shows it. ``status`` and ``sentence`` are there once it is finished. ``answers`` is how often people
    answered it, if it is for a person; what they said last is its finding."""

    plan: StepPlan
    progress: Progress = Progress.WAITING
    status: Status | None = None
    sentence: str = ""
    duration_s: float = 0.0
    findings: tuple[Finding, ...] = ()
    answers: int = 0

    @property
    def answer(self) -> Finding | None:
        """What a person answered, if it stands."""
        return next((finding for finding in self.findings if is_answer(finding)), None)


class Investigation(Value):
    """Everything that is known, at one point of the log. Steps, findings and correlations are the current round's;
    ``messages`` are all that were posted, of every round; ``undeliverable`` says why no more can be in this one.
    ``asked_by`` asked for this round, if it is not the first; ``before`` is how the one before ended, and ``ended_at`` when.
    ``closed_to_us`` are channels that the thread could not be begun in, ``moves`` how often it was moved for that.
    ``weighed`` is how many of the round's answers the diagnosis knows of.
    Not ``durable``: the store is away, and what is seen is only with the replica that sees it."""

    ref: Ref
    opened: Opened
    opened_at: Moment
    state: State = State.RUNNING
    round: int = 0
    round_started_at: Moment | None = None
    server: str | None = None
    steps: tuple[StepState, ...] = ()
    triage: Triage | None = None
    playbook: PlaybookSelected | None = None
    onset: Onset | None = None
    correlations: tuple[Correlation, ...] = ()
    diagnosis: Diagnosis | None = None
    diagnosed_at: Moment | None = None
    weighed: int = 0
    concluded: Concluded | None = None
    concluded_at: Moment | None = None
    closed: Closed | None = None
    joined: tuple[Trigger, ...] = ()
    joined_since_conclusion: bool = False
    cancel_requested_by: str | None = None
    rerun_requested_by: str | None = None
    messages: dict[str, Delivered] = {}
    planned: tuple[str, ...] = ()
    undeliverable: str | None = None
    asked_by: Trigger | None = None
    before: Diagnosis | None = None
    ended_at: Moment | None = None
    closed_to_us: tuple[str, ...] = ()
    moves: int = 0
    durable: bool = True
    last_event_at: Moment

    @property
    def root(self) -> Delivered | None:
        """Where its thread begins, once it does."""
        return self.messages.get(_ROOT)

    @property
    def has_no_thread(self) -> bool:
        """Whether it runs where nobody sees it: its thread could not be begun, and nobody asked elsewhere since."""
        return self.root is None and self.undeliverable is not None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The round's findings, each once though steps share them."""
        unique = {finding.key: finding for step in self.steps for finding in step.findings}
        return tuple(unique.values())

    @property
    def answers(self) -> int:
        """How often people answered manual steps of this round, answers that were taken back included."""
        return sum(step.answers for step in self.steps)

    @property
    def server_url(self) -> str:
        """The server as the cluster's files gave it last; until they were read, as it was asked for."""
        return self.server or self.opened.cluster.target.url

    @property
    def is_healthy(self) -> bool:
        return self.diagnosis is not None and self.diagnosis.verdict is Verdict.HEALTHY

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """Every firing that opened or joined it, in the order they came, with its end where that is known."""
        told = [trigger.alert for trigger in (self.opened.trigger, *self.joined) if trigger.alert is not None]
        known = {alert.firing: alert for alert in told if alert.resolved_at is None}
        for alert in told:
            if alert.resolved_at is not None and alert.firing in known:
                known[alert.firing] = known[alert.firing].model_copy(update={"resolved_at": alert.resolved_at})
        return tuple(known.values())

    @property
    def recognised(self) -> Recognised | None:
        """What the newest text that was pasted for it was recognised as."""
        told = (trigger.recognised for trigger in reversed((self.opened.trigger, *self.joined)))
        return next((recognised for recognised in told if recognised is not None), None)

    @property
    def alerts_fire(self) -> bool:
        """Whether any of its alerts fires, as far as was told. An alert that fires anew had ended before."""
        newest = {(alert.name, alert.fingerprint): alert for alert in sorted(self.alerts, key=lambda alert: alert.starts_at)}
        return any(alert.resolved_at is None for alert in newest.values())

    def step(self, id: str) -> StepState | None:
        return next((step for step in self.steps if step.plan.id == id), None)
