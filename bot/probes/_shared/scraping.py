"""Which scrapes count. Prometheus asks every 15 to 60 s, so what it has may be from before the outage.

A scrape counts when it began after what failed from here was seen to fail; until then its target is looked at again, for as long
as one is due. Where nothing fails from here a good scrape counts as long as it is recent, and a bad one only when a newer one
says the same: what restarts is not down. And a target that could not be scraped all day says nothing about now.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from bot.errors import Unavailable
from bot.model.base import Value
from bot.model.metrics import Role, ScrapedTarget
from bot.model.target import Endpoint
from bot.ports import MetricsReads
from bot.probes._shared import http, scrapes
from bot.probes._shared.addresses import places
from bot.probes._shared.layers import peer
from bot.probes._shared.scrapes import Said, Seen
from bot.probes._shared.strangers import unknown
from bot.registry import ProbeContext

_RECENT = 2.5
"""Scrapes that a target may miss before its last one is old."""

_SLACK_S = 10.0
"""What a scrape may take itself, beside the time between two of them."""

_PAUSE_S = (1.0, 5.0)
_MOST_LOOKS = 40
_COMMIT_S = 0.3
"""How long after a scrape is reported its values may still be on their way into the store."""

_FINE = frozenset({"healthy", "authentication-required", "forbidden"})
_CLUSTER_LABELS = ("cluster", "cluster_name", "cluster_id", "k8s_cluster", "k8s_cluster_name", "kubernetes_cluster")


class Place(Value):
    """What is known of this round: where clients go, when something there was first seen to fail, and since when it is
    looked at. ``until`` is on the monotonic clock."""

    addresses: frozenset[str]
    hosts: frozenset[str]
    nodes: frozenset[str]
    failed_at: datetime | None
    began: datetime
    until: float


async def place_of(ctx: ProbeContext, patience_s: float) -> Place:
    """Asks the layers again, which costs nothing: each operation is done once a round."""
    began = ctx.clock.now()
    target = ctx.cluster.target
    found = await places(ctx)
    own = [Endpoint(host=target.host, port=target.port), *found]
    if found:
        failures = await asyncio.gather(*(_failed_at(ctx, one) for one in found[:4]))
    else:
        failures = [(await ctx.network.lookup(target.host)).started_at]
    failed = [at for at in failures if at is not None]
    return Place(
        addresses=frozenset(str(one) for one in own),
        hosts=frozenset(one.host for one in own),
        nodes=frozenset(node.host for node in ctx.cluster.nodes),
        failed_at=min(failed, default=None),
        began=began,
        until=min(ctx.deadline - 1.0, ctx.clock.monotonic() + patience_s),
    )


async def _failed_at(ctx: ProbeContext, place: Endpoint) -> datetime | None:
    """When the first operation at this address that failed began; None when nothing does."""
    below = await peer(ctx, place)
    if below.obstacle is not None or (below.flaw is not None and below.flaw != "plain-http"):
        return below.seen.started_at
    answers = await http.ask_health(ctx, place, below)
    return None if http.judge(answers).outcome in _FINE else min(one.started_at for one in answers.all)


async def told(ctx: ProbeContext, reads: MetricsReads, place: Place) -> AsyncGenerator[Said, None]:
    """What is to be said, each as soon as its scrapes count. Raises Unavailable when Prometheus does not answer."""
    targets = await reads.targets()
    groups = _groups(targets, place, reads)
    if mixed := _mixed(targets, reads):
        yield mixed
        return
    if not groups.get("asked") and not groups.get("apiservers"):
        says = "Prometheus scrapes no API server of this cluster, by the names of its jobs and its labels"
        yield Said(subject="API servers", outcome="no-such-target", says=says)
    for said in await unknown(ctx, place.hosts, targets):
        yield said
    dead = await _never_up(reads, [one for group in groups.values() for one in group])
    pending = {name: [one for one in group if _key(one) not in dead] for name, group in groups.items()}
    for name, group in groups.items():
        if group and not pending[name]:
            says = f"{_called(name)} could not be scraped all day, so that this says nothing about now"
            yield Said(subject=_called(name), outcome="never-up", says=says, raw_error=group[0].error)
    wanted = {name: group for name, group in pending.items() if group}
    for _ in range(_MOST_LOOKS):
        for name in [name for name, group in wanted.items() if all(counts(one, place, ctx.clock.now()) for one in group)]:
            for said in await _say(ctx, reads, place, name, wanted.pop(name), targets):
                yield said
        left = place.until - ctx.clock.monotonic()
        due = [at for group in wanted.values() if (at := _due_s(group, place, ctx.clock.now())) is not None and at < left]
        if not due:
            break
        await asyncio.sleep(min(max(min(due), _PAUSE_S[0]), _PAUSE_S[1], left))
        targets = await reads.targets()
        newer = {_key(one): one for one in targets}
        wanted = {name: [newer.get(_key(one), one) for one in group] for name, group in wanted.items()}
    for name, group in wanted.items():
        yield _stale(name, group)


async def settled_apis(ctx: ProbeContext, reads: MetricsReads, place: Place) -> Sequence[ScrapedTarget]:
    """The API servers that clients come to, once all their scrapes count; none where they do not in time."""
    for _ in range(_MOST_LOOKS):
        targets = await reads.targets()
        groups = {} if _mixed(targets, reads) else _groups(targets, place, reads)
        group = groups.get("asked") or groups.get("apiservers") or []
        now = ctx.clock.now()
        if all(counts(one, place, now) for one in group):
            return group
        due, left = _due_s(group, place, now), place.until - ctx.clock.monotonic()
        if due is None or due >= left:
            break
        await asyncio.sleep(min(max(due, _PAUSE_S[0]), _PAUSE_S[1], left))
    return ()


class Matchers(Value):
    """Label matchers for what concerns the address that clients ask: its API servers, etcd's members, and the node exporters of
    these servers' machines. None where there are none, or nobody said which are this cluster's."""

    apis: str | None
    etcd: str | None
    nodes: str | None


def matchers(targets: Iterable[ScrapedTarget], place: Place, reads: MetricsReads) -> Matchers:
    found = list(targets)
    groups = {} if _mixed(found, reads) else _groups(found, place, reads)
    exporters = [one for one in groups.get("machines") or [] if one.role is Role.NODE]
    return Matchers(
        apis=_matching(reads, Role.APISERVER, groups.get("asked") or groups.get("apiservers") or []),
        etcd=_matching(reads, Role.ETCD, groups.get("etcd") or []),
        nodes=_matching(reads, Role.NODE, exporters),
    )


def _matching(reads: MetricsReads, role: Role, group: Sequence[ScrapedTarget]) -> str | None:
    names = "|".join(sorted({re.escape(one.instance) for one in group}))
    quoted = names.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return reads.selector(role, f'instance=~"{quoted}"') if group else None


def counts(one: ScrapedTarget, place: Place, now: datetime) -> bool:
    """Whether the last scrape says something about now."""
    if one.scraped_at is None or one.healthy is None:
        return False
    if now - one.scraped_at > timedelta(seconds=_RECENT * one.interval_s + _SLACK_S):
        return False
    if place.failed_at is not None:
        return one.scraped_at >= place.failed_at
    return one.healthy or one.scraped_at >= place.began


def _due_s(group: Sequence[ScrapedTarget], place: Place, now: datetime) -> float | None:
    """In how many seconds the next scrape of those that do not count yet is due; None when one of them is not due any more."""
    waits = []
    for one in group:
        if counts(one, place, now):
            continue
        if one.scraped_at is None:
            waits.append(one.interval_s)
            continue
        late = (now - one.scraped_at).total_seconds() - one.interval_s
        if late > _RECENT * one.interval_s + _SLACK_S:
            return None
        waits.append(max(-late, _PAUSE_S[0]))
    return max(waits, default=None)


def _groups(targets: Iterable[ScrapedTarget], place: Place, reads: MetricsReads) -> dict[str, list[ScrapedTarget]]:
    """The targets that matter, by what they are to the address that clients ask. Two jobs may scrape the same."""
    best: dict[tuple[Role, str], ScrapedTarget] = {}
    for one in targets:
        other = best.get((one.role, one.address))
        if other is None or (one.healthy and not other.healthy):
            best[one.role, one.address] = one
    of = defaultdict[Role, list[ScrapedTarget]](list)
    for (role, _), one in sorted(best.items()):
        of[role].append(one)
    asked = [one for one in of[Role.APISERVER] if one.address in place.addresses]
    others = [one for one in of[Role.APISERVER] if one.address not in place.addresses]
    meant = {one.host for one in asked or others}
    ours = meant | {one.host for one in others} | place.nodes | place.hosts
    machines = [*of[Role.NODE], *of[Role.KUBELET]]
    named = reads.monitoring.is_named
    balancers = [one for one in of[Role.BALANCER] if one.host in place.hosts or named(Role.BALANCER)]
    on = {one.host for one in balancers}
    return {
        "asked" if asked else "apiservers": asked or others,
        "others": others if asked else [],
        "machines": [one for one in machines if one.host in meant],
        "asked-machine": [one for one in [*machines, *of[Role.BALANCER]] if one.host in place.hosts - meant],
        "etcd": [one for one in of[Role.ETCD] if one.host in ours or named(Role.ETCD) or one.job.startswith("kube")],
        "balancer": balancers + [one for one in of[Role.NODE] if one.host in on],
    }


async def _say(
    ctx: ProbeContext,
    reads: MetricsReads,
    place: Place,
    name: str,
    group: Sequence[ScrapedTarget],
    targets: Iterable[ScrapedTarget],
) -> Sequence[Said]:
    """What is to be said of one group; ``targets`` is everything, for what stands beside it."""
    seen = [Seen(target=one, kind=scrapes.kind_of(one)) for one in group]
    now = ctx.clock.now()
    if name in ("machines", "asked-machine"):
        hosts = defaultdict[str, list[Seen]](list)
        for one in seen:
            hosts[one.target.host].append(one)
        neighbours = {one.host for one in targets if one.healthy and counts(one, place, now)}
        return [scrapes.of_hosts(hosts, "node" if name == "machines" else "asked-host", neighbours)]
    if name == "etcd":
        return [scrapes.of_etcd(seen)]
    if name == "balancer":
        balancers = [one for one in seen if one.target.role is Role.BALANCER]
        beside = [one for one in seen if one.target.role is Role.NODE]
        return [
            scrapes.of_balancer(one, [other for other in beside if other.target.host == one.target.host]) for one in balancers
        ]
    if any(one.kind == "not-told" for one in seen):
        says = f"A scrape of the {_called(name)} fails for a reason that says more of Prometheus than of them"
        error = next(one.target.error for one in seen if one.kind == "not-told")
        return [Said(subject=_called(name), outcome="not-told", says=says, raw_error=error)]
    if name == "others":
        return [scrapes.of_others(seen)]
    kinds = {} if place.failed_at is None else await _started(ctx, reads, place.failed_at, seen)
    return [scrapes.of_apiservers(seen, asked=name == "asked", kinds=kinds, hosts=place.hosts)]


async def _started(ctx: ProbeContext, reads: MetricsReads, failed_at: datetime, seen: Sequence[Seen]) -> dict[str, str]:
    """Of those that answer now: whether the process ran already when it failed from here. One that was started since proves
    that something was wrong, and not that nothing was."""
    up = [one.target for one in seen if one.kind == "up"]
    if not up:
        return {}
    await asyncio.sleep(_COMMIT_S)
    metric = f"process_start_time_seconds{reads.selector(Role.APISERVER)}"
    try:
        ages = await reads.query(f"timestamp({metric}) - {metric}")
    except Unavailable:
        ages = ()
    age_of = {(one.labels.get("job"), one.labels.get("instance")): one.last for one in ages}
    kinds = {}
    for one in up:
        age_s = age_of.get((one.job, one.instance))
        if age_s is None or one.scraped_at is None:
            kinds[one.address] = "answers"
        else:
            kinds[one.address] = "up" if one.scraped_at - timedelta(seconds=age_s) < failed_at else "restarted"
    return kinds


async def _never_up(reads: MetricsReads, group: Sequence[ScrapedTarget]) -> frozenset[tuple[str, ...]]:
    """Of those that cannot be scraped: who could not all day. Who is not known to have been up is among them."""
    down = [one for one in group if one.healthy is False]
    found: set[tuple[str, ...]] = set()
    for role in {one.role for one in down}:
        metric = f"max_over_time(up{reads.selector(role)}[1d])"
        best: Mapping[tuple[str | None, str | None], float | None] = {
            (one.labels.get("job"), one.labels.get("instance")): one.last for one in await reads.query(metric)
        }
        found |= {_key(one) for one in down if one.role is role and best.get((one.job, one.instance)) != 1}
    return frozenset(found)


def _mixed(targets: Iterable[ScrapedTarget], reads: MetricsReads) -> Said | None:
    """API servers of several clusters, by a label that nobody configured."""
    apis = [one.labels for one in targets if one.role is Role.APISERVER]
    for label in _CLUSTER_LABELS:
        names = sorted({labels[label] for labels in apis if label in labels})
        if len(names) > 1 and label not in reads.monitoring.match:
            says = f"Prometheus scrapes the API servers of {len(names)} clusters by the label {label}: {', '.join(names[:4])}"
            return Said(subject="API servers", outcome="clusters-mixed", says=says)
    return None


def _stale(name: str, group: Sequence[ScrapedTarget]) -> Said:
    last = min((one.scraped_at for one in group if one.scraped_at is not None), default=None)
    when = "was not scraped yet" if last is None else f"was scraped last at {last:%H:%M:%S} UTC"
    says = f"{_called(name)} {when}, too early to say something about now"
    return Said(subject=_called(name), outcome="stale", says=says[:1].upper() + says[1:])


def _key(one: ScrapedTarget) -> tuple[str, ...]:
    return (one.role.value, one.job, one.instance, one.address)


_NAMES = {
    "asked": "API server that is asked",
    "apiservers": "API servers",
    "others": "other API servers",
    "machines": "API servers' machines",
    "asked-machine": "machine that is asked",
    "etcd": "etcd",
    "balancer": "balancer",
}


def _called(name: str) -> str:
    return _NAMES[name]
