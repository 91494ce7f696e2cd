"""How probes write numbers, times and lists, so that every sentence reads alike."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta


def took(seconds: float) -> str:
    """A duration with its unit: ``0.4 ms``, ``31 ms``, ``4.0 s``."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    milliseconds = seconds * 1000
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"


def ago(span: timedelta) -> str:
    """A span of time in its largest fitting unit: ``40 s``, ``12 min``, ``5 h``, ``3 days``."""
    seconds = abs(span.total_seconds())
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def listed(items: Sequence[object], *, most: int = 6) -> str:
    """``a, b, c``, and how many more there are when there are too many for a sentence."""
    shown = ", ".join(str(item) for item in items[:most])
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown
