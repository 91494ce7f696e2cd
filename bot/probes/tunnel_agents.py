"""The pods that connect a hosted control plane with its nodes run, are ready, and their nodes are well.

They are konnectivity-agent, tunnelfront or aks-link, in `namespace`. Without them the API answers, and whatever it has to
ask in the cluster fails or times out: logs, exec, port-forward, webhooks, aggregated APIs.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from bot.errors import Unavailable
from bot.model.base import Value
from bot.model.finding import Finding, Status
from bot.ports import ApiObject, Kind, KubernetesReads
from bot.probes._shared import pods, tunnel
from bot.probes._shared.reads import NOT_READ, not_read, reads
from bot.probes._shared.words import listed
from bot.registry import ProbeContext, probe

_SUBJECT = "tunnel agents"
_MOST = 10


class Params(Value):
    """``namespace``: where the agents' pods are."""

    namespace: str = "kube-system"


@probe(
    needs=("api",),
    params=Params,
    outcomes={
        "running": "the agent's pod runs and is ready",
        "restarted": "the agent's pod restarted in the last 10 minutes, and is ready again",
        "crash-looping": "the agent's container exits each time it is started",
        "not-ready": "the agent's pod is there and not ready",
        "not-scheduled": "the agent's pod has no node",
        "node-ill": "the agent's pod runs on a node that is not ready or lacks memory, disk or process ids",
        "none-found": "there are no such pods: the control plane reaches the nodes without a tunnel",
        **NOT_READ,
    },
)
async def tunnel_agents(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
    try:
        api = reads(ctx)
        found = await tunnel.find(api, params.namespace)
    except Unavailable as error:
        yield not_read(ctx, _SUBJECT, error)
        return
    if not found:
        says = f"None of {listed(tunnel.NAMES)} is in {params.namespace}: the control plane needs no tunnel, or has another one."
        yield ctx.finding(_SUBJECT, Status.NOT_APPLICABLE, "none-found", says)
        return
    known = await _nodes(api)
    for pod in found[:_MOST]:
        status, outcome, says = tunnel.judge(pod, known, ctx.clock.now())
        yield ctx.finding(f"{pod.namespace}/{pod.name}", status, outcome, says, evidence=pods.evidence(pod))


async def _nodes(api: KubernetesReads) -> dict[str, ApiObject]:
    """The nodes that can be read; whether an agent runs is known without them."""
    try:
        found = await api.list_objects(Kind.NODES)
    except Unavailable:
        return {}
    return {node.name: node for node in found.items}
