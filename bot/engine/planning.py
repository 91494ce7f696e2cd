"""From playbooks to a plan: the steps of a round in order, and the looks that carry them out.

A look is one run of one probe with one set of parameters from one kind of vantage point. Steps that ask for the same look
share it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.model.base import Json, Value
from bot.model.events import StepPlan
from bot.model.playbook import Playbook, Step
from bot.model.vantage import VantageKind
from bot.template import fill, fill_command


class Look(Value):
    """One run of a probe from one kind of vantage point."""

    probe: str
    params: Json
    kind: VantageKind

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.probe, repr(sorted(self.params.items())), self.kind.value


def plan_steps(playbook: Playbook, values: Mapping[str, str]) -> tuple[StepPlan, ...]:
    """The playbook's steps and its closing checks, as the thread lists them."""
    return tuple(
        StepPlan(
            id=step.id,
            title=step.title,
            playbook=playbook.id,
            probe=step.probe,
            vantage=step.vantages[0].value,
            source=step.source,
            manual=None if step.manual is None else fill(step.manual, values),
            run=None if step.run is None else fill_command(step.run, values),
        )
        for step in _steps(playbook)
    )


def plan_looks(playbook: Playbook) -> dict[str, tuple[Look, ...]]:
    """The looks of every step that has a probe, by the step's id."""
    return {
        step.id: tuple(Look(probe=step.probe, params=step.params, kind=kind) for kind in dict.fromkeys(step.vantages))
        for step in _steps(playbook)
        if step.probe
    }


def _steps(playbook: Playbook) -> Iterator[Step]:
    """The steps, then the closing checks as steps at the bot's own vantage point."""
    yield from playbook.steps
    for check in playbook.otherwise:
        yield Step(
            id=check.id,
            title=check.title,
            source=check.source,
            probe=check.probe,
            params=check.params,
            manual=check.manual,
            run=check.run,
        )
