"""One diagnosis line: do changes of these kinds lie in this window around the onset?

Neither end is exact. The onset is an interval, a change has a precision; the line matches if any pair of points of the two
satisfies the window. "No" is only said when it was possible to see a change: a kind that nothing records, or an onset that
is only the moment of asking, makes the line not-checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase

from bot.clock import stamp
from bot.diagnosis.onset import is_measured_or_stated
from bot.model.change import CHANGE_KINDS, Change, Onset
from bot.model.diagnosis import Correlation, CorrelationResult
from bot.model.playbook import CorrelationLine, Direction

MAX_CHANGES = 10
"""How many changes a result carries, the nearest to the onset first; an event has a bounded size."""


def correlate(
    *,
    line: CorrelationLine,
    playbook: str,
    onset: Onset | None,
    changes: Sequence[Change],
    recorded_kinds: frozenset[str],
) -> Correlation:
    """The line's result. ``changes`` may be of any kind and time; ``recorded_kinds`` are those that some source watches."""
    build = _Builder(line=line, playbook=playbook)
    candidates = [change for change in changes if change.kind in line.changes and _about(line.subject, change.subject)]
    if onset is not None:
        for length, widened in _tries(line):
            found = [change for change in candidates if _inside(change, onset, line.window.direction, length)]
            if found:
                return build.match(found, onset, length, widened=widened)
    unrecorded = [kind for kind in line.changes if kind not in recorded_kinds]
    if unrecorded:
        return build.not_checked(f"Nothing records {_listed(unrecorded)} here.", _how_recorded(unrecorded))
    if onset is None or not is_measured_or_stated(onset):
        return build.not_checked(
            "No change fits the moment of asking, and when the failures began is not known.",
            "Say since when it fails, and the line is looked at again.",
        )
    return build.no_match(onset)


def _about(glob: str | None, subject: str) -> bool:
    return glob is None or fnmatchcase(subject, glob)


def _tries(line: CorrelationLine) -> list[tuple[timedelta, bool]]:
    window = line.window
    return [(window.length, False)] + ([(window.widen, True)] if window.widen is not None else [])


def _inside(change: Change, onset: Onset, direction: Direction, length: timedelta) -> bool:
    """Whether some point of the change's time and some point of the onset are as the window says."""
    precision = timedelta(seconds=change.precision_s)
    earliest = change.at - precision - onset.first_bad
    latest = change.at + precision - (onset.last_good or onset.first_bad)
    low = timedelta(0) if direction is Direction.AFTER else -length
    high = timedelta(0) if direction is Direction.BEFORE else length
    return earliest <= high and latest >= low


@dataclass(frozen=True, kw_only=True)
class _Builder:
    line: CorrelationLine
    playbook: str

    def match(self, found: list[Change], onset: Onset, length: timedelta, *, widened: bool) -> Correlation:
        nearest = sorted(found, key=lambda change: (abs(change.at - onset.first_bad), change.kind, change.subject))
        first = nearest[0]
        title = CHANGE_KINDS[first.kind].title if first.kind in CHANGE_KINDS else first.kind
        who = f" by {first.who}" if first.who else ""
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        when = _relative(first.at - onset.first_bad)
        return self._result(
            CorrelationResult.MATCH_AFTER_WIDENING if widened else CorrelationResult.MATCH,
            length,
            widened=widened,
            changes=tuple(nearest[:MAX_CHANGES]),
            sentence=f"{_upper(title)}: {first.subject} at {stamp(first.at)}{who}, {when}{more}.",
        )

    def no_match(self, onset: Onset) -> Correlation:
        length, widened = _tries(self.line)[-1]
        return self._result(
            CorrelationResult.NO_MATCH,
            length,
            widened=widened,
            sentence=f"No such change {self._window(length)} the first failure at {stamp(onset.first_bad)}.",
        )

    def not_checked(self, sentence: str, todo: str) -> Correlation:
        return self._result(CorrelationResult.NOT_CHECKED, self.line.window.length, widened=False, sentence=sentence, todo=todo)

    def _window(self, length: timedelta) -> str:
        return f"within {duration(length)} {self.line.window.direction.value}"

    def _result(
        self,
        result: CorrelationResult,
        length: timedelta,
        *,
        widened: bool,
        sentence: str,
        changes: tuple[Change, ...] = (),
        todo: str | None = None,
    ) -> Correlation:
        return Correlation(
            id=self.line.id,
            title=self.line.title,
            playbook=self.playbook,
            source=self.line.source,
            kinds=self.line.changes,
            result=result,
            window=f"{self.line.window.direction.value} {duration(length)}",
            widened=widened,
            changes=changes,
            sentence=sentence,
            todo=todo,
        )


def duration(span: timedelta) -> str:
    """As playbooks write it: ``90s``, ``2m``, ``1h30m``, ``2d``; whole seconds."""
    rest = int(abs(span).total_seconds())
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _relative(offset: timedelta) -> str:
    span = duration(offset)
    if span == "0s":
        return "at the first failure"
    return f"{span} {'before' if offset < timedelta(0) else 'after'} the first failure"


def _how_recorded(kinds: list[str]) -> str:
    ways = [CHANGE_KINDS[kind].recorded_by if kind in CHANGE_KINDS else "a change source for it" for kind in kinds]
    return f"What would record it: {'; '.join(dict.fromkeys(ways))}."


def _listed(kinds: list[str]) -> str:
    titles = [CHANGE_KINDS[kind].title if kind in CHANGE_KINDS else kind for kind in kinds]
    return " or ".join(f"“{title}”" for title in titles)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
