"""docs/scoreboard.md: the record as people read it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.lab.bench import Row
from tests.lab.judge import GATES, Judged, broken_gates, totals
from tests.lab.record import Record

_MEANING = {
    "faults": "faults, combinations included",
    "single": "single faults",
    "combinations": "combinations",
    "healthy": "healthy kinds",
    "cause_first": "the true cause is first; in a tie of k it counts 1/k",
    "cause_acceptable": "every cause in the first place is one that can be meant from there",
    "cause_in_three": "the true cause is among the first three",
    "domain": "the first place points to the right domain",
    "wrong_high": "causes named with high confidence that are not true",
    "healthy_right": "healthy kinds that end healthy; a fault that falsely ends so counts against it",
    "high_share": "of the single causes that are right, those that say high",
    "first_verdict_p95_s": "first verdict, 95 of 100, seconds",
    "first_verdict_max_s": "first verdict, the longest, seconds",
    "verdict_p50_s": "verdict, median, seconds",
    "verdict_p95_s": "verdict, 95 of 100, seconds",
    "requests_max": "requests to the API server, the most",
    "seeds_agree": "faults whose two runs, with different seeds, led to the same verdict",
}
_SHARES = ("cause_first", "cause_acceptable", "cause_in_three", "domain", "healthy_right", "high_share", "seeds_agree")


def text(record: Record) -> str:
    """The whole page."""
    parts = [_head(record), _totals(record)]
    kinds = (("single", "Single faults"), ("both", "Two at once"), ("healthy", "Healthy clusters"))
    parts += [_table(title, [row for row in record.rows.values() if row.judged.kind == kind]) for kind, title in kinds]
    parts += [_misses(record), _ties(record), _slack(record.slack), _loopback(record.loopback.values())]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(record: Record) -> str:
    seeds = sorted({str(row.seed) for rows in (record.rows, record.again) for row in rows.values()})
    return f"""# Scoreboard

Written by `make scoreboard`; see `tests/lab/`. A real etcd, two real kube-apiservers, a real HAProxy, a real Prometheus and a
DNS server run in network namespaces of their own. One fault after the other is put in, seen to be in on the server's side, asked
about by `apidown investigate --output json` from outside, judged and taken out. The truth of each fault is in its file in
`tests/lab/faults/`, the rules of judging are in `tests/lab/judge.py`, and nothing in the product knows either. Names, ports,
addresses and times are drawn from a seed; every fault ran twice, with different seeds.

Who looked: the **bot**, from a client's place outside; the **load-balancer**, where the balancer is what is asked and its
statistics page answered; **metrics**, where Prometheus answered. Prometheus runs on a worker and scrapes the API servers at their
own addresses, etcd, HAProxy and a node exporter on each machine, every second or two. Before each fault it forgets the one
before, and sees for eight seconds that all is well. Once the fault is in, the question waits until each target was scraped again,
as an outage in life is older than one interval; what is over within seconds is asked about at once. What is acceptable is
written down for each set of those that looked: the more look, the less. A server behind the balancer that is down while all
clients are served breaks nothing yet: there a healthy verdict with a warning is right.

{record.made}, seeds {", ".join(seeds)}, several labs beside each other on {record.machine}. A fault that is
tried again alone, because a rule was mended, takes the place of its row. One fault again:
`make scoreboard ONLY=etcd_killed SEED={seeds[0] if seeds else 1}`."""


def _totals(record: Record) -> str:
    figures, again = record.totals, totals(row.judged for row in record.again.values())
    lines = ["## Totals", "", "| what | first run | second run | gate |", "| --- | --- | --- | --- |"]
    for key, meaning in _MEANING.items():
        gate = f"{GATES[key][0]} {_shown(key, GATES[key][1])}" if key in GATES else ""
        lines.append(f"| {meaning} | {_shown(key, figures[key])} | {_shown(key, again.get(key))} | {gate} |")
    broken = broken_gates(figures)
    lines += ["", "Every gate holds." if not broken else "Gates that do not hold: " + "; ".join(broken) + "."]
    if record.bare:
        said = record.bare["totals"]
        shown = [_shown(key, said[key]) for key in ("cause_first", "domain", "wrong_high", "healthy_right")]
        when = f"Asked without Prometheus and without the balancer's statistics, on {record.bare['made']}"
        what = "the true cause first in {}, the right domain in {}, wrong with high confidence {}, healthy kinds right in {}"
        lines += ["", f"{when}: {what.format(*shown)}."]
    if record.disagreeing:
        lines += ["", f"The two runs differ in {', '.join(f'`{name}`' for name in record.disagreeing)}."]
    return "\n".join(lines)


def _table(title: str, rows: Iterable[Row]) -> str:
    heads = ("fault", "what happens", "who looked", "truth", "first, and its confidence", "rank", "right")
    heads += ("first verdict s", "verdict s", "requests")
    lines = [f"## {title}", "", f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    for row in rows:
        one = row.judged
        cells = [
            f"`{one.name}`",
            _cell(row.title),
            one.vantage.replace("+", ", "),
            " + ".join(one.truth),
            said(one),
            str(one.rank or "-"),
            mark(one),
            _shown("s", one.first_verdict_s),
            _shown("s", one.verdict_s),
            _requests(row),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def said(one: Judged) -> str:
    """The first place in words."""
    if not one.tie:
        return one.verdict
    sure = dict(one.named)
    if one.warned:
        return "healthy, with a warning of it"
    return " = ".join(f"{cause} ({sure[cause]})" if cause in sure else cause for cause in one.tie)


def mark(one: Judged) -> str:
    """yes, 1/k of a tie, acceptable, or no."""
    if not one.right:
        return "no"
    if one.cause_first == 1:
        return "yes"
    return f"yes, {one.cause_first:.2f} of a tie" if one.cause_first else "as far as it is seen from there"


def _requests(row: Row) -> str:
    same = row.judged.requests == row.counted
    return _shown("", row.judged.requests) + ("" if same else f" (the servers' logs have {row.counted})")


def _misses(record: Record) -> str:
    lines = ["## What is missed, and why", ""]
    missed = [row for row in record.rows.values() if not row.judged.right]
    for row in missed:
        high = f" With high confidence and not true: {', '.join(row.judged.wrong_high)}." if row.judged.wrong_high else ""
        lines.append(f"- `{row.judged.name}`: {row.missed or 'not explained yet'}{high}")
    return "\n".join(lines if missed else [*lines, "Nothing."])


def _ties(record: Record) -> str:
    lines = ["## What cannot be told apart by those who looked", ""]
    lines += [
        f"- `{row.judged.name}`: {', '.join(row.judged.acceptable)}. {_cell(row.because)}"
        for row in record.rows.values()
        if row.judged.right and row.because and set(row.judged.acceptable) != {*row.judged.truth}
    ]
    return "\n".join(lines)


def _slack(threads: Mapping[str, Mapping[str, Any]]) -> str:
    if not threads:
        return ""
    lines = [
        "## Through Slack",
        "",
        "`/apidown` is typed in a channel of the strict fake Slack; the verdict is read from the thread.",
        "",
        "| fault | the thread says | the same cause as the command line | first line s | verdict in the root s |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, one in threads.items():
        same = "yes" if one["same"] else "no"
        cells = [f"`{name}`", _cell(one["headline"]), same, _shown("s", one["first_line_s"]), _shown("s", one["verdict_s"])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _loopback(rows: Iterable[Judged]) -> str:
    lines = [
        "## Rehearsals",
        "",
        "The simulated servers of `apidown demo`, judged by the same rules: what is left of this without root and binaries.",
        "",
        "| scenario | truth | first, and its confidence | right |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| `{one.name}` | {' + '.join(one.truth)} | {said(one)} | {mark(one)} |" for one in rows]
    return "\n".join(lines)


def _shown(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    if key in _SHARES:
        return f"{100 * value:.1f} %"
    return f"{value:.2f}" if key == "s" else f"{value:g}"


def _cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|")
