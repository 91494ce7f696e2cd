"""Evidence as lines of text: JSON that a person can read, every value bounded, for whichever view shows it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from bot.model.finding import Finding
from bot.render.chart import CHART, chart_lines
from bot.render.clean import clean, one_line, shorten

VALUE_LIMIT = 400


def finding_lines(finding: Finding) -> Iterator[str]:
    """The raw error and the evidence of one finding, under its subject."""
    if not finding.raw_error and not any(_says_something(key, value) for key, value in finding.evidence.items()):
        return
    yield f"{one_line(finding.subject)}  {one_line(finding.outcome)}"
    if finding.raw_error:
        yield f"  error: {shorten(finding.raw_error, VALUE_LIMIT)}"
    for key, value in finding.evidence.items():
        if _says_something(key, value):
            yield from (f"  {line}" for line in _entry(key, value))


def drawn(finding: Finding) -> list[str]:
    """The finding's chart, a row a line, where it has one."""
    rows = chart_lines(finding.evidence.get(CHART))
    return [one_line(finding.subject), *(f"  {row}" for row in rows)] if rows else []


def _says_something(key: str, value: Any) -> bool:
    """Durations stand beside the sentence; what is empty, unknown or not so is not worth a line at 3 a.m. The report has it
    all. Zero is a number like any other."""
    if key == CHART and chart_lines(value):
        return False  # it is drawn
    nothing = value is None or value is False or (isinstance(value, str | list | tuple | dict) and not value)
    return not nothing and not key.endswith("duration_s")


def _entry(key: str, value: Any) -> Iterable[str]:
    name = shorten(str(key).replace("_", " "), 60)
    if isinstance(value, str) and "\n" in value.strip():
        rows = [shorten(row, VALUE_LIMIT) for row in clean(value).strip().split("\n")]
        more = [f"  … ({len(rows) - 12} more lines)"] if len(rows) > 12 else []
        return [f"{name}:", *(f"  {row}" for row in rows[:12]), *more]
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return [f"{name} {place}: {shorten(_fields(item), VALUE_LIMIT)}" for place, item in enumerate(value, start=1)]
    return [f"{name}: {shorten(_flat(value), VALUE_LIMIT)}"]


_FIRST = ("subject", "names")
"""What a certificate is for: the reason that one is looked at, so nothing may cut it off."""


def _fields(item: dict[str, Any]) -> str:
    """An object on one line, what tells it from others first and what says nothing left out."""
    keys = sorted(item, key=lambda key: _FIRST.index(key) if key in _FIRST else len(_FIRST))
    return "; ".join(f"{key.replace('_', ' ')} {_flat(item[key])}" for key in keys if _says_something(key, item[key]))


def _flat(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(str, value)) or "none"
    return json.dumps(value, ensure_ascii=False, default=str)
