"""One round: the ladder at once, the playbook that it selects, the diagnosis, and its revision when slower evidence is in.

The order is fixed, the times are bounds: whatever is broken, a first verdict stands within ten seconds; what is
still running then is listed in it, and revises it within a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime

from bot.clock import Clock
from bot.diagnosis.correlate import correlate
from bot.diagnosis.onset import establish, from_alerts
from bot.diagnosis.rank import diagnose
from bot.diagnosis.texts import values_of
from bot.diagnosis.triage import for_alerts, triage
from bot.diagnosis.triage_rules import ANSWERS
from bot.engine.answers import Answers
from bot.engine.journal import Journal
from bot.engine.planning import plan_looks, plan_steps
from bot.engine.steps import StepRunner
from bot.model.alert import Alert
from bot.model.change import Onset
from bot.model.diagnosis import Correlation, Triage
from bot.model.events import (
    Concluded,
    CorrelationEvaluated,
    Diagnosed,
    EventType,
    Opened,
    PlaybookSelected,
    RoundStarted,
    Triaged,
)
from bot.model.investigation import Investigation
from bot.model.playbook import Playbook
from bot.model.recognised import Recognised
from bot.model.vantage import Vantage, VantageKind
from bot.playbook import Library
from bot.ports import ClusterAccess, ProbeRound, VantagePoint

LADDER_S = 9.0
"""How long the ladder's network operations may take: DNS 2, TCP 4 and TLS 4 one after another, or HTTP 5 in their place."""

FIRST_VERDICT_S = 9.5
"""When the first verdict is written at the latest, leaving half a second to show it within ten."""

SETTLE_S = 1.0
"""How long a first verdict waits for the playbook's own steps once the ladder is complete: most take milliseconds."""

_GRACE_S = 0.25
"""What a probe may need after its last operation timed out to say so."""

ROUND_S = 60.0
"""When a round is over, whatever still runs."""

RESUMED_S = 1.0
"""The same for a successor, who takes up what another replica left half done: whoever reads along has waited for a lease."""

_LATE_S = 8.0
"""An investigation whose first round begins so long after it was asked for was left undone, too."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The times of a round, in seconds from its beginning; ``settle_s`` from the end of the ladder."""

    ladder_s: float = LADDER_S
    first_verdict_s: float = FIRST_VERDICT_S
    settle_s: float = SETTLE_S
    round_s: float = ROUND_S
    resumed_s: float = RESUMED_S


@dataclass(frozen=True, kw_only=True)
class RoundServices:
    """What a round works with."""

    clock: Clock
    library: Library
    vantage_points: Sequence[VantagePoint]
    bounds: Bounds = Bounds()


class Round:
    """Carries one round out and writes it into the journal; takes up a predecessor's round where its log ends.

    ``asked_at`` is when the investigation was opened, which is the latest that its onset can be; ``alerts`` are those that
    opened or joined it so far; ``recognised`` is what a pasted text was recognised as; ``answers`` tells what people answered
    in this round by now.
    """

    def __init__(
        self,
        services: RoundServices,
        *,
        journal: Journal,
        opened: Opened,
        access: ClusterAccess,
        asked_at: datetime,
        alerts: Sequence[Alert] = (),
        recognised: Recognised | None = None,
        predecessor: Investigation | None = None,
        answers: Callable[[], Answers] = Answers,
    ) -> None:
        self._services = services
        self._clock = services.clock
        self._bounds = services.bounds
        self._library = services.library
        self._journal = journal
        self._opened = opened
        self._access = access
        self._predecessor = predecessor
        self._answers = answers
        self._answered = asyncio.Event()
        self._heard = 0
        self._last = predecessor.diagnosis if predecessor else None
        self._values = values_of(access.cluster)
        self._began = self._clock.monotonic()
        self._asked_at = asked_at
        self._alerts = alerts
        self._recognised = recognised
        late_s = (self._clock.now() - asked_at).total_seconds() if journal.round == 1 else 0.0
        self._is_resumed = predecessor is not None or late_s > _LATE_S
        self._before_s = _seconds_before(predecessor, self._clock.now())
        self._first_verdict_s = _first_verdict_s(predecessor)
        self._revision = 0 if predecessor is None or predecessor.diagnosis is None else predecessor.diagnosis.revision

    async def run(self, reason: str) -> None:
        """From ``round-started`` to ``concluded``."""
        always = self._library.always
        ladder = [plan for playbook in always for plan in plan_steps(playbook, self._values)]
        looks = {step: looks for playbook in always for step, looks in plan_looks(playbook).items()}
        beside = frozenset(step.id for playbook in self._library.playbooks.values() for step in playbook.steps if step.beside)
        await self._journal.write(
            EventType.ROUND_STARTED, data=RoundStarted(reason=reason, server=self._access.cluster.target.url, steps=tuple(ladder))
        )
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
            rounds = self._open_rounds(stack)
            runner = StepRunner(
                journal=self._journal,
                clock=self._clock,
                rounds=rounds,
                tasks=tasks,
                predecessor=self._predecessor.steps if self._predecessor else (),
            )
            # What is looked at beside the ladder has the round's time; what it does on the network has the ladder's all the same.
            climbed = [plan for plan in ladder if plan.id not in beside]
            runner.start(climbed, looks, deadline=self._began + self._bounds.ladder_s)
            others = [plan for plan in ladder if plan.id in beside]
            runner.start(others, looks, deadline=self._began + self._bounds.round_s)
            playbook = await self._climb(runner, beside)
            soon = self._clock.monotonic() + self._bounds.settle_s
            done = await runner.settled(until=min(soon, self._began + self._bounds.first_verdict_s), without=beside)
            onset = await self._onset()
            correlations = await self._correlate(playbook, onset)
            await self._diagnose(runner, onset, correlations, final=done)
            if not done:
                rest_s = self._bounds.resumed_s if self._is_resumed else self._bounds.round_s
                listening = tasks.create_task(self._listen(runner, onset, correlations), name="answers")
                await runner.settled(until=self._began + rest_s)
                await runner.give_up(after_s=rest_s)
                listening.cancel()
                await asyncio.wait([listening])
                await self._diagnose(runner, onset, correlations, final=True)
        requests = sum(item.requests_made() for places in rounds.values() for item in places.values())
        elapsed = self._elapsed()
        first = elapsed if self._first_verdict_s is None else self._first_verdict_s
        await self._journal.write(
            EventType.CONCLUDED, data=Concluded(first_verdict_s=first, duration_s=elapsed, requests=requests)
        )

    def answered(self) -> None:
        """People answered something: the verdict that stands is weighed again."""
        self._answered.set()

    async def _listen(self, runner: StepRunner, onset: Onset, correlations: Sequence[Correlation]) -> None:
        """Revises the first verdict as answers come in, while slower evidence is still looked for."""
        while True:
            await self._answered.wait()
            self._answered.clear()
            if self._answers().heard > self._heard:
                await self._diagnose(runner, onset, correlations, final=False)

    def _elapsed(self) -> float:
        """Seconds since the round began, a predecessor's part included."""
        return round(self._before_s + self._clock.monotonic() - self._began, 3)

    def _open_rounds(self, stack: AsyncExitStack) -> dict[VantageKind, dict[Vantage, ProbeRound]]:
        rounds: dict[VantageKind, dict[Vantage, ProbeRound]] = {}
        deadline = self._began + self._bounds.ladder_s
        for point in self._services.vantage_points:
            opened = point.open_round(self._access, round=self._journal.round, ladder_deadline=deadline)
            stack.push_async_callback(opened.aclose)
            rounds.setdefault(point.vantage.kind, {})[point.vantage] = opened
        return rounds

    async def _climb(self, runner: StepRunner, beside: frozenset[str]) -> Playbook | None:
        """Waits for the ladder, writes what the grid says, and starts the playbook: the named one at once, else the one
        that the symptom selects."""
        named = self._library.playbooks.get(self._opened.playbook) if self._opened.playbook else None
        ladder = [plan.id for plan in runner.unfinished if plan.id not in beside]
        if named is not None:
            await self._select(runner, named, f"{named.title} was asked for")
        await runner.finished(ladder, until=self._began + self._bounds.ladder_s + _GRACE_S)
        seen = triage(
            cluster=self._access.cluster,
            findings=runner.findings,
            playbooks=list(self._library.playbooks.values()),
            notes=(*self._access.problems, *self._access.notes),
        )
        await self._journal.write(EventType.TRIAGED, data=Triaged(triage=seen))
        if named is not None:
            return named
        # What a predecessor selected is in the thread already; its steps are the round's.
        before = self._predecessor.playbook if self._predecessor else None
        selected = before.playbook if before else seen.playbook
        chosen = self._library.playbooks.get(selected) if selected else None
        reason = _reason(seen, chosen)
        if before is None and (chosen is None or seen.symptom in (None, ANSWERS)):
            chosen, reason = self._by_text(seen) or self._by_alert(seen) or (chosen, reason)
        await self._select(runner, chosen, reason)
        return chosen

    def _by_text(self, seen: Triage) -> tuple[Playbook, str] | None:
        """The playbook for what was pasted, and why. What the ladder sees is newer than what somebody saw elsewhere, so this is
        for when it sees nothing wrong, or what no playbook is for."""
        playbook = self._library.playbooks.get(self._recognised.playbook or "") if self._recognised else None
        if playbook is None or self._recognised is None:
            return None
        says = f"shows {self._recognised.symptom}" if self._recognised.symptom else "is for this one"
        return playbook, f"{_reason(seen, None)}, and the pasted text {says}"

    def _by_alert(self, seen: Triage) -> tuple[Playbook, str] | None:
        """The playbook for an alert that fires, and why; as for a pasted text, when the ladder does not select one."""
        if seen.symptom not in (None, ANSWERS):
            return None
        firing = [alert.name for alert in self._alerts if alert.resolved_at is None]
        playbook = for_alerts(firing, list(self._library.playbooks.values()))
        if playbook is None:
            return None
        named = next(name for name in firing if name in playbook.selects.alerts)
        return playbook, f"the ladder shows no symptom, and the alert {named} fires"

    async def _select(self, runner: StepRunner, playbook: Playbook | None, reason: str) -> None:
        plans = () if playbook is None else plan_steps(playbook, self._values)
        title = None if playbook is None else playbook.title
        data = PlaybookSelected(playbook=playbook.id if playbook else None, title=title, reason=reason, steps=plans)
        await self._journal.write(EventType.PLAYBOOK_SELECTED, data=data)
        if playbook is not None:
            runner.start(plans, plan_looks(playbook), deadline=self._began + self._bounds.round_s)

    async def _onset(self) -> Onset:
        opening = self._opened.trigger.alert
        told = from_alerts(
            [alert.onset for alert in self._alerts if alert.onset is not None],
            about=(opening.onset.first_bad if opening and opening.onset else self._asked_at),
        )
        onset = establish(asked_at=self._asked_at, since=self._opened.since, others=told)
        await self._journal.write(EventType.ONSET_ESTABLISHED, data=onset)
        return onset

    async def _correlate(self, playbook: Playbook | None, onset: Onset) -> list[Correlation]:
        """Every diagnosis line of the playbook, against the changes that are known. What nothing records is not-checked."""
        results = []
        for line in playbook.diagnosis if playbook else ():
            assert playbook is not None
            result = correlate(line=line, playbook=playbook.id, onset=onset, changes=(), recorded_kinds=frozenset())
            await self._journal.write(
                EventType.CORRELATION_EVALUATED, playbook.id, line.id, data=CorrelationEvaluated(correlation=result)
            )
            results.append(result)
        return results

    async def _diagnose(self, runner: StepRunner, onset: Onset, correlations: Sequence[Correlation], *, final: bool) -> None:
        self._revision += 1
        answers = self._answers()
        result = diagnose(
            causes=self._library.causes,
            findings=[*runner.findings, *answers.findings],
            correlations=correlations,
            onset=answers.onset(onset),
            cluster=self._access.cluster,
            revision=self._revision,
            running=[plan.title for plan in runner.unfinished],
            unchecked=[*self._access.problems, *(plan.title for plan in runner.unchecked if plan.id not in answers.steps)],
            by_hand=runner.by_hand,
            before=self._last,
            final=final,
        )
        self._last, self._heard = result, answers.heard
        await self._journal.write(EventType.DIAGNOSED, self._revision, data=Diagnosed(diagnosis=result, heard=answers.heard))
        if self._first_verdict_s is None:
            self._first_verdict_s = self._elapsed()


def _seconds_before(predecessor: Investigation | None, now: datetime) -> float:
    """How long ago a predecessor began the round, by the wall clock: its monotonic one is gone."""
    if predecessor is None or predecessor.round_started_at is None:
        return 0.0
    return max((now - predecessor.round_started_at).total_seconds(), 0.0)


def _first_verdict_s(predecessor: Investigation | None) -> float | None:
    if predecessor is None or predecessor.round_started_at is None or predecessor.diagnosed_at is None:
        return None
    return (predecessor.diagnosed_at - predecessor.round_started_at).total_seconds()


def _reason(seen: Triage, chosen: Playbook | None) -> str:
    if chosen is not None:
        return f"the ladder shows {seen.symptom}"
    clean = seen.symptom in (None, ANSWERS)
    return "the ladder shows no symptom" if clean else f"no playbook is for {seen.symptom}"
