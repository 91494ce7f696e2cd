"""Words, times and durations as every view says them. Times are UTC with their zone, whatever machine renders them."""

from __future__ import annotations

from bot.clock import utc
from bot.diagnosis.onset import ASKED
from bot.model.change import Change, Onset
from bot.model.diagnosis import Confidence, CorrelationResult, Verdict
from bot.model.finding import Status

STATUS_WORDS = {
    Status.OK: "ok",
    Status.PROBLEM: "problem",
    Status.INCONCLUSIVE: "inconclusive",
    Status.NOT_CHECKED: "not checked",
    Status.NOT_APPLICABLE: "not applicable",
    Status.ERROR: "error",
}
STATUS_MARKS = {
    Status.OK: "✓",
    Status.PROBLEM: "✗",
    Status.INCONCLUSIVE: "~",
    Status.NOT_CHECKED: "?",
    Status.NOT_APPLICABLE: "-",
    Status.ERROR: "!",
}
RESULT_WORDS = {
    CorrelationResult.MATCH: "match",
    CorrelationResult.MATCH_AFTER_WIDENING: "match after widening",
    CorrelationResult.NO_MATCH: "no match",
    CorrelationResult.NOT_CHECKED: "not checked",
}
RESULT_MARKS = {
    CorrelationResult.MATCH: "✗",
    CorrelationResult.MATCH_AFTER_WIDENING: "✗",
    CorrelationResult.NO_MATCH: "-",
    CorrelationResult.NOT_CHECKED: "?",
}
VERDICT_WORDS = {Verdict.CAUSE: "Verdict", Verdict.HEALTHY: "Healthy", Verdict.INCONCLUSIVE: "Inconclusive"}
VERDICT_MARKS = {Verdict.CAUSE: "✗", Verdict.HEALTHY: "✓", Verdict.INCONCLUSIVE: "?"}
NOT_AN_ALL_CLEAR = "No cause can be named from what was seen. This is not an all-clear."


def duration(seconds: float) -> str:
    """``12 ms``, ``0.4 s``, ``12 s``, ``1 min 12 s``, ``2 h 5 min``."""
    if seconds < 0.1:
        return f"{round(max(seconds, 0) * 1000)} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole, 60, "min", "s")
    return _two(whole // 60, 60, "h", "min")


def milliseconds(seconds: float) -> str:
    """As the grid shows it: whole milliseconds below a second, else as ``duration``."""
    return f"{round(max(seconds, 0) * 1000)} ms" if seconds < 0.9995 else duration(seconds)


def _two(value: int, unit: int, big: str, small: str) -> str:
    major, minor = divmod(value, unit)
    return f"{major} {big} {minor} {small}" if minor else f"{major} {big}"


_ONSET_SOURCES = {"stated": "stated by a person", "alert": "the alert", "heartbeat": "the heartbeat"}


def since(onset: Onset) -> str:
    """When the failures began, with its source: an interval when both ends are known. Asking is not an onset."""
    if onset.source == ASKED:
        return f"not known; it was first asked about at {utc(onset.first_bad)}"
    source = _ONSET_SOURCES.get(onset.source, onset.source)
    if onset.last_good is None:
        return f"{utc(onset.first_bad)} or earlier (source: {source})"
    return f"between {utc(onset.last_good)} and {utc(onset.first_bad)} (source: {source})"


def change(item: Change) -> str:
    """One change on one line: when, what, who."""
    what = item.what or item.kind.replace("-", " ")
    who = f" by {item.who}" if item.who else ""
    return f"{utc(item.at)}  {item.subject}: {what}{who} (source: {item.source})"


def confidence(level: Confidence) -> str:
    return f"{level.value} confidence"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """``1 step``, ``4 steps``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
