"""What Prometheus's values say of the API server's process and of etcd, by rules that dashboards and alerts have, too.

A process that is gone leaves its last values behind, so those are read as far as ten minutes back; what is only true at this
moment (a leader, open watches) is read from scrapes that are newer than the failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from bot.model.base import Json, Value
from bot.model.finding import Status
from bot.model.metrics import Role, Series
from bot.ports import MetricsReads
from bot.probes._shared.scraping import Place
from bot.registry import ProbeContext

OUTCOMES = {
    "files-free": "the API servers' processes have open less than half of the files that they may",
    "files-near-limit": "a process has open nine of ten files that it may, or more",
    "files-exhausted": "it fails from here, and a process has open every file that it may",
    "running-through": "no API server's process was started in the last half hour",
    "restarted-once": "an API server's process was started once in the last half hour",
    "restarting": "an API server's process was started several times in the last half hour",
    "out-of-memory": "the kernel or the kubelet ended an API server for its memory in the last hour",
    "etcd-led": "etcd has a leader",
    "etcd-without-leader": "a member of etcd knows no leader",
    "etcd-has-space": "etcd's database is below 80 % of its quota",
    "etcd-nearly-full": "etcd's database has more than 80 % of its quota",
    "etcd-full": "etcd's database has more than 95 % of its quota",
    "etcd-disk-slow": "writes to etcd's log take more than 100 ms on average",
    "etcd-watched-as-before": "as many watches are open at etcd as before the failure: no API server's process is gone",
    "etcd-watched-less": "so many watches at etcd are gone that an API server's process is",
    "processes-gone": "the API servers that clients ask refuse Prometheus, and so many watches at etcd are gone as were theirs",
    "processes-alive": "the API servers that clients ask refuse Prometheus, and no watch at etcd is gone",
    "listen-queue-overflowing": "connections overflow a listener's queue on an API server's machine since the failure",
    "not-told": "Prometheus has none of these values for this cluster",
    "not-configured": "no Prometheus is configured for the cluster",
    "not-answered": "Prometheus itself does not answer, or not as one",
}
_OK = frozenset({"files-free", "running-through", "restarted-once", "etcd-led", "etcd-has-space", "etcd-nearly-full"})

_ALIVE = frozenset({"etcd-watched-as-before", "processes-alive"})

_FILES_OUT, _FILES_FULL, _FILES_FREE = 0.99, 0.9, 0.5
_ETCD_FULL, _ETCD_NEARLY = 0.95, 0.8
_DISK_SLOW_S = 0.1
_FEWEST_WATCHES = 20
_FEWEST_BEFORE = 3
_FEWEST_OVERFLOWS = 3
_PAUSE_S = (1.0, 5.0)
_MOST_LOOKS = 20


class Said(Value):
    """One judgement of some values."""

    subject: str
    outcome: str
    says: str
    evidence: Json = {}
    warning: str | None = None

    @property
    def status(self) -> Status:
        return Status.OK if self.outcome in _OK or self.outcome in _ALIVE else Status.PROBLEM


async def of_processes(reads: MetricsReads, api: str, *, failing: bool) -> list[Said]:
    """Open files, starts, and ends for want of memory, of the API servers with these labels."""
    container = reads.selector(Role.KUBELET, 'container="kube-apiserver"')
    files, starts, killed = await asyncio.gather(
        reads.query(f"max(last_over_time(process_open_fds{api}[10m]) / last_over_time(process_max_fds{api}[10m]))"),
        reads.query(f"max(changes(process_start_time_seconds{api}[30m]))"),
        reads.query(f"max(increase(container_oom_events_total{container}[1h]))"),
    )
    said = []
    if (share := _value(files)) is not None and not _FILES_FREE < share < _FILES_FULL:
        full = "files-exhausted" if failing and share >= _FILES_OUT else "files-near-limit"
        outcome = full if share >= _FILES_FULL else "files-free"
        says = f"The API server's process has open {share:.0%} of the files that it may"
        said.append(Said(subject="open files", outcome=outcome, says=says, evidence={"share": round(share, 4)}))
    if (count := _value(starts)) is not None:
        outcome = "running-through" if count < 1 else "restarted-once" if count < 2 else "restarting"
        says = f"An API server's process was started {count:.0f} times in the last half hour"
        said.append(Said(subject="process starts", outcome=outcome, says=says, evidence={"starts": int(count)}))
    if (_value(killed) or 0) >= 1:
        says = "An API server was ended for its memory in the last hour"
        said.append(Said(subject="memory", outcome="out-of-memory", says=says))
    return said


async def of_etcd(reads: MetricsReads, etcd: str) -> list[Said]:
    """Leader, space, and the disk below, of the members with these labels."""
    size = f"last_over_time(etcd_mvcc_db_total_size_in_bytes{etcd}[10m])"
    wal = "etcd_disk_wal_fsync_duration_seconds"
    leader, space, writes = await asyncio.gather(
        reads.query(f"min(etcd_server_has_leader{etcd})"),
        reads.query(f"max({size} / last_over_time(etcd_server_quota_backend_bytes{etcd}[10m]))"),
        reads.query(f"max(rate({wal}_sum{etcd}[2m]) / rate({wal}_count{etcd}[2m]))"),
    )
    led, full, disk = _value(leader), _value(space), _value(writes)
    said = []
    if led is not None:
        outcome, says = (
            ("etcd-led", "etcd has a leader") if led >= 1 else ("etcd-without-leader", "A member of etcd has no leader")
        )
        said.append(Said(subject="etcd's leader", outcome=outcome, says=says))
    if full is not None:
        outcome = "etcd-full" if full > _ETCD_FULL else "etcd-nearly-full" if full > _ETCD_NEARLY else "etcd-has-space"
        says = f"etcd's database has {full:.0%} of its quota"
        warning = f"{says}: at the quota every write is refused." if full > _ETCD_NEARLY else None
        said.append(Said(subject="etcd's space", outcome=outcome, says=says, evidence={"share": round(full, 4)}, warning=warning))
    if disk is not None and disk > _DISK_SLOW_S:
        says = f"A write to etcd's log takes {disk * 1000:.0f} ms on average"
        said.append(Said(subject="etcd's disk", outcome="etcd-disk-slow", says=says, evidence={"fsync_s": round(disk, 4)}))
    return said


async def of_watches(
    ctx: ProbeContext, reads: MetricsReads, place: Place, etcd: str, *, servers: int, refusing: int
) -> list[Said]:
    """Whether a process is gone, by what it leaves at etcd: each API server watches some hundred kinds there, and the kernel
    closes a dead one's connections at once. Only where something fails, by values from before and from after. ``servers`` is how
    many there are, and ``refusing`` how many it is that clients ask, where all of these refuse."""
    if place.failed_at is None:
        return []
    metric = f"etcd_debugging_mvcc_watcher_total{etcd}[30m]"
    failed_at = place.failed_at
    return await _once_newer(ctx, reads, place, metric, lambda series: compare(series, failed_at, servers, refusing))


async def of_queues(ctx: ProbeContext, reads: MetricsReads, place: Place, nodes: str) -> list[Said]:
    """Whether a machine's kernel turns connections away because a process does not take them: what fails from here is counted
    there. Which listener it is, is not told."""
    if place.failed_at is None:
        return []
    metric = f"node_netstat_TcpExt_ListenOverflows{nodes}[10m]"
    failed_at = place.failed_at
    return await _once_newer(ctx, reads, place, metric, lambda series: overflowing(series, failed_at))


async def _once_newer(
    ctx: ProbeContext, reads: MetricsReads, place: Place, metric: str, judge: Callable[[Sequence[Series]], Said | None]
) -> list[Said]:
    """The judgement of values once they are newer than the failure, for as long as such are due."""
    for _ in range(_MOST_LOOKS):
        series = await reads.query(metric)
        judged = judge(series)
        newer = place.failed_at is None or all(one.points[-1][0] >= place.failed_at for one in series)
        left = place.until - ctx.clock.monotonic()
        due = None if newer else _due_s(series, ctx.clock.now())
        if judged is not None or due is None or due >= left:
            return [judged] if judged else []
        await asyncio.sleep(min(max(due, _PAUSE_S[0]), _PAUSE_S[1]))
    return []


def overflowing(series: Sequence[Series], failed_at: datetime) -> Said | None:
    """How much a machine's counter grew from the last value before the failure; None where it did not, or that is not known."""
    most = 0.0
    for one in series:
        earlier = [value for at, value in one.points if at < failed_at]
        later = [value for at, value in one.points if at >= failed_at]
        if earlier and later:
            most = max(most, later[-1] - earlier[-1])
    if most < _FEWEST_OVERFLOWS:
        return None
    says = f"{most:.0f} connections overflowed a listener's queue on an API server's machine since it failed from here"
    return Said(subject="listeners' queues", outcome="listen-queue-overflowing", says=says, evidence={"overflows": int(most)})


def compare(series: Sequence[Series], failed_at: datetime, servers: int, refusing: int = 0) -> Said | None:
    """Before and after; None where one of them is not known, or it is too near to both."""
    before, now = 0.0, 0.0
    for one in series:
        earlier = [value for at, value in one.points if at < failed_at - timedelta(seconds=5)]
        later = [value for at, value in one.points if at >= failed_at]
        if len(earlier) < _FEWEST_BEFORE or not later:
            return None
        before += median(earlier)
        now += later[-1]
    if before < _FEWEST_WATCHES or servers < 1:
        return None
    evidence: Json = {"watches_before": int(before), "watches_now": int(now), "servers": servers}
    lost = 1 - now / before
    if lost <= 0.3 / servers:
        says = f"{now:.0f} watches are open at etcd, as before the failure: no API server's process is gone"
        outcome = "processes-alive" if refusing else "etcd-watched-as-before"
        return Said(subject="etcd's clients", outcome=outcome, says=says, evidence=evidence)
    if lost >= 0.7 / servers:
        says = f"{now:.0f} watches are open at etcd, after {before:.0f}: an API server's process is gone"
        outcome = "processes-gone" if refusing and lost >= (refusing - 0.3) / servers else "etcd-watched-less"
        return Said(subject="etcd's clients", outcome=outcome, says=says, evidence=evidence)
    return None


def _due_s(series: Sequence[Series], now: datetime) -> float | None:
    """In how many seconds the next values are due, by the distance of those that are there."""
    waits = []
    for one in series:
        if len(one.points) < _FEWEST_BEFORE:
            return None
        interval = median((later[0] - earlier[0]).total_seconds() for earlier, later in pairwise(one.points))
        age = (now - one.points[-1][0]).total_seconds()
        if age > 3 * interval + 10:
            return None
        waits.append(max(interval - age, _PAUSE_S[0]))
    return max(waits, default=None)


def _value(series: Sequence[Series]) -> float | None:
    return series[0].last if series else None
