"""Findings: what a probe concluded about one subject."""

from __future__ import annotations

from enum import StrEnum

from bot.ids import digest
from bot.model.base import Json, Moment, Value
from bot.model.vantage import BOT, Vantage


class Status(StrEnum):
    """How one check ended. "Could not look" is never "ok"."""

    OK = "ok"
    PROBLEM = "problem"
    INCONCLUSIVE = "inconclusive"
    NOT_CHECKED = "not-checked"
    NOT_APPLICABLE = "not-applicable"
    ERROR = "error"


_WORST_FIRST = (
    Status.PROBLEM,
    Status.ERROR,
    Status.NOT_CHECKED,
    Status.INCONCLUSIVE,
    Status.OK,
    Status.NOT_APPLICABLE,
)


def worst(statuses: list[Status] | tuple[Status, ...]) -> Status:
    """A step's status from its findings'. A step without findings could not be checked."""
    return next((status for status in _WORST_FIRST if status in statuses), Status.NOT_CHECKED)


class Finding(Value):
    """A probe's result for one subject: an address, a node, an object.

    ``outcome`` is one of those the probe declares; ``sentence`` is what a person reads, one fact, present tense;
    ``raw_error`` the untranslated error beside it; ``todo`` what would make an unchecked thing checkable, or the command
    to run by hand; ``warning`` what would break next, in one sentence, while it still works. All texts are redacted before a
    finding is made into an event.
    """

    probe: str
    params: Json = {}
    vantage: Vantage = BOT
    subject: str
    round: int = 1
    status: Status
    outcome: str
    sentence: str
    evidence: Json = {}
    raw_error: str | None = None
    todo: str | None = None
    warning: str | None = None
    started_at: Moment
    duration_s: float = 0.0

    @property
    def key(self) -> str:
        """What makes it unique in an investigation, and its event's id: probe, params, vantage, subject, round."""
        return finding_key(self.probe, self.params, self.vantage, self.subject, self.round)


def finding_key(probe: str, params: Json, vantage: Vantage, subject: str, round: int) -> str:
    name = f"{probe}~{digest(repr(sorted(params.items())), length=6)}" if params else probe
    return f"{round}/{name}@{vantage}/{subject}"
