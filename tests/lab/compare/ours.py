"""What apidown said, from docs/scoreboard.json, in the form that the rule judges: the same rule, and no kinder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.lab import record
from tests.lab.compare.rule import Claim, Look
from tests.lab.judge import Judged


def recorded(path: Path) -> dict[str, Judged]:
    """The scoreboard's verdicts by fault; none where there is no scoreboard."""
    found = record.read(path)
    return {name: row.judged for name, row in found.rows.items()} if found else {}


def looks(rows: Mapping[str, Judged]) -> dict[str, list[Look]]:
    """One look a fault: the verdict, and the causes that share the first place. How sure it is makes no difference here."""
    return {
        name: [
            Look(
                lines=frozenset({f"verdict {row.verdict}", *(f"cause {cause}" for cause in row.tie)}),
                complains=row.verdict != "healthy",
                seconds=row.verdict_s or 0.0,
            )
        ]
        for name, row in rows.items()
    }


def claims(rows: Iterable[Judged], refines: Mapping[str, str]) -> list[Claim]:
    """Every cause in the first place is a claim that points to itself; a broader one is so for all that refine it."""
    named = sorted({cause for row in rows for cause in row.tie})
    return [
        Claim(
            pattern=re.compile(rf"^cause {re.escape(cause)}$"),
            says=f"{cause} is the cause",
            points=frozenset({cause}),
            true=frozenset({cause, *(finer for finer in refines if cause in _broader(finer, refines))}),
        )
        for cause in named
    ]


def _broader(cause: str, refines: Mapping[str, str]) -> list[str]:
    found: list[str] = []
    while (cause := refines.get(cause, "")) and cause not in found:
        found.append(cause)
    return found
