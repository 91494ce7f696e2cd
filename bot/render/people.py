"""The steps for a person, before any view shows them: which there are, who found what, and which would tell most."""

from __future__ import annotations

from bot.model.answer import Answer
from bot.model.investigation import Investigation
from bot.render.story import Line, step_lines


def for_people(investigation: Investigation) -> list[Line]:
    """The steps for a person, answered or not."""
    return [line for line in step_lines(investigation) if line.needs_person]


def found_by_people(investigation: Investigation) -> list[Line]:
    """The steps of which a person said that they are not as they should be."""
    return [line for line in for_people(investigation) if line.step.answer and line.step.answer.outcome == Answer.FOUND]


def asked_first(investigation: Investigation) -> list[Line]:
    """The steps for a person that would tell most, and that nobody has answered."""
    wanted = investigation.diagnosis.ask if investigation.diagnosis else ()
    waiting = {line.step.plan.id: line for line in for_people(investigation) if line.step.answer is None}
    return [waiting[step] for step in wanted if step in waiting]


def asks_people(investigation: Investigation) -> bool:
    """Whether the steps for a person are worth a person's time: there is a verdict, and it is no all-clear that nobody doubts,
    neither by naming the playbook nor by an alert that fires."""
    if investigation.diagnosis is None:
        return False
    return not investigation.is_healthy or investigation.opened.playbook is not None or investigation.alerts_fire
