"""Load on an API server: many requests or connections at once, bounded in number and in time.

Run as a process of its own on a host of the lab (``python -m tests.lab.load``), so that it takes nothing from who measures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.lab.network import Host
from tests.lab.processes import Process, wait_until
from tests.lab.topology import ROOT, Lab

MOST_AT_ONCE = 2000
LONGEST_S = 60.0


class Load:
    """A running load; ``counts`` are the answers so far by HTTP status (``open``: connections held, ``error``: failed)."""

    def __init__(self, process: Process, report: Path) -> None:
        self.process = process
        self._report = report

    @property
    def counts(self) -> Mapping[str, int]:
        with suppress(OSError, ValueError):
            return json.loads(self._report.read_text())
        return {}


@contextmanager
def load(
    lab: Lab,
    path: str,
    *,
    at: str | None = None,
    source: Host | None = None,
    token: str | None = None,
    at_once: int = 40,
    seconds: float = 30,
    hold: bool = False,
) -> Generator[Load]:
    """Asks for ``path`` again and again, ``at_once`` at a time, until the block is left or the time is over.

    ``at`` is host:port, the first API server when left out; the caller is the administrator, or who has ``token``. With ``hold``
    each connection asks once and stays open, as a watch does.
    """
    assert at_once <= MOST_AT_ONCE
    assert seconds <= LONGEST_S
    folder = lab.scratch()
    certificate, key = lab.authority.client("load", ["system:masters"]).write(folder, "load")
    report = folder / "counts.json"
    host, _, port = (at or f"{lab.cp1.address}:{lab.api1.port}").rpartition(":")
    argv = [sys.executable, "-m", "tests.lab.load", host, port, path, str(at_once), str(seconds), str(report)]
    argv += ["--hold"] if hold else []
    argv += ["--token", token] if token else ["--certificate", str(certificate), "--key", str(key)]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    process = (source or lab.node).start("load", *argv, log=folder / "load.log", env=environment)
    try:
        wait_until(report.exists, "the load has begun", within=20, process=process)
        yield Load(process, report)
    finally:
        process.kill()


async def _one(given: Any, context: ssl.SSLContext, counts: Counter[str]) -> None:
    reader, writer = await asyncio.open_connection(given.host, given.port, ssl=context)
    try:
        credentials = f"Authorization: Bearer {given.token}\r\n" if given.token else ""
        head = f"GET {given.path} HTTP/1.1\r\nHost: {given.host}\r\nUser-Agent: load\r\n{credentials}Connection: close\r\n\r\n"
        writer.write(head.encode())
        line = await reader.readline()
        counts[line.split()[1].decode() if line else "closed"] += 1
        if given.hold:
            counts["open"] += 1
            while await reader.read(65536):
                pass
            counts["open"] -= 1
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _again(given: Any, context: ssl.SSLContext, counts: Counter[str]) -> None:
    while True:
        try:
            await _one(given, context, counts)
        except OSError:
            counts["error"] += 1
            await asyncio.sleep(0.05)


async def _run(given: Any) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if given.certificate:
        context.load_cert_chain(given.certificate, given.key)
    counts: Counter[str] = Counter()
    with suppress(TimeoutError):
        async with asyncio.timeout(given.seconds), asyncio.TaskGroup() as group:
            for number in range(given.at_once):
                group.create_task(_again(given, context, counts), name=f"load-{number}")
            while True:
                partial = Path(f"{given.report}.new")
                partial.write_text(json.dumps(counts))
                partial.replace(given.report)
                await asyncio.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("at_once", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("report")
    for option in ("--token", "--certificate", "--key"):
        parser.add_argument(option)
    parser.add_argument("--hold", action="store_true")
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
