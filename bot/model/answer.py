"""What a person answered to a manual step, and the finding that it is.

An answer is evidence like a probe's: it has a status and an outcome, it is folded into its step, and causes weigh it. What
differs is the vantage point: a person's word, with who said it and when.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from bot.model.base import Json, Moment, Value
from bot.model.finding import Finding, Status
from bot.model.vantage import Vantage, VantageKind

MANUAL = "manual-step"
"""Stands for the probe in a finding that is a person's answer; its subject is the step's id."""

LONGEST_NOTE = 1_000
"""Characters of a note: more than this is a report, and belongs elsewhere."""

PERSON = Vantage(kind=VantageKind.PERSON)


class Answer(StrEnum):
    """What the three buttons of a manual step say; and the one beside an answer, which takes it back."""

    LOOKS_OK = "looks-ok"
    FOUND = "found"
    SKIPPED = "skipped"
    TAKEN_BACK = "taken-back"


WEIGHABLE = (Answer.LOOKS_OK, Answer.FOUND)
"""Those that say something about the cluster, and so may be evidence."""


class ManualAnswered(Value):
    """Data of ``manual-answered``. ``number`` counts the answers to this step that the message had shown: of two people who
    answer at once one is heard. ``key`` names the click, so that one which is told again is known."""

    step: str
    answer: Answer
    who: str
    name: str | None = None
    note: str = ""
    since: Moment | None = None
    number: int = 0
    key: str | None = None

    @property
    def called(self) -> str:
        """Whom to name where an id says nothing."""
        return self.name or self.who


_STATUS = {Answer.LOOKS_OK: Status.OK, Answer.FOUND: Status.PROBLEM, Answer.SKIPPED: Status.NOT_CHECKED}


def finding_of(told: ManualAnswered, *, round: int, at: datetime) -> Finding:
    """The answer as a finding. One that was taken back is none."""
    evidence: Json = {"who": told.who, "name": told.name, "note": told.note or None}
    if told.since is not None:
        evidence["since"] = told.model_dump(mode="json")["since"]
    return Finding(
        probe=MANUAL,
        vantage=PERSON,
        subject=told.step,
        round=round,
        status=_STATUS[told.answer],
        outcome=told.answer.value,
        sentence=_sentence(told),
        evidence=evidence,
        started_at=at,
    )


def _sentence(told: ManualAnswered) -> str:
    if told.answer is Answer.LOOKS_OK:
        return f"{told.called} looked, and it is so."
    if told.answer is Answer.SKIPPED:
        return f"Skipped by {told.called}."
    return f"{told.called} found: {told.note}" if told.note else f"{told.called} looked, and it is not so."


def is_answer(finding: Finding) -> bool:
    return finding.vantage.kind is VantageKind.PERSON
