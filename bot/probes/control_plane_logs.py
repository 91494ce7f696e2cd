"""The ends of the control plane's logs have no line that says why something ended or does not work.

At most 20 lines each of at most four logs in `namespace` are read through the API: kube-apiserver's, etcd's, the controller
manager's and the scheduler's, of those first that restarted or are not ready, and then of the attempt before. They are redacted
at once, and of all of them one line is kept. The right `get` on `pods/log` is needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from bot.errors import Unavailable
from bot.model.base import Value
from bot.model.finding import Finding, Status
from bot.ports import KubernetesReads
from bot.probes._shared import control_plane_logs as logs
from bot.probes._shared.reads import NOT_READ, not_read, reads
from bot.registry import ProbeContext, probe

_SHOWN = 240


class Params(Value):
    """``namespace``: where the control plane's pods are."""

    namespace: str = "kube-system"


@probe(
    needs=("api",),
    params=Params,
    outcomes={
        "nothing-telling": "no line at the end of this log says what is wrong",
        **logs.OUTCOMES,
        "no-log": "the API server could not give this log, because of its kubelet or because there is none",
        "none-found": "there are no such pods: the control plane is hosted, or runs outside of Kubernetes",
        **NOT_READ,
    },
)
async def control_plane_logs(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
    try:
        api = reads(ctx)
        pods = await logs.pods(api, params.namespace)
    except Unavailable as error:
        yield not_read(ctx, "control plane's logs", error)
        return
    chosen = logs.looks(pods, ctx.clock.now())
    if not chosen:
        says = f"No pods of a control plane are in {params.namespace}: it is hosted, or runs outside of Kubernetes."
        yield ctx.finding(params.namespace, Status.NOT_APPLICABLE, "none-found", says)
    for finding in await asyncio.gather(*(_read(ctx, api, look) for look in chosen)):
        yield finding


async def _read(ctx: ProbeContext, api: KubernetesReads, look: logs.Look) -> Finding:
    name = f"{look.pod.namespace}/{look.pod.name}"
    try:
        answer = await api.read_log(
            str(look.pod.namespace), look.pod.name, look.component, previous=look.previous, since_s=look.since_s
        )
    except Unavailable as error:
        return not_read(ctx, name, error)
    which = f"the attempt before of {look.pod.name}" if look.previous else look.pod.name
    line = logs.telling(answer, look) if answer.status == 200 else None
    evidence = logs.evidence(look, answer, line)
    if answer.status != 200:
        says = f"The log of {which} cannot be had ({answer.status})."
        return ctx.finding(name, Status.INCONCLUSIVE, "no-log", says, evidence=evidence, raw_error=answer.message or None)
    if line is None and look.ended and not answer.lines:
        says = f"The log of {which} is empty, and its container ended."
        return ctx.finding(name, Status.INCONCLUSIVE, "no-log", says, evidence=evidence)
    if line is None:
        says = f"The last {len(answer.lines)} lines of {which} say nothing that is wrong."
        return ctx.finding(name, Status.OK, "nothing-telling", says, evidence=evidence)
    shown = line.text if len(line.text) <= _SHOWN else f"{line.text[:_SHOWN]}…"
    says = f"In the log of {which}, {logs.OUTCOMES[line.outcome]}: {shown.rstrip('.')}."
    return ctx.finding(name, Status.PROBLEM, line.outcome, says, evidence=evidence)
