"""Running the looks of a round and writing down what they find, step by step.

Every look is a task of the round's own task group, so that nothing outlives a cancelled round. A finding is written the
moment it is known; a step is finished when its look is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
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
}


def step_sentence(findings: Sequence[Finding]) -> str:
    """One sentence for the step list: the worst finding's, and how many are like it where there are several."""
    if not findings:
        return "there was nothing to look at"
    status = worst([finding.status for finding in findings])
    alike = [finding for finding in findings if finding.status == status]
    return alike[0].sentence if len(findings) == 1 else f"{alike[0].sentence} ({len(alike)} of {len(findings)})"


class StepRunner:
    """Runs looks at the vantage points there are, once each, and remembers what they found.

    ``rounds`` are the open rounds by kind of vantage point. A step whose vantage points are all missing is not-checked.
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
        self._looks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._serves: dict[asyncio.Task[None], tuple[str, ...]] = {}
        self._found: dict[tuple[str, str], list[Finding]] = {}
        self._plans: dict[str, StepPlan] = {}
        self._finished: dict[str, Status] = {}
        # What a predecessor finished is taken over and not run again; what it left half done is.
        for step in predecessor:
            if step.status is not None:
                self._finished[step.plan.id] = step.status
                self._found["predecessor", step.plan.id] = list(step.findings)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything found so far, each finding once."""
        return tuple({finding.key: finding for found in self._found.values() for finding in found}.values())

    @property
    def unfinished(self) -> list[StepPlan]:
        return [plan for plan in self._plans.values() if plan.id not in self._finished]

    @property
    def unchecked(self) -> list[StepPlan]:
        """Finished steps that could not be looked at, manual ones included."""
        return [plan for plan in self._plans.values() if self._finished.get(plan.id) is Status.NOT_CHECKED]

    def start(self, plans: Sequence[StepPlan], looks: Sequence[Look], *, deadline: float) -> None:
        """Starts every look that is not running yet, and puts manual steps down as not-checked."""
        self._plans |= {plan.id: plan for plan in plans}
        todo = {plan.id: plan for plan in plans if plan.id not in self._finished}
        for plan in todo.values():
            if plan.probe is None:
                self._run(self._manual(plan), [plan])
        for look in looks:
            steps = [todo[step] for step in look.steps if step in todo]
            if not steps:
                continue
            running = self._looks.get(look.identity)
            if running is None:
                self._looks[look.identity] = self._run(self._look(look, steps, deadline), steps)
            else:
                self._run(self._share(look, steps, running), steps)

    async def settled(self, *, until: float) -> bool:
        """Waits for what is running, but not past ``until`` (monotonic); whether everything is finished."""
        left = until - self._clock.monotonic()
        if left > 0 and self._serves:
            await asyncio.wait(self._serves, timeout=left)
        return all(task.done() for task in self._serves)

    async def finished(self, steps: Sequence[str], *, until: float) -> None:
        """Waits for these steps only, but not past ``until`` (monotonic)."""
        tasks = [task for task, of in self._serves.items() if not set(of).isdisjoint(steps)]
        left = until - self._clock.monotonic()
        if tasks and left > 0:
            await asyncio.wait(tasks, timeout=left)

    async def give_up(self, *, after_s: float) -> None:
        """Ends what still runs and says so in its steps: not looked at is not the same as fine."""
        for task in self._serves:
            task.cancel()
        if self._serves:
            await asyncio.wait(self._serves)
        for plan in self.unfinished:
            sentence = f"Not checked: it did not finish within {after_s:.0f} s."
            await self._finish(plan, [], started=self._clock.monotonic() - after_s, sentence=sentence)

    def _run(self, work: Coroutine[Any, Any, None], steps: Sequence[StepPlan]) -> asyncio.Task[None]:
        ids = tuple(plan.id for plan in steps)
        task = self._tasks.create_task(work, name=f"{self._journal.ref}: {', '.join(ids)}")
        self._serves[task] = ids
        return task

    async def _manual(self, plan: StepPlan) -> None:
        """A step for a person: it never holds up the verdict and stays not-checked until somebody answers."""
        await self._finish(plan, [], started=self._clock.monotonic(), sentence=plan.manual or "needs a person")

    async def _look(self, look: Look, steps: Sequence[StepPlan], deadline: float) -> None:
        started = self._clock.monotonic()
        for step in steps:
            await self._journal.write(EventType.STEP_STARTED, step.id, data=StepStarted(step=step.id))
        found = self._found.setdefault(look.identity, [])
        places = [place for kind in look.kinds for place in self._rounds.get(kind, {}).items()]
        if places:
            async with asyncio.TaskGroup() as group:
                for vantage, probes in places:
                    group.create_task(self._collect(look, probes, found, deadline), name=f"{look.probe}@{vantage}")
        else:
            await self._record(self._nobody_there(look), look.steps, found)
        for step in steps:
            await self._finish(step, found, started=started)

    async def _collect(self, look: Look, probes: ProbeRound, found: list[Finding], deadline: float) -> None:
        async for finding in probes.run(look.probe, look.params, deadline=deadline):
            await self._record(finding, look.steps, found)

    async def _record(self, finding: Finding, steps: tuple[str, ...], found: list[Finding]) -> None:
        found.append(finding)
        await self._journal.write(EventType.FINDING_RECORDED, finding.key, data=FindingRecorded(finding=finding, steps=steps))

    async def _share(self, look: Look, steps: Sequence[StepPlan], running: asyncio.Task[None]) -> None:
        """Gives a later step the findings of a look that another step already asked for."""
        started = self._clock.monotonic()
        await asyncio.wait([running])
        found = self._found.get(look.identity, [])
        for step in steps:
            for finding in found:
                data = FindingRecorded(finding=finding, steps=(step.id,))
                await self._journal.write(EventType.FINDING_RECORDED, finding.key, "for", step.id, data=data)
            await self._finish(step, found, started=started)

    def _nobody_there(self, look: Look) -> Finding:
        kind = look.kinds[0]
        return Finding(
            probe=look.probe,
            params=look.params,
            vantage=Vantage(kind=kind),
            subject=kind.value,
            round=self._journal.round,
            status=Status.NOT_CHECKED,
            outcome="not-checked",
            sentence=f"Not checked: {_MISSING[kind]}.",
            todo=f"Connect an agent that runs on {kind.value}, or look by hand.",
            started_at=self._clock.now(),
        )

    async def _finish(self, step: StepPlan, found: Sequence[Finding], *, started: float, sentence: str | None = None) -> None:
        data = StepFinished(
            step=step.id,
            status=worst([finding.status for finding in found]),
            sentence=sentence or step_sentence(found),
            duration_s=round(self._clock.monotonic() - started, 3),
        )
        self._finished[step.id] = data.status
        await self._journal.write(EventType.STEP_FINISHED, step.id, data=data)
