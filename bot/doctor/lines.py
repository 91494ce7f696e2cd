"""What the doctor says: one line a check, with its status and, where there is something to mend, the remedy."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from bot.model.base import Json, Value
from bot.model.finding import Status
from bot.redact import Redactor
from bot.render.clean import clean
from bot.render.phrases import STATUS_MARKS, STATUS_WORDS
from bot.render.terminal import Paint

SCHEMA = "apidown-doctor/v1"

_GOOD = (Status.OK, Status.NOT_APPLICABLE)
_STYLES = {Status.OK: "ok", Status.PROBLEM: "problem", Status.ERROR: "problem", Status.NOT_APPLICABLE: "dim"}
_WIDTH = 130
_MARKS = "  {} {:<14}  "


class Line(Value):
    """One check. ``subject`` is empty, or the cluster or channel that it is about; ``remedy`` is empty when all is well, and
    for what cannot be looked at before another line is mended."""

    check: str
    subject: str = ""
    status: Status
    sentence: str
    remedy: str = ""

    @property
    def title(self) -> str:
        return f"{self.subject}: {self.check}" if self.subject else self.check


def all_is_well(lines: Sequence[Line]) -> bool:
    """Nothing is to be mended, and nothing was left unchecked."""
    return all(line.status in _GOOD for line in lines)


def redacted(lines: Sequence[Line], redactor: Redactor) -> list[Line]:
    """The same lines without secrets: servers and files may say anything."""
    return [
        Line.model_validate(line.model_dump() | redactor.value({"sentence": line.sentence, "remedy": line.remedy}))
        for line in lines
    ]


def as_text(lines: Sequence[Line], *, paint: Paint) -> str:
    """For a terminal: mark, word, check, sentence; the remedy below."""
    width = max((len(line.title) for line in lines), default=0)
    told = "\n".join(_text(line, width, paint) for line in lines)
    return f"{told}\n\n{_summary(lines)}"


def as_json(lines: Sequence[Line]) -> Json:
    """The schema ``apidown-doctor/v1``; fields may be added, none is removed or changes its meaning."""
    return {"schema": SCHEMA, "ok": all_is_well(lines), "checks": [line.model_dump(mode="json") for line in lines]}


def _text(line: Line, width: int, paint: Paint) -> str:
    head = _MARKS.format(STATUS_MARKS[line.status], STATUS_WORDS[line.status])
    indent = " " * (len(head) + width + 2)
    body = _wrapped(line.sentence, indent)
    shown = f"{paint(head, _STYLES.get(line.status, 'doubt'))}{line.title:<{width}}  {body.lstrip()}"
    return f"{shown}\n{_wrapped(f'Next: {line.remedy}', indent)}" if line.remedy else shown


def _wrapped(text: str, indent: str) -> str:
    """Long sentences are broken, commands are not: a command that was cut cannot be copied."""
    room = max(_WIDTH - len(indent), 50)
    broken = (
        textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False) or [""] for line in clean(text).splitlines()
    )
    return "\n".join(f"{indent}{line}" for lines in broken for line in lines)


def _summary(lines: Sequence[Line]) -> str:
    if all_is_well(lines):
        return f"All is well: {len(lines)} checks."
    count = sum(line.status not in _GOOD for line in lines)
    asks = "asks" if count == 1 else "ask"
    return f"{count} of {len(lines)} checks {asks} for something: do what stands behind Next, then run the doctor again."
