"""Runs a round's steps: each look once, every finding written as it comes, every step finished exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.clock import Clock
from bot.engine.journal import Journal
from bot.engine.planning import Look
from bot.model.events import EventType, FindingRecorded, StepFinished, StepPlan, StepStarted
from bot.model.finding import Finding, Status, worst
from bot.model.investigation import StepState
from bot.model.vantage import Vantage, VantageKind
from bot.ports import ProbeRound

_MISSING: Mapping[VantageKind, str] = {
    VantageKind.BOT: "the bot's own vantage point is not available",
    VantageKind.OUTSIDE: "no vantage point outside is connected",
    VantageKind.IN_CLUSTER: "no agent inside the cluster is connected",
    VantageKind.NODE: "no agent on a node is connected",
    VantageKind.CONTROL_PLANE: "no agent on a control-plane node is connected",
    VantageKind.PERSON: "a probe cannot ask a person",
}


def step_sentence(findings: Sequence[Finding]) -> str:
    """One sentence for the step list: the worst finding's, and how many are like it where there are several."""
    if not findings:
        return "there was nothing to look at"
    status = worst([finding.status for finding in findings])
    alike = [finding for finding in findings if finding.status == status]
    return alike[0].sentence if len(findings) == 1 else f"{alike[0].sentence} ({len(alike)} of {len(findings)})"


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A look that was started: the steps it was started for, and what it has found so far."""

    look: Look
    steps: tuple[str, ...]
    found: list[Finding] = field(default_factory=list)


class StepRunner:
    """Runs looks at the vantage points there are, once each, and remembers what they found.

    ``rounds`` are the open rounds by kind of vantage point. A step whose vantage points are all missing is not-checked. What
    a predecessor finished is taken over and not run again; what it left half done is run again, and what it wrote stands.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        clock: Clock,
        rounds: Mapping[VantageKind, Mapping[Vantage, ProbeRound]],
        tasks: asyncio.TaskGroup,
        predecessor: Sequence[StepState] = (),
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._rounds = rounds
        self._tasks = tasks
        self._plans: dict[str, StepPlan] = {}
        looks = [step for step in predecessor if step.plan.probe is not None]  # people's answers are not the runner's
        self._finished = {step.plan.id: step.status for step in predecessor if step.status is not None}
        self._earlier = {finding.key: finding for step in looks for finding in step.findings}
        self._earlier_for = {(finding.key, step.plan.id) for step in looks for finding in step.findings}
        self._kept = [finding for step in looks if step.status is not None for finding in step.findings]
        self._runs: dict[tuple[str, str, str], _Run] = {}
        self._looking: dict[tuple[str, str, str], asyncio.Task[None]] = {}
        self._stepping: dict[str, asyncio.Task[None]] = {}
        self._runs_of: dict[str, list[_Run]] = {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything found so far, each finding once."""
        found = [*self._kept, *(finding for run in self._runs.values() for finding in run.found)]
        return tuple({finding.key: finding for finding in found}.values())

    @property
    def unfinished(self) -> list[StepPlan]:
        return [plan for plan in self._plans.values() if plan.id not in self._finished]

    @property
    def unchecked(self) -> list[StepPlan]:
        """Finished steps that could not be looked at, and those for a person."""
        plans = self._plans.values()
        return [plan for plan in plans if plan.probe is None or self._finished.get(plan.id) is Status.NOT_CHECKED]

    @property
    def by_hand(self) -> dict[str, str]:
        """The steps for a person, with their titles."""
        return {plan.id: plan.title for plan in self._plans.values() if plan.probe is None}

    def start(self, plans: Sequence[StepPlan], looks: Mapping[str, Sequence[Look]], *, deadline: float) -> None:
        """Starts these steps, with every look that is not running yet; steps for a person are put down as not-checked."""
        todo = [plan for plan in plans if plan.id not in self._finished and plan.id not in self._plans]
        self._plans |= {plan.id: plan for plan in plans}
        wanted = {plan.id: self._reachable(looks[plan.id]) for plan in todo if plan.probe is not None}
        for look in (look for chosen in wanted.values() for look in chosen):
            if look.identity not in self._runs:
                steps = tuple(step for step, chosen in wanted.items() if look in chosen)
                run = self._runs[look.identity] = _Run(look=look, steps=steps)
                self._looking[look.identity] = self._task(self._look(run, deadline), look.probe)
        for plan in todo:
            identities = [look.identity for look in wanted.get(plan.id, ())]
            self._runs_of[plan.id] = [self._runs[identity] for identity in identities]
            waits_for = [self._looking[identity] for identity in identities]
            self._stepping[plan.id] = self._task(self._step(plan, waits_for), plan.id)

    async def settled(self, *, until: float, without: Container[str] = ()) -> bool:
        """Waits for what is running, ``without`` these steps, but not past ``until`` (monotonic); whether everything is
        finished, those included."""
        await self.finished([step for step in self._stepping if step not in without], until=until)
        return not self.unfinished

    async def finished(self, steps: Sequence[str], *, until: float) -> None:
        """Waits for these steps only, but not past ``until`` (monotonic)."""
        tasks = [task for step, task in self._stepping.items() if step in steps and not task.done()]
        left = until - self._clock.monotonic()
        if tasks and left > 0:
            await asyncio.wait(tasks, timeout=left)

    async def give_up(self, *, after_s: float) -> None:
        """Ends what still runs and says so in its steps: not looked at is not the same as fine."""
        running = {task for task in (*self._looking.values(), *self._stepping.values()) if not task.done()}
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        for plan in self.unfinished:
            found = self._found_for(plan)
            late = f"within {after_s:.0f} s"
            sentence = f"{step_sentence(found)} The rest did not finish {late}." if found else f"Not checked: no end {late}."
            statuses = [*(finding.status for finding in found), Status.NOT_CHECKED]
            await self._finish(plan, statuses, sentence, duration_s=after_s)

    def _task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self._tasks.create_task(work, name=f"{self._journal.ref}: {name}")

    def _reachable(self, looks: Sequence[Look]) -> Sequence[Look]:
        """Those looks that somebody can do; where nobody can do any, the first one, which then says who is missing."""
        return [look for look in looks if self._rounds.get(look.kind)] or looks[:1]

    def _found_for(self, plan: StepPlan) -> list[Finding]:
        return [finding for run in self._runs_of[plan.id] for finding in run.found]

    async def _look(self, run: _Run, deadline: float) -> None:
        for step in run.steps:
            await self._journal.write(EventType.STEP_STARTED, step, data=StepStarted(step=step))
        places = self._rounds.get(run.look.kind, {})
        if not places:
            await self._record(run, self._nobody_there(run.look))
            return
        async with asyncio.TaskGroup() as group:
            for vantage, probes in places.items():
                group.create_task(self._collect(run, probes, deadline), name=f"{run.look.probe}@{vantage}")

    async def _collect(self, run: _Run, probes: ProbeRound, deadline: float) -> None:
        async for finding in probes.run(run.look.probe, run.look.params, deadline=deadline):
            await self._record(run, finding)

    async def _record(self, run: _Run, finding: Finding) -> None:
        finding = self._earlier.get(finding.key, finding)
        run.found.append(finding)
        await self._journal.write(EventType.FINDING_RECORDED, finding.key, data=FindingRecorded(finding=finding, steps=run.steps))
        # The log has it already, for the steps that a predecessor knew of; a repeated event would add nothing for the others.
        if finding.key in self._earlier:
            for step in run.steps:
                if (finding.key, step) not in self._earlier_for:
                    await self._record_for(step, finding)

    async def _record_for(self, step: str, finding: Finding) -> None:
        """A finding that the log has, for one more step."""
        data = FindingRecorded(finding=finding, steps=(step,))
        await self._journal.write(EventType.FINDING_RECORDED, finding.key, "for", step, data=data)

    async def _step(self, plan: StepPlan, looks: Sequence[asyncio.Task[None]]) -> None:
        """One step from its looks to its end. One for a person never holds up the verdict."""
        started = self._clock.monotonic()
        if plan.probe is None:
            await self._finish(plan, [Status.NOT_CHECKED], plan.manual or "needs a person", duration_s=0.0)
            return
        await asyncio.wait(looks)
        # A look that was started for earlier steps has written its findings for those.
        for run in self._runs_of[plan.id]:
            for finding in run.found if plan.id not in run.steps else ():
                await self._record_for(plan.id, finding)
        found = self._found_for(plan)
        took = self._clock.monotonic() - started
        await self._finish(plan, [finding.status for finding in found], step_sentence(found), duration_s=took)

    def _nobody_there(self, look: Look) -> Finding:
        return Finding(
            probe=look.probe,
            params=look.params,
            vantage=Vantage(kind=look.kind),
            subject=look.kind.value,
            round=self._journal.round,
            status=Status.NOT_CHECKED,
            outcome="not-checked",
            sentence=f"Not checked: {_MISSING[look.kind]}.",
            todo=f"Connect an agent that runs on {look.kind.value}, or look by hand.",
            started_at=self._clock.now(),
        )

    async def _finish(self, step: StepPlan, statuses: Sequence[Status], sentence: str, *, duration_s: float) -> None:
        data = StepFinished(step=step.id, status=worst(list(statuses)), sentence=sentence, duration_s=round(duration_s, 3))
        await self._journal.write(EventType.STEP_FINISHED, step.id, data=data)
        self._finished[step.id] = data.status
