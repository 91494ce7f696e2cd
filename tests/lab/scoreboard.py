"""``python -m tests.lab.scoreboard``: every fault, one after the other, judged."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from bot.app import build_registry
from bot.playbook import default_folder, load_library
from tests.lab.asking import investigate
from tests.lab.domains import DOMAINS
from tests.lab.fault import Fault, all_faults
from tests.lab.judge import Judged, broken_gates, judge, totals
from tests.lab.seed import Draw
from tests.lab.topology import Lab, running_lab


@dataclass(frozen=True, kw_only=True)
class Row:
    """One fault's line of the scoreboard. ``counted`` are the requests that the API servers' audit logs have."""

    fault: Fault
    judged: Judged
    proof: str
    seconds: float
    counted: int
    said: Mapping[str, Any]


class Bench:
    """A lab that is made when the first fault needs it, and anew after one that could not be undone.

    ``patience`` is how many seconds the lab may take to be well again after a fault.
    """

    def __init__(self, seed: int, patience: float = 75) -> None:
        self.seed = seed
        self.patience = patience
        self.rebuilt: list[str] = []
        self._running: Generator[Lab] | None = None
        self._lab: Lab | None = None

    @property
    def lab(self) -> Lab:
        if self._lab is None:
            self._running = _lab(self.seed)
            self._lab = next(self._running)
        return self._lab

    def close(self) -> None:
        if self._running is not None:
            self._running.close()
        self._running = self._lab = None

    def run(self, fault: Fault) -> Row:
        """Does it, asks, undoes it, and sees that the lab is well before and after."""
        lab = self.lab
        unwell = lab.unwell()
        assert not unwell, f"before {fault.name}: {'; '.join(unwell)}"
        started = time.monotonic()
        before = _counted(lab)
        try:
            with fault.begin(lab, Draw(self.seed, fault.name)) as ask:
                said = investigate(lab, ask)
                after = _counted(lab)
                proof = ask.proof
        finally:
            self._undone(fault)
        assert proof, f"{fault.name} does not say how it was seen to be in"
        return Row(
            fault=fault,
            judged=judge(fault.name, fault.kind, fault.truth, said, domains=DOMAINS, refines=refinements()),
            proof=proof,
            seconds=time.monotonic() - started,
            counted=after - before,
            said=said,
        )

    def _undone(self, fault: Fault) -> None:
        try:
            self.lab.recover(self.patience)
        except AssertionError as error:
            self.rebuilt.append(f"{fault.name}: {error}")
            self.close()


def _lab(seed: int) -> Generator[Lab]:
    with running_lab(seed) as lab:
        yield lab


@contextmanager
def bench(seed: int) -> Generator[Bench]:
    """A bench whose lab is gone afterwards."""
    made = Bench(seed)
    try:
        yield made
    finally:
        made.close()


@cache
def refinements() -> Mapping[str, str]:
    """Which broader cause each finer one refines, as the catalogue has it."""
    library = load_library(default_folder(), build_registry())
    return {cause.id: cause.refines for cause in library.causes.values() if cause.refines}


def _counted(lab: Lab) -> int:
    return sum(api.requests_by("apidown") for api in lab.apis)


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


def chosen(names: Iterable[str]) -> dict[str, Fault]:
    """All faults, or these; a SystemExit that says what there is otherwise."""
    every = all_faults()
    unknown = [name for name in names if name not in every]
    if unknown:
        sys.exit(f"there is no fault {', '.join(unknown)}; there are {', '.join(every)}")
    return {name: every[name] for name in names} or every


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.scoreboard", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="what names, ports, addresses and times are drawn from")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these faults only")
    given = parser.parse_args(argv)
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    only = f" --only {' '.join(given.only)}" if given.only else ""
    print(f"seed {seed}; again: python -m tests.lab.scoreboard --seed {seed}{only}")
    rows, failed = [], []
    with bench(seed) as made:
        for fault in chosen(given.only).values():
            try:
                row = made.run(fault)
            except AssertionError as error:
                failed.append(fault.name)
                print(f"FAIL {fault.name}: {shortened(str(error))}", flush=True)
                continue
            rows.append(row)
            print(line(row), flush=True)
        for text in made.rebuilt:
            print(f"the lab was made anew after {text}")
    figures = totals(row.judged for row in rows)
    print("  ".join(f"{key} {value}" for key, value in figures.items()))
    for gate in broken_gates(figures):
        print(f"gate: {gate}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
