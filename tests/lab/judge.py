"""Whether a verdict is right. Pure: the truth of a fault and the command line's JSON in, what is right and wrong out.

Rules, one each:

- **Who looked**: the bot; another vantage point where a step began there; ``load-balancer`` where the balancer's statistics
  answered, ``metrics`` where Prometheus did. What could not be looked at did not look.
- The **tie** is the first cause and those in its ``tied_with``. Without causes there is no tie, and nothing is right.
- **Allowed** are the ids acceptable from the vantage points that looked, the truth, and a combination's further truths. Where
  nothing is written for just these, what is written for the most of them holds.
- **Named by a warning**: a truth that breaks nothing yet is right where the verdict is healthy and a probe warns of it.
- ``cause_first``: the share of the tie that is true; a tie of k with the one truth in it is 1/k, one without it 0.
- ``cause_acceptable``: every id of the tie is allowed.
- ``cause_in_three``: the truth is among the first three causes; of a combination, each of its truths is.
- ``domain``: every domain of the tie is the domain of an allowed id.
- ``wrong_high``: ids named with high confidence that are neither true nor a broader form of a truth, or that the truth says are
  never high. ``healthy`` accuses nobody where it is acceptable: a fault that cannot be seen from there is only missed.
- ``healthy_right``: a healthy kind ends healthy; a fault does not, unless healthy is all that can be seen from there.
- ``high``: of a single fault whose one first cause is true, whether it says so with high confidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any

from tests.lab.fault import Truth

NAMED = 3

SEEN_BY: Mapping[str, str] = MappingProxyType(
    {"balancer-statistics": "load-balancer", "prometheus-targets": "metrics", "prometheus-history": "metrics"}
)
"""Probes whose answer is somebody else's view of the cluster, and whose."""
_LOOKED = frozenset({"ok", "problem"})
_SILENT = frozenset({"statistics-refused", "statistics-silent"})
"""Outcomes that say something of who was to be asked, and nothing of what that would have seen."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One verdict beside the truth. ``rank`` is the truth's place among all causes, from 1; None when it is not named."""

    name: str
    kind: str
    truth: tuple[str, ...]
    vantage: str
    acceptable: tuple[str, ...]
    verdict: str
    named: tuple[tuple[str, str], ...]
    """The first causes with their confidence: the whole tie, and three at least where there are as many."""
    tie: tuple[str, ...]
    rank: int | None
    cause_first: float
    cause_acceptable: bool
    cause_in_three: bool
    domain: bool
    wrong_high: tuple[str, ...]
    healthy_right: bool
    high: bool | None
    first_verdict_s: float | None
    verdict_s: float | None
    requests: int | None
    warned: bool = False
    """Healthy, with a warning that names the truth."""

    @property
    def right(self) -> bool:
        return self.cause_acceptable and not self.wrong_high and self.healthy_right

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Judged:
        """The same, read back; further keys are ignored."""
        known = {item.name: data[item.name] for item in fields(cls) if item.name in data}
        lists = ("truth", "acceptable", "tie", "wrong_high")
        named = tuple((one, confidence) for one, confidence in data["named"])
        return cls(**{**known, **{key: tuple(data[key]) for key in lists}, "named": named})


def vantage_of(said: Mapping[str, Any]) -> str:
    """The kinds of vantage points that looked, in alphabetical order, joined by ``+``."""
    steps = [step for step in said["steps"] if step["started_at"]]
    places = {step["vantage"].partition(":")[0] for step in steps} or {"bot"}
    told = [
        step for step in steps if step.get("probe") in SEEN_BY and step["status"] in _LOOKED and step["outcome"] not in _SILENT
    ]
    answered = {SEEN_BY[step["probe"]] for step in told}
    return "+".join(sorted(places | answered))


def acceptable_from(truth: Truth, vantage: str) -> tuple[str, ...]:
    """What may be said from there: of the sets that are written down and contained in it, the largest's."""
    places = set(vantage.split("+"))
    known = [key for key in truth.acceptable if set(key.split("+")) <= places]
    return truth.acceptable[max(known, key=lambda key: (len(key.split("+")), key))] if known else truth.acceptable["bot"]


def judge(
    name: str,
    kind: str,
    truth: Truth,
    said: Mapping[str, Any],
    *,
    domains: Mapping[str, str],
    refines: Mapping[str, str] | None = None,
) -> Judged:
    """``said`` is the JSON of one investigation; ``domains`` the domain of each id, ``refines`` the broader id of each finer."""
    causes: Sequence[Mapping[str, Any]] = said["causes"]
    vantage = vantage_of(said)
    acceptable = acceptable_from(truth, vantage)
    truths = (truth.cause, *truth.also)
    allowed = {*acceptable, *truths}
    tie = tuple(dict.fromkeys([causes[0]["id"], *causes[0]["tied_with"]])) if causes else ()
    ids = [cause["id"] for cause in causes]
    found = [place for place, one in enumerate(ids, start=1) if one in truths]
    sure = {cause["id"] for cause in causes if cause["confidence"] == "high"}
    first = len({*tie} & {*truths}) / len(tie) if tie else 0.0
    broader = _broader(truths, {**(refines or {}), **{c["id"]: c["refines"] for c in causes if c.get("refines")}})
    calm = {"healthy"} & {*acceptable}
    ended = said["verdict"] == "healthy"
    warnings = [*said.get("next_to_break", ()), *(step for step in said["steps"] if step.get("warning"))]
    warned = ended and any(one.get("probe") in truth.warned_by for one in warnings)
    calm |= {"healthy"} if warned else set()
    return Judged(
        name=name,
        kind=kind,
        truth=truths,
        vantage=vantage,
        acceptable=acceptable,
        verdict=said["verdict"],
        named=tuple((cause["id"], cause["confidence"]) for cause in causes[: max(NAMED, len(tie))]),
        tie=tie,
        rank=1 if warned else min(found, default=None),
        cause_first=1.0 if warned else round(first, 3),
        cause_acceptable=warned or (bool(tie) and set(tie) <= allowed),
        cause_in_three=warned or set(truths) <= set(ids[:NAMED]),
        domain=warned
        or (bool(tie) and {_domain(one, causes, domains) for one in tie} <= {domains.get(one, one) for one in allowed}),
        wrong_high=tuple(sorted((sure - {*truths} - broader - calm) | (sure & {*truth.never_high}))),
        healthy_right=ended if truth.cause == "healthy" else (not ended or warned or "healthy" in acceptable),
        high=None if warned or kind != "single" or len(tie) != 1 or first != 1 else tie[0] in sure,
        first_verdict_s=said.get("first_verdict_s"),
        verdict_s=said.get("duration_s"),
        requests=said.get("requests"),
        warned=warned,
    )


def totals(rows: Iterable[Judged]) -> dict[str, Any]:
    """The figures of the scoreboard. Shares are of the faults, healthy kinds apart; those have ``healthy_right``."""
    every = list(rows)
    faults = [row for row in every if row.kind != "healthy"]
    healthy = [row for row in every if row.kind == "healthy"]
    at_stake = [*healthy, *(row for row in faults if not row.healthy_right)]
    sure = [row.high for row in faults if row.high is not None]
    firsts = [row.first_verdict_s for row in every if row.first_verdict_s is not None]
    lasts = [row.verdict_s for row in every if row.verdict_s is not None]
    return {
        "faults": len(faults),
        "single": sum(row.kind == "single" for row in faults),
        "combinations": sum(row.kind == "both" for row in faults),
        "healthy": len(healthy),
        "cause_first": _share(row.cause_first for row in faults),
        "cause_acceptable": _share(row.cause_acceptable for row in faults),
        "cause_in_three": _share(row.cause_in_three for row in faults),
        "domain": _share(row.domain for row in faults),
        "wrong_high": sum(len(row.wrong_high) for row in every),
        "healthy_right": _share(row.healthy_right for row in at_stake),
        "high_share": _share(sure),
        "first_verdict_p95_s": percentile(firsts, 0.95),
        "first_verdict_max_s": percentile(firsts, 1),
        "verdict_p50_s": percentile(lasts, 0.5),
        "verdict_p95_s": percentile(lasts, 0.95),
        "requests_max": max((row.requests for row in every if row.requests is not None), default=None),
    }


def percentile(values: Iterable[float], share: float) -> float | None:
    """The smallest value that at least this share does not exceed; None of nothing."""
    ordered = sorted(values)
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 2) if ordered else None


GATES: Mapping[str, tuple[str, float]] = {
    "domain": (">=", 0.85),
    "wrong_high": ("<=", 0),
    "healthy_right": (">=", 1.0),
    "high_share": (">=", 0.6),
    "first_verdict_max_s": ("<=", 10.0),
}


def broken_gates(figures: Mapping[str, Any]) -> list[str]:
    """Which of the promises these totals break, in words. A figure that nothing was counted for breaks none."""
    broken = []
    for key, (sign, bound) in GATES.items():
        value = figures[key]
        if value is not None and not (value >= bound if sign == ">=" else value <= bound):
            broken.append(f"{key} is {value}, not {sign} {bound}")
    return broken


def worse(recorded: Judged, now: Judged) -> list[str]:
    """In which respects a verdict is worse than the recorded one, in words."""
    lost = []
    if recorded.cause_acceptable and not now.cause_acceptable:
        lost.append(f"{' = '.join(now.tie) or 'no cause'} is not acceptable; {' = '.join(recorded.tie)} was")
    if now.cause_first < recorded.cause_first:
        lost.append(f"the truth has {now.cause_first:.2f} of the first place; it had {recorded.cause_first:.2f}")
    if recorded.domain and not now.domain:
        lost.append("the domain is wrong; it was right")
    if new := sorted({*now.wrong_high} - {*recorded.wrong_high}):
        lost.append(f"{', '.join(new)} is named with high confidence and is not true")
    if recorded.healthy_right and not now.healthy_right:
        lost.append(f"the verdict is {now.verdict}; it was {recorded.verdict}")
    return lost


def _broader(truths: Iterable[str], refines: Mapping[str, str]) -> set[str]:
    found: set[str] = set()
    for one in truths:
        above = refines.get(one)
        while above is not None and above not in found:
            found.add(above)
            above = refines.get(above)
    return found


def _domain(id: str, causes: Sequence[Mapping[str, Any]], domains: Mapping[str, str]) -> str:
    return next((cause["domain"] for cause in causes if cause["id"] == id), domains.get(id, id))


def _share(values: Iterable[float | bool | None]) -> float | None:
    counted = [float(value) for value in values if value is not None]
    return round(sum(counted) / len(counted), 3) if counted else None
