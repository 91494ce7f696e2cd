"""An hour of the API servers as Prometheus saw it: whether they could be scraped, how long requests took, how many failed.

Values are those of the source document's queries, with what distorts them left out: watches and other requests that are long by
design. A value that a server gave before it failed is history, and says nothing about now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from bot.clock import stamp
from bot.errors import Unavailable
from bot.model.base import Json, Value
from bot.model.finding import Status
from bot.model.metrics import Series
from bot.ports import MetricsReads

OUTCOMES = {
    "scraped-steadily": "every scrape of the last hour went well",
    "scraped-again": "scrapes failed in the last hour, and go well now",
    "scraped-no-more": "scrapes went well in the last hour, and fail since a moment that is known",
    "quick": "99 of 100 requests take less than a second",
    "slow": "of 100 requests the slowest takes more than a second",
    "errors-few": "fewer than 3 % of the requests end with a server error",
    "errors-many": "3 % of the requests, or more, end with a server error",
    "not-told": "Prometheus has no such values of this cluster's API servers",
    "not-configured": "no Prometheus is configured for the cluster",
    "not-answered": "Prometheus itself does not answer, or not as one",
}
_OK = frozenset({"scraped-steadily", "quick", "errors-few"})

STEP_S = 120
POINTS = 30
SPAN_S = STEP_S * (POINTS - 1)
_SLOW_S = 1.0
_MANY = 3.0
_LONG_VERBS = "WATCH|WATCHLIST|CONNECT|PROXY"
_LONG = "log|exec|attach|portforward|proxy"


class Said(Value):
    """One judgement of an hour's values."""

    subject: str
    outcome: str
    says: str
    evidence: Json = {}

    @property
    def status(self) -> Status:
        return Status.OK if self.outcome in _OK else Status.PROBLEM


async def read(reads: MetricsReads, api: str, now: datetime) -> list[Said]:
    """The three, and one chart of them at the first. What takes too long to compute is left out, and not what is there."""
    inner = api.strip("{}")
    buckets = f'apiserver_request_duration_seconds_bucket{{{inner}, verb!~"{_LONG_VERBS}", subresource!~"{_LONG}"}}'
    failed = f'sum(rate(apiserver_request_total{{{inner}, code=~"5.."}}[5m]))'
    all_requests = f"sum(rate(apiserver_request_total{api}[5m]))"
    scrapes, *values = await asyncio.gather(
        reads.query(f"up{api}[60m]"),
        reads.query_range(f"100 * avg(up{api})", span_s=SPAN_S, step_s=STEP_S),
        _if_quick(reads, f"histogram_quantile(0.99, sum by (le) (rate({buckets}[5m])))"),
        _if_quick(reads, f"{failed} or 0 * {all_requests}"),
        _if_quick(reads, all_requests),
    )
    rows = dict(zip(("up", "p99", "5xx", "all"), values, strict=True))
    said = _said_of_scrapes(scrapes, now)
    if (p99 := _newest(rows["p99"], now)) is not None:
        outcome = "slow" if p99 > _SLOW_S else "quick"
        says = (
            f"99 of 100 requests take less than {p99:.2g} s"
            if outcome == "quick"
            else f"1 of 100 requests takes over {p99:.2g} s"
        )
        said.append(Said(subject="latency", outcome=outcome, says=says, evidence={"p99_s": round(p99, 3)}))
    errors, requests = _newest(rows["5xx"], now), _newest(rows["all"], now)
    if errors is not None and requests:
        share = 100 * errors / requests
        outcome = "errors-many" if share >= _MANY else "errors-few"
        says = f"{errors:.2g} of {requests:.3g} requests a second end with a server error"
        evidence: Json = {"errors_per_s": round(errors, 3), "requests_per_s": round(requests, 3), "percent": round(share, 2)}
        said.append(Said(subject="server errors", outcome=outcome, says=says, evidence=evidence))
    if said:
        first = said[0]
        said[0] = first.model_copy(update={"evidence": first.evidence | {"chart": _chart(rows, now)}})
    return said


async def _if_quick(reads: MetricsReads, promql: str) -> Sequence[Series]:
    """A large cluster's histogram may cost more than Prometheus has to spare in an outage."""
    try:
        return await reads.query_range(promql, span_s=SPAN_S, step_s=STEP_S)
    except Unavailable:
        return ()


def _said_of_scrapes(series: Sequence[Series], now: datetime) -> list[Said]:
    """How scrapes went, and between which two of them it changed last."""
    if not series:
        return []
    bad = [one for one in series if one.points and one.points[-1][1] < 1]
    fell = [_fall(one) for one in series]
    evidence: Json = {
        "servers": [
            {
                "instance": one.labels.get("instance", ""),
                "up": one.last == 1,
                "last_good": stamp(change[0]) if change else None,
                "first_bad": stamp(change[1]) if change else None,
            }
            for one, change in list(zip(series, fell, strict=True))[:8]
        ]
    }
    known = [change for one, change in zip(series, fell, strict=True) if change is not None and (one in bad or not bad)]
    if bad and known:
        good, first = max(known, key=lambda change: change[1])
        evidence |= {"last_good": stamp(good), "first_bad": stamp(first)}
        since = f"since {first:%H:%M:%S} UTC, after a good scrape at {good:%H:%M:%S}"
        says = f"{len(bad)} of {len(series)} API servers cannot be scraped {since}"
        return [Said(subject="scrapes", outcome="scraped-no-more", says=says, evidence=evidence)]
    if bad:
        return []
    if known:
        good, first = max(known, key=lambda change: change[1])
        says = f"An API server could not be scraped at {first:%H:%M:%S} UTC, and can be now"
        return [Said(subject="scrapes", outcome="scraped-again", says=says, evidence=evidence)]
    begin = min(one.points[0][0] for one in series)
    minutes = (now - begin) / timedelta(minutes=1)
    says = f"Every scrape of the last {minutes:.0f} min went well"
    return [Said(subject="scrapes", outcome="scraped-steadily", says=says, evidence=evidence)]


def _fall(one: Series) -> tuple[datetime, datetime] | None:
    """The last good scrape before the last time that scrapes began to fail, and the first that failed."""
    found = None
    for (earlier, before), (later, after) in pairwise(one.points):
        if before == 1 and after < 1:
            found = (earlier, later)
    return found


def _newest(series: Sequence[Series], now: datetime) -> float | None:
    """The value now; None where the last one is older than two steps."""
    if not series or not series[0].points:
        return None
    at, value = series[0].points[-1]
    return value if now - at <= timedelta(seconds=2 * STEP_S) else None


def _chart(rows: Mapping[str, Sequence[Series]], now: datetime) -> list[Json]:
    """The rows that have a value, in the form of docs/architecture.md."""
    begin = now - timedelta(seconds=SPAN_S)
    drawn: list[Json] = []
    for name, label, unit, worst in (("up", "up", "%", "low"), ("p99", "p99", "s", "high"), ("5xx", "5xx", "/s", "high")):
        values = _values(rows[name][0].points if rows[name] else (), begin)
        if any(value is not None for value in values):
            drawn.append({"label": label, "unit": unit, "values": values, "from": stamp(begin), "to": stamp(now), "worst": worst})
    return drawn


def _values(points: Iterable[tuple[datetime, float]], begin: datetime) -> list[float | None]:
    values: list[float | None] = [None] * POINTS
    for at, value in points:
        column = round((at - begin).total_seconds() / STEP_S)
        if 0 <= column < POINTS:
            values[column] = round(value, 4)
    return values
