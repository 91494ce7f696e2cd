"""Measures what the documentation promises, and writes it down: ``make figures``.

Start time and memory are whole-process figures of child processes; events and requests are counted in rehearsals, which use
real sockets and the embedded store. Medians of several runs: machines are noisy.
"""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bot.adapters.kubeconfig.access import from_kubeconfig
from bot.app import build_core, investigate_once
from bot.demo.scenarios import SCENARIOS, Scenario, rehearse
from bot.model.events import Trigger
from bot.settings import Settings
from tests.fakes.slack import FakeSlack

FILE = Path(__file__).resolve().parent.parent / "docs" / "figures.md"
RUNS = 5


_CHILD = """
import re
from bot.cli import main
try:
    main()
finally:
    peak = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())
    open(PEAK, "w").write(peak.group(1))
"""


def process(*argv: str) -> tuple[float, float]:
    """Wall seconds and peak memory in MiB of one run of the command line; its own children are not in it."""
    with tempfile.NamedTemporaryFile() as peak:
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "-c", f"PEAK = {peak.name!r}\n{_CHILD}", *argv],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=120,
        )
        return time.monotonic() - started, int(Path(peak.name).read_text()) / 1024


def median_of(argv: Sequence[str]) -> str:
    runs = [process(*argv) for _ in range(RUNS)]
    seconds, memory = statistics.median(run[0] for run in runs), statistics.median(run[1] for run in runs)
    return f"| `apidown {' '.join(argv)}` | {seconds:.2f} | {memory:.0f} |"


async def serving() -> str:
    """The bot with nothing to do: seconds until Slack is connected, and its memory then."""
    async with FakeSlack() as slack:
        with tempfile.TemporaryDirectory() as folder:
            environment = {
                "PATH": os.environ["PATH"],
                "HOME": folder,
                "PYTHONPATH": str(FILE.parent.parent),
                "SLACK_BOT_TOKEN": slack.bot_token,
                "SLACK_APP_TOKEN": slack.app_token,
                "APIDOWN_SLACK_BASE_URL": slack.base_url,
                "APIDOWN_STATE_DIR": folder,
                "APIDOWN_HEALTH_HOST": "127.0.0.1",
                "APIDOWN_HEALTH_PORT": "0",
            }
            started = time.monotonic()
            child = subprocess.Popen(
                [sys.executable, "-c", "from bot.cli import main; main()", "serve"], env=environment, stderr=subprocess.DEVNULL
            )
            try:
                await slack.wait_for(lambda: slack.connections, 60, "the bot is connected")
                ready = time.monotonic() - started
                status = Path(f"/proc/{child.pid}/status").read_text()
            finally:
                child.terminate()
                child.wait(timeout=20)
    resident = int(status.partition("VmRSS:")[2].split()[0]) / 1024
    return f"| `apidown serve`, connected and idle | {ready:.2f} | {resident:.0f} |"


async def rehearsal(scenario: Scenario) -> str:
    """One row: what a rehearsal's log and sockets show."""
    core = build_core()
    events: list[str] = []
    async with rehearse(scenario) as running:
        with tempfile.TemporaryDirectory() as folder:
            kubeconfig = Path(folder) / "kubeconfig"
            kubeconfig.write_text(running.kubeconfig)
            access = from_kubeconfig(kubeconfig, None, Settings())
            state = await investigate_once(
                core,
                access,
                trigger=Trigger(kind="command-line", who="figures"),
                on_event=lambda event, _: events.append(event.type),
            )
    concluded = state.concluded
    assert concluded is not None
    assert state.diagnosis is not None
    cells = [
        f"`{scenario.name}`",
        f"`{state.diagnosis.causes[0].id}`",
        f"{concluded.first_verdict_s:.2f}",
        f"{concluded.duration_s:.2f}",
        str(concluded.requests),
        str(len(events)),
    ]
    return f"| {' | '.join(cells)} |"


HEAD = """# Figures

Written by `make figures` on a machine with {machine}.
Medians of {runs} runs for commands, one run for each rehearsal and for `serve`.

## Processes

| command | wall, s | peak memory, MiB |
| --- | --- | --- |
{processes}

The embedded store is a process of its own, of about 8 MiB. The Kubernetes client is imported only when an API server takes a
verified connection and objects are to be read.

## Rehearsals

First verdict and end count from the beginning of the round. Requests are HTTP requests to the API server, health and object
reads together; the bounds are 4 health requests an address and 20 object reads a round. Events are all that one
investigation appends to its log; a Slack thread adds two for each message and one for each edit.

| rehearsal | verdict | first verdict, s | end, s | requests | events |
| --- | --- | --- | --- | --- | --- |
{rehearsals}
"""


def main() -> None:
    commands = (("--help",), ("playbooks", "list"), ("demo", "refused"), ("demo", "healthy"))
    processes = [*map(median_of, commands), asyncio.run(serving())]
    rehearsals = [asyncio.run(rehearsal(scenario)) for scenario in SCENARIOS.values()]
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    text = HEAD.format(machine=machine, runs=RUNS, processes="\n".join(processes), rehearsals="\n".join(rehearsals))
    FILE.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
