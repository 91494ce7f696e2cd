"""docs/comparison.md: the rule in words, and what each tool's output is worth at each fault."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.bench import refinements
from tests.lab.compare import kept, ours
from tests.lab.compare.claims import CLAIMS
from tests.lab.compare.kept import Comparison
from tests.lab.compare.rule import Case, Judged, Mark, judge
from tests.lab.compare.tool import known
from tests.lab.judge import Judged as Verdict
from tests.lab.judge import percentile

_OURS = "apidown"
_ORDER = (Mark.NAMES, Mark.SEPARATES, Mark.SEES, Mark.BLIND, Mark.MISLEADS)

_INTRODUCTION = """# Comparison

Written by `make compare`; see `tests/lab/compare/`. Every fault of the lab, with a real etcd, two real kube-apiservers, a real
HAProxy and real packet filters, is looked at with what people use today. Each tool runs on the host that the bot runs on, with
the same kubeconfig.{ours}

None of these tools is made to find a cause; they are what an engineer has at hand when one has to be found.
"""

_SCOREBOARD = " What apidown says is the [scoreboard](scoreboard.md)'s, from runs of its own."
_MORE = """
There apidown also knew the addresses of a Prometheus that scrapes the cluster and of the balancer's statistics, where there is
one, which the other tools have no use for. The scoreboard has its figures without them, too."""

_RULE = """## The rule

One rule judges all outputs, without a person in between, in `tests/lab/compare/rule.py`.

- **Looks.** Each tool looks {looks} times at each fault, all at the same moment.
- **Normalised.** What differs by chance is replaced: the cluster's own names, addresses and ports, identifiers, the order of
  lines. What a reader could use stays, as a class: an address that is not the cluster's, a date that is past, a duration of
  {long:.0f} s or more. Where in doubt a difference stays, which favours the tool.
- **The sign** of a fault are the normalised lines that every look shows. Where no line stays, nothing is told apart.
- **Neighbours** are two faults with different causes. They need not be told apart when the truth of one, written before, says
  that from the bot's own place nobody can tell it from the other.
- **Claims.** `tests/lab/compare/claims.py` lists what a sentence says is the case and for which causes that is so. Where a run
  showed a gap in the list, it was closed so that the tool has the benefit of the doubt. A sentence that only tells what happened,
  such as a time-out, claims nothing.

| mark | the first that holds |
| --- | --- |
| misleads | it claims something that is not the case; or it complains of a healthy cluster, and not of what is so |
| well | the cluster is healthy |
| blind | it does not complain |
| sees | it complains; it has no sign, or a neighbour has the same |
| names | no neighbour has the same sign, and a claim points to the cause and at most {pointed} in all |
| separates | no neighbour has the same sign; what it means the reader has to know |

Of a combination, one of its causes is enough. Programs of Go cannot be given a wrong clock; they have no mark for such faults.

apidown is judged by the same rule: its sign is its verdict and the causes in the first place, each of which is a claim. One cause
too many in a tie misleads.
"""

_LEFT_OUT = """## What is not compared

- `kubeadm certs check-expiration`, `crictl`, `journalctl` and the like: they need the control-plane node, which the bot's own
  place has no access to.
- HolmesGPT, and k8sgpt with `--explain`: what they add is a language model's, and its words differ from run to run.
- Prometheus's alerts of the cluster itself: they need the cluster to be watched from inside, and weeks of its figures.
"""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One tool's marks, by fault."""

    title: str
    marks: Mapping[str, Judged]


def write(comparison: Comparison, root: Path) -> None:
    path = root / "docs" / "comparison.md"
    path.write_text(text(comparison, scoreboard(root)))


def scoreboard(root: Path) -> dict[str, Verdict]:
    return ours.recorded(root / "docs" / "scoreboard.json")


def text(comparison: Comparison, verdicts: Mapping[str, Verdict]) -> str:
    """The whole document."""
    cases = kept.cases(comparison.seen)
    titles = {one.fault: one.title for one in comparison.seen}
    columns = [*_ours(cases, verdicts), *_theirs(comparison, cases)]
    parts = [
        _INTRODUCTION.format(ours=_source(verdicts)),
        _how(comparison, cases),
        _RULE.format(looks=_looks(comparison), long=1, pointed=3),
        _totals(columns),
        _table(columns, cases, verdicts),
        _misleading(columns),
        _alike(columns, cases),
        _faults(cases, titles),
        _LEFT_OUT,
        _failed(comparison),
    ]
    return "\n".join(part for part in parts if part)


def _source(verdicts: Mapping[str, Verdict]) -> str:
    if not verdicts:
        return ""
    return _SCOREBOARD + (_MORE if any(row.vantage != "bot" for row in verdicts.values()) else "")


def _ours(cases: Sequence[Case], verdicts: Mapping[str, Verdict]) -> list[Column]:
    if not verdicts:
        return []
    marks = judge(cases, ours.looks(verdicts), ours.claims(verdicts.values(), refinements()))
    return [Column(title=_OURS, marks={one.case.fault: one for one in marks})]


def _theirs(comparison: Comparison, cases: Sequence[Case]) -> list[Column]:
    tools = [tool for name, tool in known().items() if name in comparison.tools]
    return [
        Column(
            title=tool.title,
            marks={one.case.fault: one for one in judge(cases, kept.looks(comparison.seen, tool), CLAIMS)},
        )
        for tool in tools
    ]


def _looks(comparison: Comparison) -> int:
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for one in comparison.seen:
        counts[one.fault, one.tool] += 1
    return max(counts.values(), default=0)


def _how(comparison: Comparison, cases: Sequence[Case]) -> str:
    healthy = sum(case.healthy for case in cases)
    seeds = ", ".join(map(str, comparison.seeds))
    when = f"seed {seeds}, {comparison.began[:10]}, {comparison.machine}"
    lines = [
        f"{len(cases) - healthy} faults and {healthy} kinds of healthy cluster, {when}.\n",
        "| tool | version | licence | what is run |",
        "| --- | --- | --- | --- |",
    ]
    for name, tool in known().items():
        if name in comparison.tools:
            lines.append(f"| {tool.title} | {comparison.tools[name]} | {tool.licence} | {tool.asked} |")
    left_out = [tool.title for name, tool in known().items() if name not in comparison.tools]
    if left_out:
        lines.append(f"\nNot run here: {', '.join(left_out)}.")
    return "\n".join(lines) + "\n"


def _totals(columns: Sequence[Column]) -> str:
    lines = [
        "## Totals\n",
        f"| tool | faults | {' | '.join(_ORDER)} | healthy: well | median s | 95 of 100 s |",
        "| --- |" + " --- |" * (len(_ORDER) + 4),
    ]
    for column in columns:
        faults = [one for one in column.marks.values() if not one.case.healthy]
        healthy = [one for one in column.marks.values() if one.case.healthy]
        seconds = [one.seconds for one in column.marks.values()]
        counts = [f"{sum(one.mark is mark for one in faults)}" for mark in _ORDER]
        well = f"{sum(one.mark is Mark.WELL for one in healthy)} of {len(healthy)}"
        times = f"{statistics.median(seconds):.1f} | {percentile(seconds, 0.95):.1f}" if seconds else "- | -"
        lines.append(f"| {column.title} | {len(faults)} | {' | '.join(counts)} | {well} | {times} |")
    lines.append(
        "\nSeconds are of the slower look, all commands of a tool together; apidown's are to its last verdict. The tools' own "
        "time-outs are set to\n5 s a request; without them kubectl waits longer. The other tools run at once on the same "
        "processors, which adds to short times.\n"
    )
    return "\n".join(lines)


def _table(columns: Sequence[Column], cases: Sequence[Case], verdicts: Mapping[str, Verdict]) -> str:
    said = [f"{_OURS} says"] if verdicts else []
    heads = ["fault", "cause", *said, *(column.title for column in columns)]
    lines = ["## By fault\n", f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    for case in cases:
        cells = [f"`{case.fault}`", " + ".join(case.causes)]
        if verdicts:
            cells.append(_verdict(verdicts.get(case.fault)))
        cells += [_cell(column.marks.get(case.fault)) for column in columns]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _verdict(row: Verdict | None) -> str:
    if row is None:
        return "-"
    confidence = f" ({row.named[0][1]})" if row.named else ""
    return (" = ".join(row.tie) or row.verdict) + confidence


def _cell(one: Judged | None) -> str:
    return f"{one.mark} {one.seconds:.1f} s" if one else "-"


def _misleading(columns: Sequence[Column]) -> str:
    found = [(one, column) for column in columns for one in column.marks.values() if one.mark is Mark.MISLEADS]
    if not found:
        return ""
    lines = ["## What misleads\n", "| fault | cause | tool | it says |", "| --- | --- | --- | --- |"]
    for one, column in sorted(found, key=lambda pair: pair[0].case.fault):
        says = "; ".join(one.says) or "that something is wrong"
        lines.append(f"| `{one.case.fault}` | {' + '.join(one.case.causes)} | {column.title} | {says} |")
    return "\n".join(lines) + "\n"


def _alike(columns: Sequence[Column], cases: Sequence[Case]) -> str:
    """Of each tool, the most causes that share one sign."""
    causes = {case.fault: " + ".join(case.causes) for case in cases}
    lines = ["## The most causes behind one output\n", "| tool | causes | which |", "| --- | --- | --- |"]
    for column in columns:
        groups = [
            {causes[one.case.fault], *(causes[other] for other in one.same_as)} for one in column.marks.values() if one.same_as
        ]
        largest = max(groups, key=lambda group: (len(group), sorted(group)), default=set())
        lines.append(f"| {column.title} | {len(largest) or 1} | {', '.join(sorted(largest)) or '-'} |")
    return "\n".join(lines) + "\n"


def _faults(cases: Iterable[Case], titles: Mapping[str, str]) -> str:
    lines = ["## The faults\n", "| fault | what happens |", "| --- | --- |"]
    lines += [f"| `{case.fault}` | {titles[case.fault]} |" for case in cases]
    return "\n".join(lines) + "\n"


def _failed(comparison: Comparison) -> str:
    if not comparison.failed:
        return ""
    lines = ["## Not looked at\n", *(f"- `{fault}`: {why}" for fault, why in sorted(comparison.failed.items()))]
    return "\n".join(lines) + "\n"
