"""Which of its reads the credentials allow: each right is asked for once, with the least request that tells it.

Lists are of one object. The log is that of a pod that no cluster has: the server says who may not before it looks for the
pod, so no log is read and no kubelet is asked. Of the metrics only the beginning is taken, and last. One read at a time, and
the first that is not answered is the last one: whether a sick server would allow more can wait.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from bot.errors import Unavailable
from bot.model.base import Value
from bot.model.finding import Finding, Status
from bot.playbook import Library
from bot.ports import Kind, KubernetesReads
from bot.probes._shared.addresses import places
from bot.registry import Probe, ProbeContext

ID = "rights"
GIVEN, MISSING, LEFT_OUT, UNANSWERED = "given", "missing", "left-out", "unanswered"
SAID = (GIVEN, MISSING, LEFT_OUT)
LOGS = "get pods/log in kube-system"
_SYSTEM = "kube-system"
_NO_POD = "apidown-asks-whether-it-may"
_METRICS = "get the path /metrics"
_ANSWERED = re.compile(r"\banswered (\d{3}) for ")

Ask = Callable[[KubernetesReads], Awaitable[Any]]


class Params(Value):
    """``secrets``: whether a playbook counts Helm's objects, for which the names of secrets are listed."""

    secrets: bool = False


def _lists(kind: Kind, namespace: str | None = None, *, field_selector: str | None = None) -> Ask:
    return lambda api: api.list_objects(kind, namespace=namespace, field_selector=field_selector, limit=1)


_ASKS: tuple[tuple[str, Ask], ...] = (
    ("list pods in kube-system", lambda api: api.list_pods(_SYSTEM, limit=1)),
    ("list endpointslices in default", lambda api: api.list_endpoint_addresses("default", "kubernetes")),
    ("get the config map kubeadm-config in kube-system", lambda api: api.get_config_map(_SYSTEM, "kubeadm-config")),
    ("get the config map cluster-info in kube-public", lambda api: api.get_config_map("kube-public", "cluster-info")),
    ("list configmaps in kube-system", _lists(Kind.CONFIG_MAP_NAMES, _SYSTEM)),
    ("list deployments in kube-system", _lists(Kind.DEPLOYMENTS, _SYSTEM)),
    ("list daemonsets in kube-system", _lists(Kind.DAEMON_SETS, _SYSTEM)),
    ("list statefulsets in kube-system", _lists(Kind.STATEFUL_SETS, _SYSTEM)),
    ("list networkpolicies in all namespaces", _lists(Kind.NETWORK_POLICIES)),
    ("list the namespace kube-system", _lists(Kind.NAMESPACES, field_selector="metadata.name=kube-system")),
    ("list nodes", _lists(Kind.NODES)),
    ("list leases in kube-system", _lists(Kind.LEASES, _SYSTEM)),
    ("list apiservices", _lists(Kind.API_SERVICES)),
    ("list validatingwebhookconfigurations", _lists(Kind.VALIDATING_WEBHOOKS)),
    ("list mutatingwebhookconfigurations", _lists(Kind.MUTATING_WEBHOOKS)),
    ("list endpointslices in all namespaces", _lists(Kind.ENDPOINT_SLICES)),
    ("list services in all namespaces", _lists(Kind.SERVICES)),
    (LOGS, lambda api: api.ask_for_log(_SYSTEM, _NO_POD, "none")),
)
_SECRETS = ("list secrets in all namespaces", _lists(Kind.SECRET_NAMES, field_selector="type=helm.sh/release.v1"))


def wanted(library: Library) -> Params:
    """What is to be asked for beyond the usual, because a playbook does."""
    steps = [step for playbook in library.playbooks.values() for step in playbook.steps]
    return Params(secrets=any(step.probe == "helm-releases" and step.params.get("count") for step in steps))


async def rights(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
    """One finding a right, up to the first that is not answered."""
    if ctx.api is None:
        return
    for right, ask in (*_ASKS, *([_SECRETS] if params.secrets else [])):
        finding = await _asked(ctx, right, ask(ctx.api))
        yield finding
        if finding.outcome == UNANSWERED:
            return
    yield await _metrics(ctx)


async def _asked(ctx: ProbeContext, right: str, read: Awaitable[Any]) -> Finding:
    try:
        await read
    except Unavailable as error:
        said = _ANSWERED.search(error.what)
        return _found(ctx, right, int(said[1]) if said else None, error.what)
    return _found(ctx, right, 200)


async def _metrics(ctx: ProbeContext) -> Finding:
    place = next(iter(await places(ctx)), None)
    if place is None or ctx.credentials is None:
        return _found(ctx, _METRICS, None, "the metrics are at no address")
    try:
        answer = await ctx.network.request(place.host, ctx.cluster.target, "/metrics", credentials=ctx.credentials)
    except Unavailable as error:
        return _found(ctx, _METRICS, None, error.what)
    why = f"the API answered {answer.status} for metrics" if answer.status else "the API did not give metrics"
    return _found(ctx, _METRICS, answer.status, why)


def _found(ctx: ProbeContext, right: str, status: int | None, why: str = "") -> Finding:
    """What is not there may be read all the same: rights are judged before anything is looked for."""
    if status in (200, 404):
        return ctx.finding(right, Status.OK, GIVEN, f"It may {right}.")
    if status != 403:
        return ctx.finding(right, Status.INCONCLUSIVE, UNANSWERED, f"{why[:1].upper()}{why[1:].rstrip('.')}.")
    if right == LOGS:
        return ctx.finding(right, Status.OK, LEFT_OUT, f"It may not {right}.")
    return ctx.finding(right, Status.NOT_CHECKED, MISSING, f"It may not {right}.", raw_error=why)


PROBE = Probe(
    id=ID,
    doc=__doc__ or "",
    run=rights,
    params=Params,
    needs=("api",),
    outcomes={
        GIVEN: "this may be read",
        MISSING: "this may not be read, so a look is left out",
        LEFT_OUT: "this may not be read, which is a choice",
        UNANSWERED: "the server did not say",
    },
)
"""A probe of the doctor alone: no playbook can name it."""
