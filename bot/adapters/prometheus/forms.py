"""What a Prometheus answers, read as text from outside: whatever is not as documented is left out, or the answer is refused.

``Malformed`` is a ValueError; nothing else is raised, whatever comes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from bot.model.metrics import Monitoring, Role, ScrapedTarget, Series
from bot.model.target import Endpoint

_MOST_SERIES = 2000
_MOST_POINTS = 20_000
_MOST_LABELS = 64
_LABEL = 200
_ERROR = 500
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_USUAL_INTERVAL_S = 60.0
_LONGEST_INTERVAL_S = 3600.0


class Malformed(ValueError):
    """What came is no answer of a Prometheus."""


def data_of(body: bytes) -> Any:
    """The ``data`` of a good answer. Raises Malformed for everything else."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed("it is not JSON") from error
    if not isinstance(answer, dict) or answer.get("status") != "success" or "data" not in answer:
        raise Malformed("it is not in the form of a Prometheus's answers")
    return answer["data"]


def error_of(body: bytes) -> str:
    """What a refusal says, where it is in the usual form."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    said = answer.get("error") if isinstance(answer, dict) else None
    return said[:_ERROR] if isinstance(said, str) else ""


def seconds_of(data: Any) -> float:
    """The seconds of a scalar's answer to ``time()``."""
    value = data.get("result") if isinstance(data, dict) else None
    pair = _pair(value)
    if pair is None:
        raise Malformed("it does not tell its time")
    return pair[1]


def series_of(data: Any, offset_s: float) -> tuple[Series, ...]:
    """Series of a vector or a matrix, their times less the offset of the other side's clock."""
    result = data.get("result") if isinstance(data, dict) else None
    kind = data.get("resultType") if isinstance(data, dict) else None
    if not isinstance(result, list) or kind not in ("vector", "matrix"):
        raise Malformed("its result is neither a vector nor a matrix")
    return tuple(_series(result, "values" if kind == "matrix" else "value", offset_s))


def _series(result: Sequence[Any], key: str, offset_s: float) -> Iterator[Series]:
    left = _MOST_POINTS
    for entry in result[:_MOST_SERIES]:
        if not isinstance(entry, dict):
            continue
        given = entry.get(key)
        pairs = given if key == "values" else [given]
        points = []
        for pair in (pairs if isinstance(pairs, list) else [])[:left]:
            read = _pair(pair)
            at = _moment(read[0] - offset_s) if read else None
            if read is not None and at is not None:
                points.append((at, read[1]))
        left -= len(points)
        if points:
            yield Series(labels=labels_of(entry.get("metric")), points=tuple(points))


def _pair(given: Any) -> tuple[float, float] | None:
    """A time in seconds and a value; None for what is no number, or not a finite one."""
    if not isinstance(given, list) or len(given) != 2:
        return None
    at, text = given
    if isinstance(at, bool) or not isinstance(at, int | float) or not isinstance(text, str):
        return None
    try:
        value, seconds = float(text), float(at)
    except (ValueError, OverflowError):
        return None
    return (seconds, value) if math.isfinite(value) and math.isfinite(seconds) else None


def _moment(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def labels_of(given: Any) -> dict[str, str]:
    if not isinstance(given, dict):
        return {}
    texts = [(name[:_LABEL], text[:_LABEL]) for name, text in given.items() if isinstance(name, str) and isinstance(text, str)]
    return dict(texts[:_MOST_LABELS])


def targets_of(data: Any, monitoring: Monitoring, offset_s: float) -> tuple[tuple[ScrapedTarget, str], ...]:
    """The targets that are of a role in this cluster, each with its scrape pool; raises Malformed when there is no list."""
    given = data.get("activeTargets") if isinstance(data, dict) else None
    if not isinstance(given, list):
        raise Malformed("it has no list of targets")
    found = []
    for entry in given:
        target = _target(entry, monitoring, offset_s) if isinstance(entry, dict) else None
        if target is not None:
            pool = entry.get("scrapePool")
            found.append((target, pool if isinstance(pool, str) else ""))
    return tuple(found[:_MOST_SERIES])


def pools_of(data: Any) -> tuple[str, ...]:
    given = data.get("scrapePools") if isinstance(data, dict) else None
    return tuple(name for name in given if isinstance(name, str)) if isinstance(given, list) else ()


def _target(entry: Mapping[str, Any], monitoring: Monitoring, offset_s: float) -> ScrapedTarget | None:
    labels = labels_of(entry.get("labels"))
    role = role_of(labels, monitoring)
    if role is None:
        return None
    health, error = entry.get("health"), entry.get("lastError")
    scraped = _time(entry.get("lastScrape"))
    return ScrapedTarget(
        role=role,
        job=labels["job"],
        instance=labels.get("instance", ""),
        address=_address(entry.get("scrapeUrl")) or labels.get("instance", ""),
        labels=labels,
        healthy={"up": True, "down": False}.get(health if isinstance(health, str) else ""),
        error=error[:_ERROR] if isinstance(error, str) else "",
        scraped_at=None if scraped is None else _moment(scraped - offset_s),
        interval_s=_duration(entry.get("scrapeInterval")),
    )


def target_of_up(series: Series, monitoring: Monitoring) -> ScrapedTarget | None:
    """A target as the series ``up`` shows it: when it was scraped last, and whether that went well."""
    role = role_of(series.labels, monitoring)
    if role is None or not series.points:
        return None
    times = [at for at, _ in series.points]
    gaps = sorted((later - earlier).total_seconds() for earlier, later in pairwise(times))
    interval = gaps[len(gaps) // 2] if gaps else _USUAL_INTERVAL_S
    instance = series.labels.get("instance", "")
    return ScrapedTarget(
        role=role,
        job=series.labels["job"],
        instance=instance,
        address=instance,
        labels=series.labels,
        healthy=series.points[-1][1] == 1,
        error=None,
        scraped_at=times[-1],
        interval_s=min(max(interval, 0.1), _LONGEST_INTERVAL_S),
    )


def role_of(labels: Mapping[str, str], monitoring: Monitoring) -> Role | None:
    """What a target is to this cluster by its job's name; None where it is another cluster's, or nothing of ours."""
    if any(labels.get(name) != text for name, text in monitoring.match.items()):
        return None
    job = labels.get("job")
    if not job:
        return None
    return next((role for role in Role if any(_glob(one).fullmatch(job) for one in monitoring.patterns(role))), None)


@cache
def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile(_regex(pattern))


def _regex(pattern: str) -> str:
    return ".*".join(re.escape(part) for part in pattern.split("*"))


def selector(monitoring: Monitoring, roles: Iterable[Role], more: Iterable[str] = ()) -> str:
    """Label matchers in braces: the roles' jobs, this cluster's labels, and ``more``."""
    jobs = "|".join(_regex(pattern) for role in roles for pattern in monitoring.patterns(role))
    own = [f"{name}={quoted(text)}" for name, text in monitoring.match.items()]
    return f"{{{', '.join([f'job=~{quoted(jobs)}', *own, *more])}}}"


def quoted(text: str) -> str:
    """A text as PromQL writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _address(url: Any) -> str:
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if not host:
        return ""
    return str(Endpoint(host=host[:_LABEL], port=port or (443 if parts.scheme == "https" else 80)))


def _time(text: Any) -> float | None:
    """Seconds of a time as Go writes it, which before the first scrape is that of the year 1."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if found is None or found.tzinfo is None or found.year < 2000:
        return None
    return (found - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)


def _duration(text: Any) -> float:
    """``30s``, ``1m30s``, ``500ms`` in seconds."""
    parts = re.findall(r"([0-9]{1,7}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)", text[:40]) if isinstance(text, str) else []
    found = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return min(found, _LONGEST_INTERVAL_S) if found > 0 else _USUAL_INTERVAL_S
