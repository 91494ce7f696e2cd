"""The one rule that judges every tool: what its output is worth for one fault; pure.

Two faults are **neighbours that must be told apart** when neither's cause is the other's, nor one that the other's truth says
nobody can tell apart from where the tool runs. Each fault is looked at more than once; a tool's **sign** of a fault are the
normalised lines that every look shows. Where no line stays, there is no sign, and nothing is told apart by it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

# A claim that points to more causes than this names none.
MOST_POINTED = 3


class Mark(StrEnum):
    """What an output is worth, best first. ``WELL`` is for healthy clusters alone."""

    NAMES = "names"
    SEPARATES = "separates"
    SEES = "sees"
    BLIND = "blind"
    MISLEADS = "misleads"
    WELL = "well"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence: what it says, the causes that it points to, and all for which it is so."""

    pattern: re.Pattern[str]
    says: str
    points: frozenset[str]
    true: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A fault's truth. ``acceptable`` are the ids that cannot be told from it from where the tools run."""

    fault: str
    causes: tuple[str, ...]
    acceptable: frozenset[str] = frozenset()

    @property
    def answers(self) -> frozenset[str]:
        return frozenset(self.causes) | self.acceptable

    @property
    def healthy(self) -> bool:
        return self.causes == ("healthy",)

    def neighbour_of(self, other: Case) -> bool:
        return not (self.answers & frozenset(other.causes) or other.answers & frozenset(self.causes))


@dataclass(frozen=True, kw_only=True)
class Look:
    """One run of one tool while a fault was in: normalised lines, and whether the tool reports that something is wrong."""

    lines: frozenset[str]
    complains: bool
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Judged:
    """``same_as`` are the neighbours with the same sign; ``says`` is what names the cause, or what misleads."""

    case: Case
    mark: Mark
    seconds: float
    same_as: tuple[str, ...] = ()
    says: tuple[str, ...] = ()


def judge(cases: Iterable[Case], looks: Mapping[str, Sequence[Look]], claims: Sequence[Claim]) -> list[Judged]:
    """One tool's marks, a case each, in the order given. ``looks`` are by fault; a case without any is left out."""
    seen = [case for case in cases if looks.get(case.fault)]
    signs = {case.fault: sign(looks[case.fault]) for case in seen}
    alike: dict[frozenset[str], list[Case]] = defaultdict(list)
    for case in seen:
        alike[signs[case.fault]].append(case)
    return [_judge(case, looks[case.fault], signs[case.fault], alike, claims) for case in seen]


def sign(looks: Sequence[Look]) -> frozenset[str]:
    """The lines that every look shows."""
    return frozenset.intersection(*(look.lines for look in looks))


def _judge(
    case: Case,
    looks: Sequence[Look],
    shown: frozenset[str],
    alike: Mapping[frozenset[str], Sequence[Case]],
    claims: Sequence[Claim],
) -> Judged:
    said = frozenset().union(*(look.lines for look in looks))
    made = [claim for claim in claims if any(claim.pattern.search(line) for line in said)]
    same = tuple(sorted(other.fault for other in alike[shown] if case.neighbour_of(other)))
    named = [claim for claim in made if claim.points & case.answers and len(claim.points) <= MOST_POINTED]
    alone = bool(shown) and not same
    holding = [claim for claim in made if claim.true & case.answers]
    false = [claim for claim in made if claim not in holding]
    mark, says = _mark(case, any(look.complains for look in looks), alone, named, false, bool(holding))
    return Judged(
        case=case,
        mark=mark,
        seconds=max(look.seconds for look in looks),
        same_as=same if mark in (Mark.SEES, Mark.BLIND) else (),
        says=tuple(claim.says for claim in says),
    )


def _mark(
    case: Case, complains: bool, alone: bool, named: Sequence[Claim], false: Sequence[Claim], holding: bool
) -> tuple[Mark, Sequence[Claim]]:
    if case.healthy:
        return (Mark.MISLEADS, false) if false or (complains and not holding) else (Mark.WELL, ())
    if false:
        return Mark.MISLEADS, false
    if not complains:
        return Mark.BLIND, ()
    if not alone:
        return Mark.SEES, ()
    return (Mark.NAMES, named) if named else (Mark.SEPARATES, ())
