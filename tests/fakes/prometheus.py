"""A Prometheus made of answers that a real one (2.42) gave, served on loopback, with times and addresses of the test's own.

``tests/testdata/prometheus`` has the recordings: one target for each way in which a scrape can end, on real sockets: a refusal,
dropped packets, a silent process, a reset, no route, statuses, certificates, a proxy that is gone. What a test changes is where
a target is, which job scrapes it, and when.
"""

from __future__ import annotations

import asyncio
import copy
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.adapters.prometheus.reads import Prometheus
from bot.clock import Clock
from bot.model.metrics import Monitoring
from bot.ports import MetricsAccess
from tests.fakes.network import NOW
from tests.ports import free_port

RECORDED = Path(__file__).resolve().parent.parent / "testdata" / "prometheus"

# The port of the recording at which each way of ending was met.
_PORTS = {
    "up": "6443",
    "refused": "7000",
    "dropped": "7001",
    "silent": "7002",
    "500": "7003",
    "401": "7004",
    "429": "7005",
    "eof": "7006",
    "reset": "7007",
    "no-metrics": "7008",
    "503": "7014",
    "403": "7013",
    "expired": "7010",
}
_WORDS = {
    "no-route": "no route to host",
    "no-network": "network is unreachable",
    "no-name": "lookup",
    "proxy": "proxyconnect",
    "other-name": "not 127.0.0.1",
    "other-authority": "unknown authority",
    "unscraped": "",
}


def recorded(name: str) -> bytes:
    return (RECORDED / f"{name}.json").read_bytes()


def entry(ending: str) -> dict[str, Any]:
    """The recorded target that ended so."""
    targets: list[dict[str, Any]] = json.loads(recorded("targets"))["data"]["activeTargets"]
    if ending == "unscraped":
        return next(one for one in targets if one["health"] == "unknown")
    if ending == "no-network":
        return next(one for one in targets if _WORDS[ending] in one["lastError"] and "lookup" not in one["lastError"])
    if ending in _WORDS:
        return next(one for one in targets if _WORDS[ending] in one["lastError"])
    found = [one for one in targets if one["scrapeUrl"].split("/")[2].endswith(f":{_PORTS[ending]}")]
    return next(
        one
        for one in found
        if ((one["health"] == "up") == (ending == "up") and "context" not in one["lastError"]) or ending in ("dropped", "silent")
    )


def target(ending: str, address: str, job: str = "apiserver", *, ago_s: float = -1, interval: str = "30s", **labels: str) -> Any:
    """A target at this address whose last scrape, so long before ``NOW``, ended so."""
    one = copy.deepcopy(entry(ending))
    old = one["scrapeUrl"].split("/")[2]
    scheme = one["scrapeUrl"].split(":")[0]
    at = (NOW - timedelta(seconds=ago_s)).isoformat().replace("+00:00", "Z")
    return one | {
        "labels": {"job": job, "instance": address, **labels},
        "scrapePool": job,
        "scrapeUrl": f"{scheme}://{address}/metrics",
        "lastError": one["lastError"].replace(old, address),
        "scrapeInterval": interval,
        **({} if ending == "unscraped" else {"lastScrape": at}),
    }


@dataclass
class Recorded:
    """What it answers. ``looks`` are its lists of targets, one after another, the last one for good. ``ages_s`` are how long the
    processes ran at their last scrape. ``never`` are instances that were not up all day."""

    looks: list[list[Any]] = field(default_factory=list)
    ages_s: dict[str, float] = field(default_factory=dict)
    never: frozenset[str] = frozenset()
    answers: dict[str, Callable[[web.Request], web.Response]] = field(default_factory=dict)
    now: datetime = NOW
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    values: dict[str, list[tuple[dict[str, str], float]]] = field(default_factory=dict)
    """What a query that begins so gives."""
    courses: dict[str, list[tuple[dict[str, str], list[tuple[float, float]]]]] = field(default_factory=dict)
    """The same for a query over time: values and how many seconds ago they were."""
    failing: list[tuple[dict[str, str], list[tuple[float, float]]]] = field(default_factory=list)
    """The rate of server errors over time."""

    def answer(self, request: web.Request) -> web.Response:
        path = request.path.rpartition("/api/v1/")[2]
        self.asked.append((path, dict(request.query)))
        self.headers.append(dict(request.headers))
        if path in self.answers:
            return self.answers[path](request)
        if path == "targets":
            number = sum(1 for name, _ in self.asked if name == "targets")
            listed = self.looks[min(number, len(self.looks)) - 1] if self.looks else []
            pool = request.query.get("scrapePool")
            return _good({"activeTargets": [one for one in listed if pool in (None, one["scrapePool"])], "droppedTargets": []})
        if path in ("query", "query_range"):
            return self._query(request.query["query"])
        return web.Response(status=404, text=recorded("unknown").decode())

    def _query(self, promql: str) -> web.Response:
        at = self.now.timestamp()
        if promql == "time()":
            return _good({"resultType": "scalar", "result": [at, str(at)]})
        if self.failing and 'code=~"5.."' in promql:
            return _matrix(self.failing, at)
        for words, courses in self.courses.items():
            if promql.startswith(words):
                return _matrix(courses, at)
        for words, series in self.values.items():
            if promql.startswith(words):
                return _vector([(labels, value) for labels, value in series], at)
        jobs = re.search(r'job=~"((?:[^"\\]|\\.)*)"', promql)
        wanted = re.compile(jobs[1].replace("\\\\", "\\") if jobs else "")
        listed = [one["labels"] for look in self.looks for one in look]
        valued = [labels for series in self.values.values() for labels, _ in series if "instance" in labels]
        everything = {labels["instance"]: labels for labels in (*listed, *valued)}
        meant = {name: labels for name, labels in everything.items() if wanted.fullmatch(labels["job"])}
        if promql.startswith("max_over_time(up"):
            return _vector([(labels, 0 if name in self.never else 1) for name, labels in meant.items()], at)
        if promql.startswith("timestamp(process_start_time_seconds"):
            return _vector([(labels, self.ages_s[name]) for name, labels in meant.items() if name in self.ages_s], at)
        return _vector([], at)


def _good(data: Any) -> web.Response:
    return web.json_response({"status": "success", "data": data})


def _vector(series: list[tuple[dict[str, str], float]], at: float) -> web.Response:
    result = [{"metric": labels, "value": [at, str(value)]} for labels, value in series]
    return _good({"resultType": "vector", "result": result})


def _matrix(courses: list[tuple[dict[str, str], list[tuple[float, float]]]], at: float) -> web.Response:
    result = [{"metric": labels, "values": [[at - ago_s, str(value)] for ago_s, value in points]} for labels, points in courses]
    return _good({"resultType": "matrix", "result": result})


@asynccontextmanager
async def serving(fake: Recorded, prefix: str = "", **given: Any) -> AsyncGenerator[str]:
    """The URL that it is served at while this lasts."""
    port = free_port()

    async def handle(request: web.Request) -> web.Response:
        await asyncio.sleep(0)
        return fake.answer(request)

    app = web.Application()
    app.router.add_get(f"{prefix}/api/v1/{{path:.*}}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, **given).start()
        yield f"{'https' if 'ssl_context' in given else 'http'}://127.0.0.1:{port}{prefix}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def asked(fake: Recorded, clock: Clock, monitoring: Monitoring | None = None) -> AsyncGenerator[Prometheus]:
    """The bot's own reads of it."""
    async with serving(fake) as url:
        reads = Prometheus(MetricsAccess(url=url, monitoring=monitoring or Monitoring()), clock)
        try:
            yield reads
        finally:
            await reads.aclose()
