"""Child processes of the lab: each dies with the test process, whatever kills that, and is gone after its test."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

POLL_S = 0.02


def dying_with_us(argv: Sequence[str]) -> list[str]:
    """This argv, killed by the kernel when the thread that starts it ends. A wrapper rather than ``preexec_fn``, which may
    deadlock in a process that has threads."""
    return ["setpriv", "--pdeathsig", "KILL", "--", *argv]


class Process:
    """A running server with its log."""

    def __init__(self, name: str, argv: Sequence[str], *, log: Path, env: dict[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                dying_with_us(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    @property
    def state(self) -> str:
        """The kernel's letter: S sleeps, R runs, T is stopped. Empty when it is gone."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return ""

    def signal(self, number: signal.Signals) -> None:
        if self.running:
            self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is really gone."""
        self.signal(signal.SIGKILL)
        self._process.wait(timeout=10)

    def terminate(self) -> None:
        """SIGTERM, and SIGKILL to what does not listen within ten seconds."""
        self.signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()

    def tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def wait_until(condition: Callable[[], object], what: str, *, within: float, process: Process | None = None) -> None:
    """Polls until the condition holds; fails with the process's last words when it does not, or when it died."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return
        if process is not None and not process.running:
            break
        time.sleep(POLL_S)
    words = f"; the last lines of {process.name}:\n{process.tail()}" if process is not None else ""
    raise AssertionError(f"{what} did not come true within {within:.0f} s{words}")
