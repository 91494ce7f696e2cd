"""What the scoreboard has on file: docs/scoreboard.json, read, put together and written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.lab.bench import Row
from tests.lab.fault import Fault
from tests.lab.judge import Judged, totals, worse
from tests.lab.topology import ROOT

FILE = ROOT / "docs" / "scoreboard.json"
PAGE = ROOT / "docs" / "scoreboard.md"


@dataclass(frozen=True, kw_only=True)
class Record:
    """Two runs of every fault, each with its own seed, what Slack's threads said, and the rehearsals' share.

    ``made`` is the day of the last change, ``machine`` where it was. ``bare`` are the totals of a run that asked without
    Prometheus and without the balancer's statistics, and its day.
    """

    made: str
    machine: str
    rows: Mapping[str, Row]
    again: Mapping[str, Row]
    slack: Mapping[str, Mapping[str, Any]]
    loopback: Mapping[str, Judged]
    bare: Mapping[str, Any] = field(default_factory=dict)

    @property
    def totals(self) -> dict[str, Any]:
        return {**totals(row.judged for row in self.rows.values()), "seeds_agree": self.seeds_agree}

    @property
    def seeds_agree(self) -> float | None:
        both = self.rows.keys() & self.again.keys()
        return round(1 - len(self.disagreeing) / len(both), 3) if both else None

    @property
    def disagreeing(self) -> list[str]:
        """The faults whose two runs led to different verdicts."""
        both = self.rows.keys() & self.again.keys()
        return sorted(name for name in both if _verdict(self.rows[name].judged) != _verdict(self.again[name].judged))

    def expected(self, name: str) -> Judged | None:
        """What a further run is compared with: of the two recorded runs, the worse one."""
        one, other = self.rows.get(name), self.again.get(name)
        if one is None or other is None:
            return one.judged if one else None
        return other.judged if worse(one.judged, other.judged) else one.judged

    def with_rows(
        self, rows: Iterable[Row], again: Iterable[Row], slack: Mapping[str, Mapping[str, Any]], *, known: Iterable[str]
    ) -> Record:
        """These rows instead of or besides its own; of its own only those that are known still."""
        names = set(known)

        def merged(old: Mapping[str, Row], new: Iterable[Row]) -> dict[str, Row]:
            every = {**old, **{row.judged.name: row for row in new}}
            return {name: every[name] for name in sorted(every) if name in names}

        threads = {name: said for name, said in {**self.slack, **slack}.items() if name in names}
        return replace(self, rows=merged(self.rows, rows), again=merged(self.again, again), slack=threads)

    def with_texts(self, faults: Mapping[str, Fault]) -> Record:
        """The same runs, with what the fault files say in words now."""

        def said(rows: Mapping[str, Row]) -> dict[str, Row]:
            return {name: row.with_texts(faults[name]) for name, row in rows.items()}

        return replace(self, rows=said(self.rows), again=said(self.again))

    def as_json(self) -> dict[str, Any]:
        return {
            "made": self.made,
            "machine": self.machine,
            "totals": self.totals,
            "disagreeing": self.disagreeing,
            "faults": [row.as_json() for row in self.rows.values()],
            "again": {
                "totals": totals(row.judged for row in self.again.values()),
                "faults": [row.as_json() for row in self.again.values()],
            },
            "bare": dict(self.bare),
            "slack": dict(self.slack),
            "loopback": {
                "totals": totals(self.loopback.values()),
                "faults": [one.as_json() for one in self.loopback.values()],
            },
        }


def empty(made: str, machine: str, loopback: Mapping[str, Judged]) -> Record:
    return Record(made=made, machine=machine, rows={}, again={}, slack={}, loopback=loopback)


def read(path: Path = FILE) -> Record | None:
    """The recorded runs; None where there is no file."""
    if not path.exists():
        return None
    data = json.loads(path.read_text())

    def rows(of: Iterable[Mapping[str, Any]]) -> dict[str, Row]:
        return {one["name"]: Row.from_json(one) for one in of}

    return Record(
        made=data["made"],
        machine=data["machine"],
        rows=rows(data["faults"]),
        again=rows(data["again"]["faults"]),
        slack=data["slack"],
        loopback={one["name"]: Judged.from_json(one) for one in data["loopback"]["faults"]},
        bare=data.get("bare", {}),
    )


def _verdict(one: Judged) -> tuple[str, frozenset[str], tuple[str, ...]]:
    return one.verdict, frozenset(one.tie), one.wrong_high
