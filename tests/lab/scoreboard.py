"""``python -m tests.lab.scoreboard``: every fault twice, with two seeds, judged; with ``--write`` docs/scoreboard.{json,md}.

With ``--bare`` the questions are asked without Prometheus and without the balancer's statistics, as by who has neither; of such
a run only the totals are written.

Exit status: 0 when every fault could be tried, 1 otherwise; verdicts that are not right do not change it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.lab import page, record
from tests.lab.assets import watchers
from tests.lab.bench import Row
from tests.lab.crew import Crew, crew
from tests.lab.fault import fault_named, names
from tests.lab.judge import broken_gates, totals
from tests.lab.loopback import TRUTHS, rehearsed
from tests.lab.through_slack import SIX, threads
from tests.lab.topology import check_needs

_PATIENCE_S = 300.0


def line(row: Row) -> str:
    """One row for a terminal."""
    one = row.judged
    mark = (
        "ok  "
        if one.right and one.cause_first == 1
        else "tied"
        if one.right and one.cause_first
        else "okay"
        if one.right
        else "MISS"
    )
    named = ", ".join(f"{cause} ({confidence})" for cause, confidence in one.named) or "nothing"
    wrong = f"; wrongly high: {', '.join(one.wrong_high)}" if one.wrong_high else ""
    return (
        f"{mark} {one.name}: {one.verdict}: {named}{wrong}; truth {' + '.join(one.truth)}, "
        f"tie of {len(one.tie)}, rank {one.rank}; "
        f"first verdict {one.first_verdict_s} s, all {one.verdict_s} s, requests {one.requests} (server saw {row.counted}); "
        f"{row.seconds:.1f} s\n     proof: {row.proof}"
    )


def shortened(text: str) -> str:
    """The first line, and of a long text the last ones."""
    lines = text.strip().splitlines() or [""]
    return "\n     ".join(lines if len(lines) < 12 else [lines[0], "…", *lines[-8:]])


def chosen(only: Sequence[str]) -> list[str]:
    """All faults, or these; a SystemExit that says what there is otherwise."""
    every = names()
    if unknown := [name for name in only if name not in every]:
        sys.exit(f"there is no fault {', '.join(unknown)}; there are {', '.join(every)}")
    return list(only) or every


def try_all(
    these: Sequence[str], seeds: Sequence[int], benches: int, runs: Sequence[list[Row]], failed: list[str], *, bare: bool
) -> None:
    """A run for each seed, all at the same time, with so many labs each; the rows go to ``runs``, what could not be tried to
    ``failed``, in words."""
    with ExitStack() as stack:
        crews: list[Crew] = [stack.enter_context(crew(these, [seed] * min(benches, len(these)), bare=bare)) for seed in seeds]
        for name in these:
            for seed, run, working in zip(seeds, runs, crews, strict=True):
                result = working.result(name, _PATIENCE_S)
                if isinstance(result, Row):
                    run.append(result)
                    print(line(result), flush=True)
                else:
                    failed.append(f"{name}, seed {seed}: {shortened(result)}")
                    print(f"FAIL {failed[-1]}", flush=True)
        for text in (text for working in crews for text in working.rebuilt):
            print(f"the lab was made anew after {shortened(text)}")


def fresh_record() -> record.Record:
    """A record without faults: the day, the machine, and the rehearsals' share, run now."""
    cores = len(os.sched_getaffinity(0))
    machine = f"{cores} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return record.empty(datetime.now(UTC).date().isoformat(), machine, {name: rehearsed(name) for name in TRUTHS})


def write(fresh: record.Record, runs: Sequence[Sequence[Row]], slack: Mapping[str, Mapping[str, Any]], *, whole: bool) -> None:
    """Both documents. Rows of faults that were not tried now stay, unless this was a whole run."""
    before = record.read()
    if before is not None and not whole:
        fresh = fresh.with_rows(before.rows.values(), before.again.values(), before.slack, known=names())
    if before is not None:
        fresh = replace(fresh, bare=before.bare)
    put(fresh.with_rows(runs[0], runs[-1], slack, known=names()))


def write_bare(run: Sequence[Row]) -> None:
    """The totals of a run without Prometheus and the balancer's statistics, beside what is on file."""
    before = record.read()
    assert before is not None, "docs/scoreboard.json is not there. Next: make scoreboard"
    made = datetime.now(UTC).date().isoformat()
    put(replace(before, bare={"made": made, "totals": totals(row.judged for row in run)}))


def put(made: record.Record) -> None:
    """Both documents."""
    record.FILE.write_text(json.dumps(made.as_json(), indent=1) + "\n")
    record.PAGE.write_text(page.text(made))
    print(f"written: {record.FILE.name}, {record.PAGE.name} with {len(made.rows)} faults")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.scoreboard", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="what names, ports, addresses and times are drawn from")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these faults only")
    parser.add_argument("--slack", action="store_true", help="six of them through Slack, too")
    parser.add_argument("--write", action="store_true", help="two runs with two seeds, and the documents anew")
    parser.add_argument("--benches", type=int, default=2, help="labs beside each other for each seed; much of a fault is waiting")
    parser.add_argument("--bare", action="store_true", help="ask without Prometheus and the balancer's statistics")
    parser.add_argument("--texts", action="store_true", help="run nothing; take titles and reasons from the fault files anew")
    given = parser.parse_args(argv)
    if given.texts and (before := record.read()) is not None:
        kept = before.with_rows([], [], {}, known=names())
        put(kept.with_texts({name: fault_named(name) for name in kept.rows}))
        return 0
    try:
        check_needs()
    except pytest.skip.Exception as reason:
        print(f"the lab cannot be had here: {reason}\nthe rehearsals instead:")
        for name in TRUTHS:
            one = rehearsed(name)
            print(f"{page.mark(one)}: {name}: {page.said(one)}; truth {' + '.join(one.truth)}")
        return 1
    faults = chosen(given.only)
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    seeds = [seed, seed + 1] if given.write and not given.bare else [seed]
    more = (" --bare" if given.bare else "") + (f" --only {' '.join(given.only)}" if given.only else "")
    print(f"seed {seed}; again: python -m tests.lab.scoreboard --seed {seed}{more}", flush=True)
    if not given.bare and watchers() is None:
        print("Prometheus is not here: the faults are asked about without it. Next: make lab-prometheus", flush=True)
    runs: list[list[Row]] = [[] for _ in seeds]
    failed: list[str] = []
    said: dict[str, dict[str, Any]] = {}
    whole = False
    fresh = fresh_record() if given.write and not given.bare else None
    try:
        try_all(faults, seeds, given.benches, runs, failed, bare=given.bare)
        said = _threads(faults, seed, runs[0], failed) if given.slack else {}
        whole = not given.only and not failed
    finally:
        # A long run that is interrupted is not lost.
        if fresh is not None:
            write(fresh, runs, said, whole=whole)
    if given.bare and given.write and whole:
        write_bare(runs[0])
    for run in runs:
        figures = totals(row.judged for row in run)
        print("  ".join(f"{key} {value}" for key, value in figures.items()))
        for gate in broken_gates(figures):
            print(f"gate: {gate}")
    for text in failed:
        print(f"could not be tried: {text}")
    return 1 if failed else 0


def _threads(chosen: Iterable[str], seed: int, rows: Iterable[Row], failed: list[str]) -> dict[str, dict[str, Any]]:
    six = {name: fault_named(name) for name in SIX if name in chosen}
    return threads(six, seed, {row.judged.name: row for row in rows}, failed)


if __name__ == "__main__":
    sys.exit(main())
