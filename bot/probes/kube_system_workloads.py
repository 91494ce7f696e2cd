"""The Deployments, DaemonSets and StatefulSets of kube-system have their pods, and none is in the middle of a rollout.

A workload is ill when it has none or less than half of its pods, or does not finish a rollout. When that is kube-proxy, the
network plugin or the cluster's DNS, pods do not find the API server, while it is well. What was written in the last 2 h is kept
with its time and by whom, config maps too: of those only the metadata is asked for. Whether it fits the onset is not judged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from bot.errors import Unavailable
from bot.model.base import Value
from bot.model.finding import Finding, Status
from bot.ports import Kind, Listing
from bot.probes._shared import workloads
from bot.probes._shared.reads import NOT_READ, not_read, reads
from bot.probes._shared.words import listed
from bot.registry import ProbeContext, probe

_MOST = 10
_KINDS = (*workloads.KINDS, Kind.CONFIG_MAP_NAMES)


class Params(Value):
    """``namespace``: whose workloads are looked at."""

    namespace: str = "kube-system"


@probe(
    needs=("api",),
    params=Params,
    outcomes={
        "available": "every workload has at least half of its pods, and no rollout is stuck",
        "rolling-out": "the workload is being rolled out, and has enough pods meanwhile",
        "none-available": "the workload has no available pod",
        "most-unavailable": "the workload has less than half of its pods",
        "rollout-stuck": "the workload's rollout does not finish",
        "service-network-down": "kube-proxy or the network plugin has less than half of its pods",
        "cluster-dns-down": "the cluster's DNS has no available pod",
        "changed-lately": "these were written in the last 2 h",
        "none-found": "there are no workloads",
        **NOT_READ,
    },
)
async def kube_system_workloads(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
    try:
        found = await asyncio.gather(*(workloads.read(reads(ctx), kind, params.namespace) for kind in _KINDS))
    except Unavailable as error:
        yield not_read(ctx, f"workloads of {params.namespace}", error)
        return
    for kind, one in zip(_KINDS, found, strict=True):
        if isinstance(one, Unavailable):
            yield not_read(ctx, f"{kind.value} in {params.namespace}", one)
    items = [item for one in found if isinstance(one, Listing) for item in one.items]
    judged = [(item, workloads.judge(item)) for item in items if item.kind != Kind.CONFIG_MAP_NAMES.value]
    told = [(item, state) for item, state in judged if state.outcome != "available" or state.warning]
    for item, state in told[:_MOST]:
        says, about = f"{state.says}.", workloads.evidence(item)
        subject = f"{item.kind}/{item.name}"
        yield ctx.finding(subject, state.status, state.outcome, says, evidence=about, warning=state.warning)
    if not judged and not any(isinstance(one, Unavailable) for one in found):
        yield ctx.finding(params.namespace, Status.NOT_APPLICABLE, "none-found", f"No workloads are in {params.namespace}.")
    elif judged and not told:
        says = f"All {len(judged)} workloads of {params.namespace} that were read have their pods."
        yield ctx.finding(params.namespace, Status.OK, "available", says)
    times = [one.server_time for one in found if isinstance(one, Listing) and one.server_time]
    changed = list(workloads.changes(items, min(times, default=ctx.clock.now())))
    if changed:
        says = f"In the last 2 h were written: {listed([one.pop('says') for one in changed], most=4)}."
        yield ctx.finding(
            f"changes in {params.namespace}", Status.OK, "changed-lately", says, evidence={"changes": changed[:_MOST]}
        )
