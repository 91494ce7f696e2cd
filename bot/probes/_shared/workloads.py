"""The workloads of kube-system: which the cluster's network or DNS hangs on, how each of them is, and what was written lately."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from bot.clock import stamp, utc
from bot.errors import Unavailable
from bot.model.base import Json, Value
from bot.model.finding import Status
from bot.ports import ApiObject, Kind, KubernetesReads, Listing
from bot.probes._shared.policies import last_write
from bot.probes._shared.reads import condition

KINDS = {Kind.DEPLOYMENTS: "Deployment", Kind.DAEMON_SETS: "DaemonSet", Kind.STATEFUL_SETS: "StatefulSet"}
LATELY = timedelta(hours=2)
"""The widest window of the diagnosis lines that ask for changes."""

# By the names that installers give them; a name of a managed cluster has more before or after it.
_PROXIES = ("kube-proxy",)
_NETWORKS = (
    "calico-node",
    "canal",
    "cilium",
    "kube-flannel",
    "weave-net",
    "aws-node",
    "antrea-agent",
    "kube-router",
    "kindnet",
    "azure-cns",
    "azure-cni",
    "anetd",
    "netd",
)
_DNS = ("coredns", "kube-dns")
_DIARIES = frozenset({"cluster-autoscaler-status"})
"""Config maps that a program writes all the time, to say how it is."""


class State(Value):
    """How one workload is: a problem, or one of ``available`` and ``rolling-out``."""

    outcome: str
    says: str
    warning: str | None = None

    @property
    def status(self) -> Status:
        return Status.OK if self.outcome in ("available", "rolling-out") else Status.PROBLEM


def judge(item: ApiObject) -> State:
    """One missing pod of many is daily business; none, or less than half, is not."""
    what = f"{KINDS[Kind(item.kind)]} {item.name}"
    wanted, available, updated = (int(item.data.get(key) or 0) for key in ("wanted", "available", "updated"))
    counted = f"{available} of {wanted} available"
    if wanted and available == 0:
        return State(outcome=_outcome(item, "none-available"), says=f"{what} has no available pod of {wanted}")
    if 2 * available < wanted:
        return State(outcome=_outcome(item, "most-unavailable"), says=f"{what} has less than half of its pods: {counted}")
    if condition(item, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        return State(outcome="rollout-stuck", says=f"{what} does not finish its rollout: {counted}")
    if updated < wanted or not item.data.get("observed", True):
        return State(outcome="rolling-out", says=f"{what} is being rolled out: {updated} of {wanted} new, {counted}")
    last = f"{what} has one pod left of {wanted}; with the next failure there is none." if available == 1 < wanted else None
    return State(outcome="available", says=f"{what}: {counted}", warning=last)


def _outcome(item: ApiObject, usual: str) -> str:
    """What the cluster's network or DNS hangs on is said as that."""
    if item.name.startswith(_PROXIES) or (item.kind == Kind.DAEMON_SETS.value and item.name.startswith(_NETWORKS)):
        return "service-network-down"
    if usual == "none-available" and any(name in item.name for name in _DNS) and "autoscaler" not in item.name:
        return "cluster-dns-down"
    return usual


def changes(items: Sequence[ApiObject], now: datetime) -> Iterator[Json]:
    """What somebody wrote lately, newest first: what, when and by which program. Nobody's diary, and no status."""
    known = [(*last_write(item), item) for item in items if not _is_diary(item)]
    recent = [(at, manager, item) for at, manager, item in known if at is not None and timedelta() <= now - at <= LATELY]
    for at, manager, item in sorted(recent, key=lambda one: one[0], reverse=True):
        kind = next((word for kind, word in KINDS.items() if kind.value == item.kind), "ConfigMap")
        yield {"what": f"{kind} {item.name}", "at": stamp(at), "manager": manager, "says": f"{kind} {item.name} at {utc(at)}"}


def _is_diary(item: ApiObject) -> bool:
    return item.name in _DIARIES or bool(item.data.get("leader"))


async def read(api: KubernetesReads, kind: Kind, namespace: str) -> Listing | Unavailable:
    """Objects of one kind, or why they cannot be had: the others are judged without them."""
    try:
        return await api.list_objects(kind, namespace=namespace, limit=100 if kind in KINDS else 250)
    except Unavailable as error:
        return error


def evidence(item: ApiObject) -> Json:
    """What was read of a workload."""
    return {key: item.data.get(key) for key in ("wanted", "updated", "available", "creationTimestamp", "written")}
