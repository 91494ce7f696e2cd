"""Whose clock is wrong, as far as the servers' `Date` headers tell it; pure.

A header has whole seconds and was written somewhere between the request and its answer, so that each answer gives an interval and
no number. Up to a minute nothing breaks: that is the leeway that API servers give to a token's dates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from bot.model.base import Json, Value
from bot.model.finding import Status
from bot.model.observation import HttpAnswer
from bot.probes._shared.tls import server_time
from bot.probes._shared.words import ago, listed

OUTCOMES = {
    "clocks-agree": "every server's clock agrees with this machine's, to a minute",
    "own-clock-off": "several servers agree with each other and not with this machine: its clock is the wrong one",
    "a-server-s-clock-off": "the servers' clocks disagree with each other",
    "clocks-differ": "the one server that tells its time does not agree with this machine; whose clock is wrong is not told",
    "time-not-told": "no server answers with its time",
    "not-reached": "the name gives no address, or no address answers HTTP",
}
STATUS = {
    "clocks-agree": Status.OK,
    "time-not-told": Status.NOT_APPLICABLE,
    "not-reached": Status.NOT_APPLICABLE,
}
LEEWAY_S = 60.0
NOTABLE_S = 10.0
"""From here on a difference that breaks nothing yet is warned of."""


class Offset(Value):
    """By how many seconds a server's clock is ahead of this machine's: no less than ``least`` and no more than ``most``."""

    least: float
    most: float

    @property
    def middle(self) -> float:
        return (self.least + self.most) / 2

    def differs(self, other: Offset | None = None, *, by: float = LEEWAY_S) -> bool:
        """Whether the two clocks, or this machine's and this one, are surely so far apart."""
        low, high = (other.least, other.most) if other else (0.0, 0.0)
        return self.least - high > by or low - self.most > by


class Verdict(Value):
    """An outcome, its sentence and what it warns of."""

    outcome: str
    says: str
    warning: str | None = None


def offset(answer: HttpAnswer) -> Offset | None:
    """From one answer; None where it has no time."""
    told = server_time(answer)
    if told is None:
        return None
    before = sum(float(answer.phases.get(phase, 0.0)) for phase in ("connect", "tls"))
    after = before + sum(float(answer.phases.get(phase, 0.0)) for phase in ("send", "wait"))
    return Offset(least=(told - _at(answer, after)).total_seconds(), most=(told - _at(answer, before)).total_seconds() + 1.0)


def _at(answer: HttpAnswer, seconds: float) -> datetime:
    return answer.started_at + timedelta(seconds=seconds)


def offsets(answers: Mapping[str, Sequence[HttpAnswer]]) -> dict[str, list[Offset]]:
    """What each place's answers say; several servers may share a place."""
    found = {place: [one for one in map(offset, said) if one is not None] for place, said in answers.items()}
    return {place: said for place, said in found.items() if said}


def judge(found: Mapping[str, Sequence[Offset]], *, synchronised: bool | None) -> Verdict:
    """The outcome of all places' answers. ``synchronised`` is what this machine's kernel says of its own clock."""
    every = [(place, one) for place, said in found.items() for one in said]
    if not every:
        return Verdict(outcome="time-not-told", says="No server answers with its time")
    off = {place: one for place, one in every if one.differs()}
    apart = any(one.differs(other) for _, one in every for _, other in every)
    hint = "" if synchronised is not False else "; its kernel says that nothing synchronises it"
    if apart:
        wrong = listed([f"{place} by {_span(one)}" for place, one in off.items()])
        return Verdict(
            outcome="a-server-s-clock-off", says=f"The servers' clocks disagree; from this machine's differ {wrong}{hint}"
        )
    if not off:
        widest = max((one for _, one in every), key=lambda one: abs(one.middle))
        says = f"{_number(found)} agrees with this machine's clock to a minute; the furthest is {_span(widest)}"
        warning = None
        if widest.differs(by=NOTABLE_S):
            warning = f"This machine's clock and a server's are {_span(widest)}; from a minute on fresh tokens are refused."
        return Verdict(outcome="clocks-agree", says=says, warning=warning)
    one = next(iter(off.values()))
    if len(found) > 1:
        says = f"This machine's clock is wrong: {len(found)} places agree with each other, and are {_span(one)} of it{hint}"
        return Verdict(outcome="own-clock-off", says=says)
    hint = hint or ("; its kernel says that its own is synchronised" if synchronised else "")
    says = f"{next(iter(off))} is {_span(one)} of this machine's clock; whose is wrong is not told{hint}"
    return Verdict(outcome="clocks-differ", says=says)


def _number(found: Mapping[str, Sequence[Offset]]) -> str:
    return next(iter(found)) if len(found) == 1 else f"Each of {len(found)} places"


def _span(one: Offset) -> str:
    """``3 min ahead``, ``40 s behind``."""
    return f"{ago(timedelta(seconds=one.middle))} {'ahead' if one.middle >= 0 else 'behind'}"


def evidence(found: Mapping[str, Sequence[Offset]], *, synchronised: bool | None) -> Json:
    """Each place's bounds in seconds; positive means that the server is ahead."""
    return {
        "ahead_s": {place: [[round(one.least, 1), round(one.most, 1)] for one in said] for place, said in found.items()},
        "own_clock_synchronised": synchronised,
    }
