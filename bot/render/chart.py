"""Numbers of a finding as a small picture in block characters: how values went, or how long the phases of a request took.

The form is that of ``evidence["chart"]`` in docs/architecture.md. What does not have it is not drawn, and is shown as any
other evidence is: a picture that guesses would be believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from bot.model.base import Moment, Value
from bot.render.clean import shorten

CHART = "chart"
"""The key of the evidence that has one."""

COLUMNS = 30
"""As wide as a phone shows without breaking the row, with a label before it and a number behind."""

_BLOCKS = "▁▂▃▄▅▆▇█"
_NOTHING = "·"

Unit = Literal["s", "/s", "%", ""]
Label = Field(min_length=1, max_length=24)
Number = Annotated[float, Field(allow_inf_nan=False)]


class History(Value):
    """How one value went. ``worst`` says which end is bad: where columns are fewer than numbers, the worst is drawn."""

    label: str = Label
    unit: Unit = ""
    values: tuple[Number | None, ...] = Field(min_length=1, max_length=60)
    from_: Moment = Field(alias="from")
    to: Moment
    worst: Literal["high", "low"] = "high"


class Phase(Value):
    """One operation of several that follow each other; ``ended`` is false for one that was given up."""

    label: str = Label
    unit: Unit = "s"
    start: Number = Field(ge=0)
    length: Number = Field(ge=0)
    ended: bool = True


_FORM: TypeAdapter[tuple[History, ...] | tuple[Phase, ...]] = TypeAdapter(tuple[History, ...] | tuple[Phase, ...])
_MOST_ROWS = 8


def chart_lines(chart: Any) -> list[str]:
    """The picture, a row a line; empty when it is no chart."""
    if not isinstance(chart, list | tuple) or not 0 < len(chart) <= _MOST_ROWS:
        return []
    try:
        rows = _FORM.validate_python(tuple(chart), strict=False)
    except ValidationError:
        return []
    wide = max(len(shorten(row.label, 24)) for row in rows)
    histories = [row for row in rows if isinstance(row, History)]
    if histories:
        return [*(_history(row, wide) for row in histories), *_spans(histories, wide)]
    phases = [row for row in rows if isinstance(row, Phase)]
    whole = max(row.start + row.length for row in phases) or 1.0
    return [_phase(row, wide, whole) for row in phases]


def _history(row: History, wide: int) -> str:
    known = [value for value in row.values if value is not None]
    drawn = _columns(row.values, row.worst)
    most = max([*known, 0.0])
    picture = "".join(_NOTHING if value is None else _block(value, most) for value in drawn)
    label = shorten(row.label, 24).ljust(wide)
    if not known:
        return f"{label}  {picture}  no values"
    extreme = f"least {amount(min(known), row.unit)}" if row.worst == "low" else f"most {amount(max(known), row.unit)}"
    last = "nothing" if row.values[-1] is None else amount(row.values[-1], row.unit)
    return f"{label}  {picture}  last {last}, {extreme}"


def _columns(values: Sequence[float | None], worst: str) -> list[float | None]:
    """At most ``COLUMNS`` values: of those that share a column the worst, and a gap only where nothing was known."""
    columns = min(len(values), COLUMNS)
    shares = [values[len(values) * i // columns : len(values) * (i + 1) // columns] for i in range(columns)]
    choose = min if worst == "low" else max
    return [choose((value for value in share if value is not None), default=None) for share in shares]


def _block(value: float, most: float) -> str:
    share = 0.0 if most <= 0 else max(value, 0.0) / most
    return _BLOCKS[min(round(share * (len(_BLOCKS) - 1)), len(_BLOCKS) - 1)]


def _spans(rows: Sequence[History], wide: int) -> list[str]:
    spans = list(dict.fromkeys((row.from_, row.to) for row in rows))
    return [f"{'':{wide}}  {_time(first)} to {_time(last)} UTC" for first, last in spans[:1]]


def _time(moment: datetime) -> str:
    return f"{moment:%H:%M}"


def _phase(row: Phase, wide: int, whole: float) -> str:
    before = min(round(row.start / whole * COLUMNS), COLUMNS - 1)
    bar = max(round((row.start + row.length) / whole * COLUMNS) - before, 1)
    picture = f"{' ' * before}{'█' * bar}{'' if row.ended else '…'}"
    given_up = "" if row.ended else ", given up"
    return f"{shorten(row.label, 24).ljust(wide)}  {picture.ljust(COLUMNS)}  {amount(row.length, row.unit)}{given_up}"


def amount(value: float, unit: str) -> str:
    """``2.5 s``, ``12 ms``, ``0.8/s``, ``99%``, ``1``."""
    if unit == "s" and abs(value) < 1:
        return f"{value * 1000:.3g} ms"
    number = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{number} s" if unit == "s" else f"{number}{unit}"
