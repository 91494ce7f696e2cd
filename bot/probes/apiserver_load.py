"""The API server turns nobody away and keeps nobody waiting, and what it asks of etcd and of webhooks is answered.

Its own metrics are read twice, `seconds` apart, because only what grows happens now, and once more where a balancer gave the
second reading to another server. Of some megabytes a few sums are kept: requests that were turned away or waited, watches, open
files, requests to etcd, calls of webhooks. In between, one small object is read a few times past the server's caches, because a
quiet server asks etcd for nothing. Behind a balancer this is the one server that answered.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from bot.errors import Unavailable
from bot.model.base import Value
from bot.model.finding import Finding, Status
from bot.ports import Kind, KubernetesReads, Scrape
from bot.probes._shared import load, readings
from bot.probes._shared.reads import NOT_READ, not_read, reads
from bot.registry import ProbeContext, probe

_SUBJECT = "API server's metrics"


class Params(Value):
    """``seconds``: how long after the first reading the second one is made."""

    seconds: float = 4.0


@probe(
    needs=("api",),
    params=Params,
    outcomes={
        "quick": "this is as it is on a server that is well, however busy",
        "requests-rejected": "at least 1 % of the requests, and five, are turned away",
        "requests-queued": "more than 1 % of the requests, and five, wait for over a second before they begin",
        "etcd-slow": "every third request to etcd takes more than 100 ms",
        "etcd-writes-failing": "writes to etcd fail, nine of ten at least",
        "watches-many": "one kind is watched far more often than the number of nodes explains",
        "files-near-limit": "nine of ten files that the process may open are open",
        "webhook-calls-failing": "requests are refused because a webhook cannot be called",
        "webhooks-slow": "every second call of a webhook takes more than a second, and requests wait for it",
        "not-told": "the metrics do not tell",
        "servers-differ": "no two readings are of the same server, so nothing can be said about now",
        **NOT_READ,
    },
)
async def apiserver_load(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
    try:
        api = reads(ctx)
        window = await readings.window(api, params.seconds)
        nodes = await _nodes(api, window.second)
    except Unavailable as error:
        yield not_read(ctx, _SUBJECT, error)
        return
    if not window.is_one_process or not (window.first.complete and window.second.complete):
        differ = not window.is_one_process
        why = "came from several API servers" if differ else f"have more than {window.second.size // 1024 // 1024} MiB"
        says = f"The readings of the metrics {why}, so what grows cannot be told."
        yield ctx.finding(_SUBJECT, Status.INCONCLUSIVE, "servers-differ" if differ else "not-told", says)
        return
    for judged in load.judge(window, nodes):
        yield ctx.finding(
            judged.subject, judged.status, judged.outcome, judged.says, evidence=judged.evidence, warning=judged.warning
        )


async def _nodes(api: KubernetesReads, scrape: Scrape) -> int | None:
    """How many nodes there are, asked only where the number of watches depends on it."""
    if load.busiest_watch(scrape)[1] <= load.FREE_WATCHES:
        return None
    try:
        found = await api.list_objects(Kind.NODES)
    except Unavailable:
        return None
    return len(found.items) + found.remaining
