"""What a later diagnosis says that the one before did not, in words: a revision that says nothing new is none to a reader."""

from __future__ import annotations

from collections.abc import Iterator

from bot.model.diagnosis import Diagnosis, RankedCause, Verdict

MOST = 4
"""Lines: whoever wants all of it reads the verdict."""


def what_is_new(before: Diagnosis, after: Diagnosis) -> tuple[str, ...]:
    """What is new, most important first; where nothing is, what was new last, because a reader may have seen neither."""
    return tuple(_new(before, after))[:MOST] or before.revised


def _new(before: Diagnosis, after: Diagnosis) -> Iterator[str]:
    first, former = _lead(after), _lead(before)
    if _gist(before) != _gist(after):
        yield f"It was: {_described(before)}"
    known = {cause.id: cause for cause in before.causes}
    if first is not None and after.verdict is Verdict.CAUSE:
        old = known.get(first.id)
        yield from (text for text in first.evidence_for if old is None or text not in old.evidence_for)
        yield from (f"Against it: {text}" for text in first.evidence_against if old is None or text not in old.evidence_against)
    still = next((cause for cause in after.causes if former is not None and cause.id == former.id), None)
    if still is not None and former is not None and first is not None and still.id != first.id:
        yield from (f"Against {_name(still)}: {text}" for text in still.evidence_against if text not in former.evidence_against)


def _lead(diagnosis: Diagnosis) -> RankedCause | None:
    return diagnosis.causes[0] if diagnosis.causes else None


def _gist(diagnosis: Diagnosis) -> tuple[object, ...]:
    lead = _lead(diagnosis)
    if lead is None:
        return (diagnosis.verdict,)
    return (diagnosis.verdict, lead.id, lead.confidence, frozenset(lead.tied_with))


def _described(diagnosis: Diagnosis) -> str:
    lead = _lead(diagnosis)
    if diagnosis.verdict is not Verdict.CAUSE or lead is None:
        return diagnosis.verdict.value
    tied = f", tied with {len(lead.tied_with)} more" if lead.tied_with else ""
    return f"{_name(lead)}, {lead.confidence.value} confidence{tied}"


def _name(cause: RankedCause) -> str:
    """A title is a sentence's beginning; here it stands inside one."""
    return cause.title.rstrip(".")
