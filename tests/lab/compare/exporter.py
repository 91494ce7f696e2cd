"""Starts the blackbox exporter, asks it the probes that are named, prints its debug pages without comments, and ends it.

``python -m tests.lab.compare.exporter BINARY CONFIG MODULE=TARGET…``, run where the probes are to leave from. The probes run
at the same time, as Prometheus would scrape them.
"""

from __future__ import annotations

import http.client
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from tests.lab.processes import Process, wait_until
from tests.ports import free_port


def ask(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode(errors="replace")
    finally:
        connection.close()


def is_up(port: int) -> bool:
    try:
        return ask(port, "/-/healthy") == "Healthy"
    except OSError:
        return False


def probe(port: int, asked: str) -> str:
    module, _, target = asked.partition("=")
    page = ask(port, f"/probe?module={module}&target={quote(target, safe='')}&debug=true")
    # What follows is the module's configuration, which is ours.
    page = page.partition("Module configuration:")[0]
    lines = [line for line in page.splitlines() if line.strip() and not line.startswith("#")]
    return "\n".join([f"== {module} {target}", *lines])


def main(argv: Sequence[str]) -> int:
    binary, config, *probes = argv
    port = free_port()
    flags = [f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    exporter = Process("blackbox_exporter", [binary, *flags], log=Path(config).with_suffix(".log"))
    try:
        wait_until(lambda: is_up(port), "the exporter's /-/healthy", within=10, process=exporter)
        with ThreadPoolExecutor() as pool:
            print("\n".join(pool.map(lambda asked: probe(port, asked), probes)))
        return 0
    finally:
        exporter.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
