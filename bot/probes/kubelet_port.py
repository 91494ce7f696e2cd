"""The API server reaches the kubelets on their port 10250.

It is asked for one byte of a log, of one pod in `namespace` on each of at most three nodes, for which it has to connect to the
kubelet there. That is a read of a log: the byte is not kept, and the right `get` on `pods/log` is needed. A port that is
blocked shows after 30 s, when the API server gives up; one without a kubelet is refused at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from bot.errors import Unavailable
from bot.model.base import Value
from bot.model.finding import Finding, Status
from bot.ports import ApiObject, KubernetesReads
from bot.probes._shared import kubelet
from bot.probes._shared.reads import NOT_READ, not_read, reads
from bot.probes._shared.words import took
from bot.registry import ProbeContext, probe

_SUBJECT = "kubelets' port"


class Params(Value):
    """``namespace``: whose pods' logs are asked for."""

    namespace: str = "kube-system"


@probe(
    needs=("api",),
    params=Params,
    outcomes={
        "answers": "the kubelet answers",
        "port-silent": "the API server's packets to the kubelet's port are not answered",
        "port-refused": "nothing listens on the kubelet's port, or something rejects",
        "tunnel-failing": "the tunnel between the API server and the nodes fails",
        "kubelet-tls-failing": "the certificates between the API server and the kubelet do not fit",
        "kubelet-refuses": "the kubelet does not accept the API server's credentials or does not allow it",
        "answer-not-understood": "the log could not be had for another reason",
        "none-found": "no pod runs there whose log could be asked for",
        **NOT_READ,
    },
)
async def kubelet_port(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
    try:
        api = reads(ctx)
        places = kubelet.one_for_each_node(await api.list_pods(params.namespace))
    except Unavailable as error:
        yield not_read(ctx, _SUBJECT, error)
        return
    if not places:
        yield ctx.finding(_SUBJECT, Status.NOT_APPLICABLE, "none-found", f"No pod runs in {params.namespace} on any node.")
    for finding in await asyncio.gather(*(_look(ctx, api, *place) for place in places)):
        yield finding


async def _look(ctx: ProbeContext, api: KubernetesReads, node: str, pod: ApiObject, container: str) -> Finding:
    try:
        answer = await api.ask_for_log(str(pod.namespace), pod.name, container)
    except Unavailable as error:
        return not_read(ctx, node, error)
    outcome = kubelet.judge(answer)
    evidence = {"status": answer.status, "pod": pod.name, "took_s": answer.duration_s}
    if outcome is None:
        says = f"The log of {pod.name} on {node} cannot be had, which says nothing about the kubelet: {answer.status}."
        return ctx.finding(node, Status.INCONCLUSIVE, "answer-not-understood", says, evidence=evidence, raw_error=answer.message)
    status = Status.OK if outcome == "answers" else Status.PROBLEM
    says = kubelet.SAYS[outcome].format(node=node, took=took(answer.duration_s)) + "."
    return ctx.finding(node, status, outcome, says, evidence=evidence, raw_error=answer.message or None)
