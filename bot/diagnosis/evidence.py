"""Weighs one cause: which of its lines hold, which cannot be judged, and what that comes to in points.

A line counts only if something was conclusively seen. What was not looked at, or looked at in vain, is neither for nor
against: it is named as unchecked, because that is where the next look belongs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType

from bot.diagnosis.ladder import CONCLUSIVE, UNCONFIGURED
from bot.model.answer import MANUAL
from bot.model.diagnosis import Correlation, CorrelationResult
from bot.model.finding import Finding, Status
from bot.model.playbook import Cause, EvidenceLine, Match, Weight

_OUT_OF_REACH = "not-reached"
"""What is found where the layer below fails: of such a place nothing is known, and what holds elsewhere does not hold there."""

WIDENED_SHARE = 0.5
"""A match that needed the wider window weighs half: the wider one looks, the more one finds."""


_NOBODY: Mapping[str, str] = MappingProxyType({})


class Standing(Enum):
    """How one line of evidence stands."""

    HOLDS = auto()
    HOLDS_WIDENED = auto()
    FAILS = auto()
    UNKNOWN = auto()


_SHARE: Mapping[Standing, float] = {Standing.HOLDS: 1.0, Standing.HOLDS_WIDENED: WIDENED_SHARE}


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """One cause against the facts. ``supporting`` and ``opposing`` are the lines that hold. ``ask`` are the manual steps whose
    answer it waits for."""

    cause: Cause
    score: float
    supporting: tuple[EvidenceLine, ...]
    opposing: tuple[EvidenceLine, ...]
    unchecked: tuple[str, ...]
    ask: tuple[str, ...] = ()

    @property
    def is_decided(self) -> bool:
        """Decisive evidence for it, and nothing strong against it."""
        return any(line.weight is Weight.DECISIVE for line in self.supporting) and all(
            line.weight is Weight.WEAK for line in self.opposing
        )


def weigh(
    cause: Cause, findings: Sequence[Finding], correlations: Sequence[Correlation], by_hand: Mapping[str, str] = _NOBODY
) -> Weighed:
    """Points for, minus points against. ``findings`` are those that may be trusted; ``by_hand`` the manual steps that somebody
    is asked to look at, with their titles."""
    lines_for = [(line, standing(line, findings, correlations)) for line in cause.evidence_for]
    lines_against = [(line, standing(line, findings, correlations)) for line in cause.evidence_against]
    return Weighed(
        cause=cause,
        score=_points(lines_for) - _points(lines_against),
        supporting=tuple(line for line, how in lines_for if how in _SHARE),
        opposing=tuple(line for line, how in lines_against if how in _SHARE),
        unchecked=_unchecked([*lines_for, *lines_against], findings, correlations, by_hand),
        ask=_ask([*lines_for, *lines_against], by_hand),
    )


def _ask(lines: Iterable[tuple[EvidenceLine, Standing]], by_hand: Mapping[str, str]) -> tuple[str, ...]:
    wanted = [line.step for line, how in lines if line.step is not None and how is Standing.UNKNOWN]
    return tuple(dict.fromkeys(step for step in wanted if step in by_hand))


def sayings(lines: Iterable[EvidenceLine], findings: Sequence[Finding]) -> tuple[str, ...]:
    """What the lines say, with the person's own words where it is a person's answer."""
    return tuple(f"{line.says}{_word(line, findings)}" for line in lines)


_LONGEST_WORD = 240


def _word(line: EvidenceLine, findings: Sequence[Finding]) -> str:
    told = _about(line, findings) if line.step is not None else []
    if not told:
        return ""
    word = told[0].sentence.rstrip(".")
    return f" ({word if len(word) <= _LONGEST_WORD else word[: _LONGEST_WORD - 1] + '…'})"


def standing(line: EvidenceLine, findings: Sequence[Finding], correlations: Sequence[Correlation]) -> Standing:
    """How one line stands. Without anything conclusive it is unknown."""
    if line.probe is None and line.step is None:
        return _standing_of_change(line, correlations)
    seen = [finding for finding in _about(line, findings) if _tells(line, finding)]
    if not seen:
        return Standing.UNKNOWN
    if line.match in (Match.EVERY, Match.NONE) and any(finding.outcome == _OUT_OF_REACH for finding in _about(line, findings)):
        return Standing.FAILS
    return Standing.HOLDS if _matches(line, seen) else Standing.FAILS


def _about(line: EvidenceLine, findings: Iterable[Finding]) -> list[Finding]:
    if line.step is not None:
        return [f for f in findings if f.probe == MANUAL and f.subject == line.step]
    return [f for f in findings if f.probe == line.probe and line.vantage in (None, f.vantage.kind)]


def _tells(line: EvidenceLine, finding: Finding) -> bool:
    """What is not applicable says nothing, unless the line asks for just that: an address that was given cannot be DNS's."""
    return finding.status in CONCLUSIVE or (finding.status is Status.NOT_APPLICABLE and finding.outcome in line.outcomes)


def _matches(line: EvidenceLine, seen: Sequence[Finding]) -> bool:
    wanted = line.outcomes if line.answer is None else (line.answer,)
    hits = [finding.outcome in wanted for finding in seen]
    match line.match:
        case Match.ANY:
            return any(hits)
        case Match.ALL | Match.EVERY:
            return all(hits)
        case Match.NONE:
            return not any(hits)
        case Match.MIXED:
            return any(_is_mixed(line, seen, str(finding.vantage)) for finding in seen)


def _is_mixed(line: EvidenceLine, seen: Sequence[Finding], vantage: str) -> bool:
    """Some and not all, from one and the same vantage point: two that disagree are another matter."""
    hits = [finding.outcome in line.outcomes for finding in seen if str(finding.vantage) == vantage]
    return any(hits) and not all(hits)


def _standing_of_change(line: EvidenceLine, correlations: Sequence[Correlation]) -> Standing:
    results = {_result(line, correlation) for correlation in correlations if line.change in correlation.kinds}
    results.discard(None)
    if not results - {CorrelationResult.NOT_CHECKED}:
        return Standing.HOLDS if line.result == CorrelationResult.NOT_CHECKED and results else Standing.UNKNOWN
    if line.result == CorrelationResult.MATCH and CorrelationResult.MATCH in results:
        return Standing.HOLDS
    if line.result in (CorrelationResult.MATCH, CorrelationResult.MATCH_AFTER_WIDENING):
        return Standing.HOLDS_WIDENED if CorrelationResult.MATCH_AFTER_WIDENING in results else Standing.FAILS
    return (
        Standing.HOLDS
        if results == {CorrelationResult.NO_MATCH} and line.result == CorrelationResult.NO_MATCH
        else Standing.FAILS
    )


def _result(line: EvidenceLine, correlation: Correlation) -> CorrelationResult | None:
    """The correlation's result as far as it is about this kind; None when another of its kinds matched."""
    if correlation.changes and all(change.kind != line.change for change in correlation.changes):
        return None
    return correlation.result


def _points(lines: Iterable[tuple[EvidenceLine, Standing]]) -> float:
    return sum(line.weight.points * _SHARE.get(how, 0.0) for line, how in lines)


def _unchecked(
    lines: Iterable[tuple[EvidenceLine, Standing]],
    findings: Sequence[Finding],
    correlations: Sequence[Correlation],
    by_hand: Mapping[str, str],
) -> tuple[str, ...]:
    """What would have to be looked at for this cause, each missing look once. A layer that cannot be reached because the one
    below it fails is not missing: it is explained."""
    texts: dict[str, None] = {}
    seen: set[tuple[str | None, str | None]] = set()
    for line, how in lines:
        place = None if line.vantage is None else line.vantage.value
        about = (line.probe or line.change or line.step, place)
        if how is not Standing.UNKNOWN or about in seen:
            continue
        seen.add(about)
        if line.step is not None:
            text = f"For a person: {_lower(by_hand[line.step])}" if line.step in by_hand else None
        else:
            text = _why_of_change(line, correlations) if line.probe is None else _why(line, findings, place)
        if text is not None:
            texts[text] = None
    return tuple(texts)


def _why(line: EvidenceLine, findings: Sequence[Finding], place: str | None) -> str | None:
    looked = _about(line, findings)
    blocked = [f for f in looked if f.status is not Status.NOT_APPLICABLE and f.outcome not in UNCONFIGURED]
    if blocked:
        return blocked[0].todo or blocked[0].sentence
    if looked:
        return None
    where = f" from {place}" if place else ""
    return f"Not looked at{where}: whether {_lower(line.says).rstrip('.')} ({line.probe})"


def _why_of_change(line: EvidenceLine, correlations: Sequence[Correlation]) -> str | None:
    """Only for kinds that a diagnosis line asks about; a playbook that does not look at them misses nothing."""
    asked = [correlation for correlation in correlations if line.change in correlation.kinds]
    return next((correlation.todo or correlation.sentence for correlation in asked), None)


def _lower(text: str) -> str:
    """As the middle of a sentence; ``TCP`` and ``DNS`` stay as they are."""
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2].isspace() else text
