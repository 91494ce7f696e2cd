"""From playbooks to a plan: the steps of a round in order, and the looks that carry them out.

A look is one run of one probe with one set of parameters at one vantage point. Steps that ask for the same look share it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.model.base import Json, Value
from bot.model.events import StepPlan
from bot.model.playbook import Playbook, Step
from bot.model.vantage import VantageKind
from bot.template import fill, fill_command


class Look(Value):
    """One probe run and the steps that wait for it. ``kinds`` are the vantage points it was asked from."""

    probe: str
    params: Json
    kinds: tuple[VantageKind, ...]
    steps: tuple[str, ...]

    @property
    def identity(self) -> tuple[str, str]:
        return self.probe, repr(sorted(self.params.items()))


def plan_steps(playbook: Playbook, values: Mapping[str, str]) -> tuple[StepPlan, ...]:
    """The playbook's steps and its closing checks, as the thread lists them."""
    steps = [_plan(step, playbook.id, values, where=step.vantages[0].value) for step in playbook.steps]
    closing = [
        _plan(
            Step(
                id=check.id,
                title=check.title,
                source=check.source,
                probe=check.probe,
                params=check.params,
                manual=check.manual,
                run=check.run,
            ),
            playbook.id,
            values,
            where=VantageKind.BOT.value,
        )
        for check in playbook.otherwise
    ]
    return (*steps, *closing)


def _plan(step: Step, playbook: str, values: Mapping[str, str], *, where: str) -> StepPlan:
    return StepPlan(
        id=step.id,
        title=step.title,
        playbook=playbook,
        probe=step.probe,
        vantage=where,
        source=step.source,
        manual=None if step.manual is None else fill(step.manual, values),
        run=None if step.run is None else fill_command(step.run, values),
    )


def plan_looks(playbook: Playbook) -> tuple[Look, ...]:
    """The distinct probe runs of a playbook, each with the steps it serves."""
    looks: dict[tuple[str, str], Look] = {}
    wanted: Sequence[tuple[str, str, Json, tuple[VantageKind, ...]]] = [
        *((step.id, step.probe, step.params, step.vantages) for step in playbook.steps if step.probe),
        *((check.id, check.probe, check.params, (VantageKind.BOT,)) for check in playbook.otherwise if check.probe),
    ]
    for step_id, probe, params, kinds in wanted:
        look = Look(probe=probe, params=params, kinds=kinds, steps=(step_id,))
        known = looks.get(look.identity)
        if known is not None:
            merged = tuple(dict.fromkeys((*known.kinds, *kinds)))
            look = known.model_copy(update={"steps": (*known.steps, step_id), "kinds": merged})
        looks[look.identity] = look
    return tuple(looks.values())
