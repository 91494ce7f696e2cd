"""What was not looked at, before any view says it: why, said once for all that one reason keeps from being looked at, and how
it could be done by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.diagnosis import ladder
from bot.model.finding import Finding, Status
from bot.model.investigation import Investigation
from bot.render.clean import one_line
from bot.render.people import asks_people
from bot.render.story import Line, step_lines


@dataclass(frozen=True, kw_only=True)
class Unchecked:
    """One thing that was not looked at: why, what would make it checkable, and the command to run by hand."""

    label: str
    why: str
    todo: str | None = None
    run: str | None = None
    needs_person: bool = False
    unconfigured: bool = False


def unchecked(investigation: Investigation) -> list[Unchecked]:
    """Everything that was not checked: steps for a person, steps and subjects that could not be looked at, and what the
    diagnosis says besides. The same reason for many subjects is said once."""
    items = [item for line in step_lines(investigation) for item in _unchecked_of(line)]
    diagnosis = investigation.diagnosis
    known = " ".join(one_line(f"{item.label} {item.why}") for item in items)
    named = [one_line(line.title) for line in step_lines(investigation)]
    others = [one_line(text) for text in (diagnosis.not_checked if diagnosis else ())]
    new = [text for text in others if text not in known and not any(title in text for title in named)]
    return items + [Unchecked(label="", why=text) for text in new]


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why some things were not looked at, said once for all of them."""

    why: str
    items: tuple[Unchecked, ...]

    @property
    def unconfigured(self) -> bool:
        return all(item.unconfigured for item in self.items)

    @property
    def labels(self) -> list[str]:
        return list(dict.fromkeys(item.label for item in self.items if item.label))


def not_looked_at(investigation: Investigation) -> list[Unchecked]:
    """What nobody looked at and no button asks for. Steps for a person are asked for as soon as there is a verdict; what was
    looked at and could not be told is listed as that."""
    told = {one_line(finding.sentence) for finding in investigation.findings if finding.status is not Status.NOT_CHECKED}
    asked = asks_people(investigation)
    items = unchecked(investigation)
    return [item for item in items if not (asked and item.needs_person) and (item.label or one_line(item.why) not in told)]


def by_reason(items: Iterable[Unchecked]) -> list[Reason]:
    """What was not looked at, folded by reason: what most share first. ``The nodes cannot be looked at: the API server cannot
    be asked`` and the same of the pods have one reason."""
    reasons: dict[str, list[Unchecked]] = {}
    for item in items:
        why = _UNCONFIGURED if item.unconfigured else _BY_A_PERSON if item.needs_person else _reason_of(one_line(item.why))
        reasons.setdefault(why, []).append(item)
    folded = [
        # Alone, a sentence says more than its reason.
        Reason(why=why if len(same) > 1 else one_line(same[0].why), items=tuple(same))
        for why, same in reasons.items()
    ]
    return sorted(folded, key=lambda reason: (reason.why == _UNCONFIGURED, -len(reason.labels)))


_BY_A_PERSON = "A person has to look"
_UNCONFIGURED = "Not configured for this cluster"
_BECAUSE = re.compile(r"^[^:]{3,120}?(?:: |, because )(?=\S)")
_NO_API = re.compile(r"\bthe API server cannot be asked\b.*", re.I)


def _reason_of(why: str) -> str:
    no_api, found = _NO_API.search(why), _BECAUSE.match(why)
    reason = no_api[0] if no_api else why[found.end() :] if found else why
    return reason[:1].upper() + reason[1:]


def by_hand(item: Unchecked) -> tuple[str, list[str]]:
    """How a person checks it: what to do, and the commands. What a probe names already is not said again."""
    found = ON_NODE.fullmatch(item.todo or "")
    if found:
        return f"{found[1]}:", found[2].split("; ")
    return "" if item.todo == item.run else item.todo or "", [item.run] if item.run else []


ON_NODE = re.compile(r"(On (?:a|each) [^:;]*node): ([^:].*)", re.S)
"""What probes say when a command on the node would answer."""


def _unchecked_of(line: Line) -> Iterable[Unchecked]:
    label = f"{line.number}. {line.title}"
    plan = line.step.plan
    looked_for = [finding for finding in line.step.findings if finding.status is Status.NOT_CHECKED]
    if line.status is Status.NOT_CHECKED and not looked_for:
        yield Unchecked(label=label, why=line.sentence, run=plan.run, needs_person=line.needs_person)
    reasons: dict[tuple[str, str | None], list[Finding]] = {}
    for finding in looked_for:
        reasons.setdefault((finding.sentence, finding.todo), []).append(finding)
    for index, ((why, todo), same) in enumerate(reasons.items()):
        run = plan.run if index == 0 else None
        missing = all(finding.outcome in ladder.UNCONFIGURED for finding in same)
        yield Unchecked(label=label, why=why, todo=todo, run=run, needs_person=line.needs_person, unconfigured=missing)
