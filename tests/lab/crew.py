"""Several benches beside each other, each a process with a lab of its own, that take faults from one list.

Half of a fault's time is waiting for time-outs, so two labs on two processors take little longer than one.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from tests.lab.bench import Row, bench
from tests.lab.fault import fault_named
from tests.lab.processes import dying_with_us
from tests.lab.topology import ROOT

_STOP_S = 30.0


class Crew:
    """Results by fault's name, as they come: a row, or the words of what went wrong."""

    def __init__(self, names: Sequence[str], workers: Sequence[subprocess.Popen[str]], logs: Sequence[IO[str]]) -> None:
        self.results: dict[str, Row | str] = {}
        self.rebuilt: list[str] = []
        self._left: queue.SimpleQueue[str] = queue.SimpleQueue()
        for name in names:
            self._left.put(name)
        self._news = threading.Condition()
        pairs = zip(workers, logs, strict=True)
        self._threads = [threading.Thread(target=self._serve, args=pair, daemon=True) for pair in pairs]
        for thread in self._threads:
            thread.start()

    def result(self, name: str, within: float) -> Row | str:
        """Waits for it."""
        deadline = time.monotonic() + within
        with self._news:
            while name not in self.results and (left := deadline - time.monotonic()) > 0:
                if not any(thread.is_alive() for thread in self._threads):
                    return self.results.get(name, "every bench has ended before this fault")
                self._news.wait(min(left, 1))
            return self.results.get(name, f"no result within {within:.0f} s")

    def drop(self) -> None:
        """Nothing more is begun."""
        with suppress(queue.Empty):
            while True:
                self._left.get_nowait()

    def join(self, within: float) -> None:
        deadline = time.monotonic() + within
        for thread in self._threads:
            thread.join(timeout=max(0, deadline - time.monotonic()))

    def _serve(self, worker: subprocess.Popen[str], log: IO[str]) -> None:
        assert worker.stdin is not None
        assert worker.stdout is not None
        with suppress(queue.Empty, BrokenPipeError):
            while True:
                name = self._left.get_nowait()
                worker.stdin.write(f"{name}\n")
                worker.stdin.flush()
                line = worker.stdout.readline()
                said = json.loads(line) if line else {"error": f"the bench ended: {Path(log.name).read_text()[-2000:]}"}
                with self._news:
                    self.results[name] = Row.from_json(said["row"]) if "row" in said else said["error"]
                    self.rebuilt += said.get("rebuilt", [])
                    self._news.notify_all()
                if not line:
                    return


@contextmanager
def crew(names: Sequence[str], seeds: Sequence[int], *, bare: bool = False) -> Generator[Crew]:
    """A bench for each seed; all are gone afterwards. Must be entered by the thread that lives longest."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    workers: list[subprocess.Popen[str]] = []
    made = None
    with ExitStack() as stack:
        logs = [stack.enter_context(tempfile.NamedTemporaryFile("w", prefix="bench-", suffix=".log")) for _ in seeds]
        stack.callback(lambda: _end(made, workers))
        for seed, log in zip(seeds, logs, strict=True):
            argv = [sys.executable, "-m", "tests.lab.crew", "--seed", str(seed), *(["--bare"] if bare else [])]
            workers.append(
                subprocess.Popen(
                    dying_with_us(argv),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    cwd=ROOT,
                    env=environment,
                )
            )
        made = Crew(names, workers, logs)
        yield made


def _end(made: Crew | None, workers: Sequence[subprocess.Popen[str]]) -> None:
    """At the end of its list a bench ends itself; one in the middle of a fault is killed, and its lab dies with it."""
    if made is not None:
        made.drop()
    for worker in workers:
        with suppress(OSError):
            if worker.stdin is not None:
                worker.stdin.close()
    for worker in workers:
        try:
            worker.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait(timeout=_STOP_S)
    if made is not None:
        made.join(_STOP_S)
    for worker in workers:
        if worker.stdout is not None:
            worker.stdout.close()


def main() -> None:
    """One bench: names of faults on stdin, a line of JSON for each on stdout."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--bare", action="store_true")
    given = parser.parse_args()
    with bench(given.seed, bare=given.bare) as made:
        for line in sys.stdin:
            known = len(made.rebuilt)
            try:
                answer = {"row": made.run(fault_named(line.strip())).as_json()}
            except Exception as error:
                # The boundary: a fault that cannot be tried is one result, not the end of all others.
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps({**answer, "rebuilt": made.rebuilt[known:]}), flush=True)


if __name__ == "__main__":
    main()
