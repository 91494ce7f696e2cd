"""What was seen of the tools, kept in a file: judging it again needs no second run."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.lab.compare.normalise import Known, normalise
from tests.lab.compare.rule import Case, Look
from tests.lab.compare.tool import Tool

# Of one run of one tool; what is longer loses its middle.
MOST_CHARACTERS = 24_000
_CUT = "\n… cut …\n"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One run of one tool: its redacted, bounded output and what is needed to judge that; plain values only."""

    fault: str
    title: str
    causes: list[str]
    acceptable: list[str]
    tool: str
    output: str
    exits: list[int]
    seconds: float
    now: str
    words: dict[str, str]
    ports: list[int]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A whole run. ``tools`` are their versions by name; ``failed`` is why a fault could not be looked at, by its name."""

    seeds: list[int]
    machine: str
    began: str
    tools: dict[str, str]
    seen: list[Seen]
    failed: dict[str, str]

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1))


def read(path: Path) -> Comparison:
    fields: dict[str, Any] = json.loads(path.read_text())
    return Comparison(**{**fields, "seen": [Seen(**one) for one in fields["seen"]]})


def renewed(old: Comparison, new: Comparison) -> Comparison:
    """The old run with what the new one saw in place of what its tools saw of its faults."""
    again = {(one.fault, one.tool) for one in new.seen}
    seen = [one for one in old.seen if (one.fault, one.tool) not in again] + new.seen
    looked_at = {one.fault for one in seen}
    failed = {fault: why for fault, why in (old.failed | new.failed).items() if fault not in looked_at}
    seeds = sorted({*old.seeds, *new.seeds})
    return replace(old, seeds=seeds, tools=old.tools | new.tools, seen=seen, failed=failed)


def bounded(text: str) -> str:
    if len(text) <= MOST_CHARACTERS:
        return text
    half = (MOST_CHARACTERS - len(_CUT)) // 2
    return text[:half] + _CUT + text[-half:]


def cases(seen: Iterable[Seen]) -> list[Case]:
    """One a fault, in the order of names."""
    found = {one.fault: Case(fault=one.fault, causes=tuple(one.causes), acceptable=frozenset(one.acceptable)) for one in seen}
    return [found[fault] for fault in sorted(found)]


def looks(seen: Iterable[Seen], tool: Tool) -> dict[str, list[Look]]:
    """This tool's, by fault."""
    found: dict[str, list[Look]] = defaultdict(list)
    for one in seen:
        if one.tool == tool.name:
            known = Known(words=one.words, ports=one.ports, now=datetime.fromisoformat(one.now))
            complains = tool.complains(one.output, one.exits)
            found[one.fault].append(Look(lines=normalise(one.output, known), complains=complains, seconds=one.seconds))
    return found
