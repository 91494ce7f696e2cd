"""Investigations for tests, made the only way there is: by folding events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bot.model.alert import Alert
from bot.model.answer import Answer, ManualAnswered
from bot.model.base import Value
from bot.model.change import Onset
from bot.model.diagnosis import Cell, Correlation, Diagnosis, Layer, Triage
from bot.model.events import (
    Closed,
    Concluded,
    CorrelationEvaluated,
    Delivered,
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
    Triaged,
    Trigger,
)
from bot.model.finding import Finding, Status, worst
from bot.model.investigation import Investigation, Ref
from bot.model.replay import advance
from bot.model.target import Cluster, Target
from bot.render.thread import messages

START = datetime(2026, 11, 20, 14, 3, 22, tzinfo=UTC)
LADDER = (
    ("dns-lookup", "The name resolves"),
    ("tcp-connect", "The port accepts TCP connections"),
    ("tls-handshake", "The certificate is valid for this name"),
    ("apiserver-health", "The API server says that it is healthy"),
    ("apiserver-auth", "The bot's credentials are accepted"),
)
_LAYERS = dict(zip((probe for probe, _ in LADDER), Layer, strict=True))


class Story:
    """One investigation in the making. Every method is an event or a few; time moves as told."""

    def __init__(
        self, cluster: str = "lab", url: str = "https://api.lab.example:6443", who: str = "U0USER0001", alert: Alert | None = None
    ) -> None:
        self.ref = Ref(cluster=cluster, id="20261120-k7f3")
        self.at = START
        self.round = 0
        self.events: list[Event] = []
        self._state: Investigation | None = None
        self._plans: dict[str, StepPlan] = {}
        known = Cluster(name=cluster, target=Target.from_url(url), configured=True)
        trigger = Trigger(kind="slash-command", who=who, name="alice", text=cluster)
        if alert is not None:
            trigger = Trigger(kind="alert", who="alertmanager", text=alert.name, alert=alert)
        self.add(EventType.OPENED, data=Opened(cluster=known, trigger=trigger))

    @property
    def state(self) -> Investigation:
        assert self._state is not None
        return self._state

    def add(self, type: EventType, *parts: object, data: Value | None = None, by: str = "bot-1", seconds: float = 0) -> Story:
        self.at += timedelta(seconds=seconds)
        payload: dict[str, Any] = {} if data is None else data.model_dump(mode="json")
        name = "/".join(map(str, (type.value, self.round, *parts)))
        event = Event(id=name, type=type.value, round=self.round, at=self.at, by=by, data=payload)
        self.events.append(event)
        self._state = advance(self.ref, self._state, event)
        return self

    def begin(self, *more: StepPlan) -> Story:
        self.round += 1
        ladder = tuple(StepPlan(id=probe, title=title, playbook="first-look", probe=probe) for probe, title in LADDER)
        self._plans |= {plan.id: plan for plan in (*ladder, *more)}
        return self.add(EventType.ROUND_STARTED, data=RoundStarted(reason="trigger", steps=(*ladder, *more)))

    def fires(self, alert: Alert) -> Story:
        kind = "alert" if alert.resolved_at is None else "alert-resolved"
        data = Trigger(kind=kind, who="alertmanager", text=alert.name, alert=alert)
        return self.add(EventType.TRIGGER_JOINED, kind, alert.firing, data=data)

    def select(self, *steps: StepPlan, playbook: str = "connection-refused") -> Story:
        self._plans |= {plan.id: plan for plan in steps}
        data = PlaybookSelected(
            playbook=playbook, title="Connection refused", reason="the ladder shows connection-refused", steps=steps
        )
        return self.add(EventType.PLAYBOOK_SELECTED, data=data)

    def start(self, step: str) -> Story:
        return self.add(EventType.STEP_STARTED, step, data=StepStarted(step=step))

    def find(self, step: str, *findings: Finding) -> Story:
        for finding in findings:
            finding = finding.model_copy(update={"round": self.round})
            self.add(EventType.FINDING_RECORDED, finding.key, data=FindingRecorded(finding=finding, steps=(step,)))
        return self

    def finish(self, step: str, *findings: Finding, seconds: float = 0.02, sentence: str | None = None) -> Story:
        self.start(step).find(step, *findings)
        status = worst([finding.status for finding in findings])
        said = sentence or next((finding.sentence for finding in findings if finding.status is status), "nothing to look at")
        data = StepFinished(step=step, status=status, sentence=said, duration_s=seconds)
        return self.add(EventType.STEP_FINISHED, step, data=data, seconds=seconds)

    def by_hand(self, step: str) -> Story:
        return self.finish(step, seconds=0, sentence=self._plans[step].manual)

    def answer(self, step: str, answer: Answer, *, who: str = "U0USER0001", seconds: float = 1, **more: Any) -> Story:
        """A person answers a manual step of the current round."""
        number = next(known.answers for known in self.state.steps if known.plan.id == step)
        told = {"step": step, "answer": answer, "who": who, "name": "alice", "number": number, **more}
        data = ManualAnswered.model_validate(told)
        return self.add(EventType.MANUAL_ANSWERED, step, number, data=data, by=who, seconds=seconds)

    def triage(self, sentence: str, **more: Any) -> Story:
        cells = [
            Cell(
                layer=_LAYERS[finding.probe],
                address=finding.subject,
                status=finding.status,
                outcome=None if finding.outcome == "not-reached" else finding.outcome,
                duration_s=None if finding.outcome == "not-reached" else finding.duration_s,
            )
            for finding in self.state.findings
            if finding.probe in _LAYERS
        ]
        given = {"domain": None, "symptom": None, **more}
        return self.add(EventType.TRIAGED, data=Triaged(triage=Triage(cells=tuple(cells), sentence=sentence, **given)))

    def onset(self, onset: Onset) -> Story:
        return self.add(EventType.ONSET_ESTABLISHED, data=onset)

    def correlate(self, *lines: Correlation) -> Story:
        for line in lines:
            self.add(EventType.CORRELATION_EVALUATED, line.playbook, line.id, data=CorrelationEvaluated(correlation=line))
        return self

    def diagnose(self, diagnosis: Diagnosis) -> Story:
        return self.add(EventType.DIAGNOSED, diagnosis.revision, data=Diagnosed(diagnosis=diagnosis))

    def conclude(self, first: float = 1.2, duration: float = 1.2) -> Story:
        return self.add(EventType.CONCLUDED, data=Concluded(first_verdict_s=first, duration_s=duration))

    def close(self, reason: str = "completed", by: str = "") -> Story:
        return self.add(EventType.CLOSED, data=Closed(reason=reason, by=by))

    def deliver(self) -> Story:
        """Posts and edits everything, as delivery does: only what is new or differs."""
        for message in messages(self.state, now=self.at):
            known = self.state.messages.get(message.key)
            if known is None or known.digest != message.digest:
                ts = known.ts if known else f"{1795000000 + len(self.events)}.000100"
                data = Delivered(message=message.key, channel="C0CHAN00002", ts=ts, digest=message.digest)
                self.add(EventType.DELIVERED, message.key, message.digest, data=data)
        return self


def seen(probe: str, subject: str, status: Status, outcome: str, sentence: str, *, took: float = 0.0004, **more: Any) -> Finding:
    """A finding with a fixed start."""
    return Finding(
        probe=probe, subject=subject, status=status, outcome=outcome, sentence=sentence, started_at=START, duration_s=took, **more
    )


def not_reached(probe: str, *subjects: str) -> list[Finding]:
    said = "An earlier layer fails here, so this one was not reached."
    return [seen(probe, subject, Status.NOT_APPLICABLE, "not-reached", said, took=0) for subject in subjects]
