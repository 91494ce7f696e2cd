"""The API server's pods run, are ready and have not restarted in the last 10 minutes.

The pods are read through the API, so this tells most when only some API servers are down. When the API cannot be asked
the finding names the commands that answer the same question on a control-plane node.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from bot.errors import Unavailable
from bot.model.base import Value
from bot.model.finding import Finding, Status
from bot.probes._shared import pods
from bot.registry import ProbeContext, probe


class Params(Value):
    """``namespace``: where the API server's pods are; OpenShift has them in openshift-kube-apiserver."""

    namespace: str = "kube-system"


@probe(
    needs=("api",),
    params=Params,
    outcomes={
        "running": "the pod runs and is ready; any restart is longer ago than 10 minutes",
        "restarted": "the pod's container restarted in the last 10 minutes",
        "crash-looping": "the pod's container exits each time it is started",
        "oom-killed": "the pod's container was killed for want of memory, in the last 10 minutes or each time it is started",
        "not-ready": "the pod is there and not ready",
        "not-scheduled": "the pod has no node",
        "none-found": "there are no such pods: the control plane is hosted, or runs outside of Kubernetes",
        "api-unreachable": "the API, which is what is down, cannot be asked",
    },
)
async def apiserver_pods(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
    namespace = params.namespace
    if ctx.api is None:
        says = "The pods are not looked at, because there are no credentials to ask with."
        yield ctx.finding(namespace, Status.NOT_CHECKED, "api-unreachable", says, todo=pods.ON_NODE)
        return
    try:
        found = await pods.find(ctx.api, namespace)
    except Unavailable as error:
        says = f"The pods cannot be read through the API: {error.what.rstrip('.')}."
        yield ctx.finding(namespace, Status.NOT_CHECKED, "api-unreachable", says, todo=pods.ON_NODE, raw_error=str(error))
        return
    if not found:
        says = f"No API server pods are in {namespace}: the control plane is hosted, or runs outside of Kubernetes."
        yield ctx.finding(namespace, Status.NOT_APPLICABLE, "none-found", says)
    for pod in found:
        status, outcome, sentence = pods.judge(pod, ctx.clock.now())
        yield ctx.finding(f"{namespace}/{pod.name}", status, outcome, sentence, evidence=pods.evidence(pod))
