"""Child processes of the lab: each dies with the test process, whatever kills that, and is gone after its test."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A running server with its log."""

    def __init__(self, name: str, argv: Sequence[str], *, log: Path, env: dict[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        self._output = log.open("ab")
        self._process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self.running:
            self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is really gone."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGKILL)
        self._process.wait(timeout=10)
        self._output.close()

    def terminate(self) -> None:
        """SIGTERM, and SIGKILL to what does not listen within ten seconds."""
        self.signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()
        self._output.close()

    def tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def wait_until(condition: Callable[[], bool], what: str, *, within: float, process: Process | None = None) -> None:
    """Polls until the condition holds; fails with the process's last words when it does not, or when it died."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return
        if process is not None and not process.running:
            break
        time.sleep(0.05)
    words = f"; the last lines of {process.name}:\n{process.tail()}" if process is not None else ""
    raise AssertionError(f"{what} did not come true within {within:.0f} s{words}")
