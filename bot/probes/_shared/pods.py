"""Finding an API server's pods, and reading how one of them is from what Kubernetes records about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.clock import utc
from bot.model.base import Json
from bot.model.finding import Status
from bot.ports import ApiObject, KubernetesReads
from bot.probes._shared.words import ago, listed

_NAME = "kube-apiserver"

# kubeadm's own label first, then what other installers set; last without a label, by the pods' names.
_SELECTORS = ("component=kube-apiserver", "tier=control-plane", None)

_RECENT = timedelta(minutes=10)

ON_NODE = (
    "On each control-plane node: crictl ps -a --name kube-apiserver; crictl logs --tail 50 "
    "$(crictl ps -a --name kube-apiserver -q | head -1); systemctl status kubelet; ls -l /etc/kubernetes/manifests"
)


async def find(api: KubernetesReads, namespace: str) -> Sequence[ApiObject]:
    """The API server's pods in this namespace; none when the control plane is hosted elsewhere."""
    for selector in _SELECTORS:
        pods = [pod for pod in await api.list_pods(namespace, label_selector=selector) if _NAME in pod.name]
        if pods:
            return pods
    return ()


def judge(pod: ApiObject, now: datetime) -> tuple[Status, str, str]:
    """Status, outcome and sentence of one pod, the most telling state first."""
    containers = pod.data.get("containers", [])
    restarts = restart_count(pod)
    waiting = [item["state"]["waiting"] for item in containers if "waiting" in item.get("state", {})]
    last = _last_end(containers)
    ended = f"; it last ended {utc(last[0])} with exit code {last[1]}" if last else ""
    is_looping = any(one.get("reason") == "CrashLoopBackOff" for one in waiting)
    if last and last[2] == "OOMKilled" and (is_looping or now - last[0] <= _RECENT):
        says = f"Pod {pod.name} was killed for want of memory {ago(now - last[0])} ago, and restarted {restarts} times in all."
        return Status.PROBLEM, "oom-killed", says
    if is_looping:
        return Status.PROBLEM, "crash-looping", f"Pod {pod.name} starts and exits again and again: {restarts} restarts{ended}."
    scheduled = _condition(pod, "PodScheduled")
    if pod.data.get("phase") == "Pending" and scheduled.get("status") == "False":
        return Status.PROBLEM, "not-scheduled", f"Pod {pod.name} has no node: {scheduled.get('message') or 'no reason given'}."
    if last and now - last[0] <= _RECENT:
        says = f"Pod {pod.name} restarted {ago(now - last[0])} ago; it ended {utc(last[0])} with exit code {last[1]}."
        return Status.PROBLEM, "restarted", says
    ready = _condition(pod, "Ready")
    if pod.data.get("phase") != "Running" or ready.get("status") != "True":
        reasons = [one.get("reason") for one in waiting if one.get("reason")] or [ready.get("reason") or pod.data.get("phase")]
        return Status.PROBLEM, "not-ready", f"Pod {pod.name} is not ready: {listed(reasons)}."
    return Status.OK, "running", f"Pod {pod.name} runs and is ready, with {restarts} restarts{ended}."


def restart_count(pod: ApiObject) -> int:
    """Restarts of all its containers."""
    return sum(int(item.get("restartCount", 0)) for item in pod.data.get("containers", []))


def _last_end(containers: list[Json]) -> tuple[datetime, Any, str | None] | None:
    """When, with which exit code, and why a container last ended."""
    ends = [
        (datetime.fromisoformat(end["finishedAt"]), end.get("exitCode"), end.get("reason"))
        for item in containers
        for state in (item.get("lastState", {}), item.get("state", {}))
        if (end := state.get("terminated")) and end.get("finishedAt")
    ]
    return max(ends, key=lambda end: end[0]) if ends else None


def _condition(pod: ApiObject, kind: str) -> Json:
    return next((one for one in pod.data.get("conditions", []) if one.get("type") == kind), {})


def evidence(pod: ApiObject) -> Json:
    """What was read of the pod, in Kubernetes' own words."""
    return {
        "namespace": pod.namespace,
        "pod": pod.name,
        "restarts": restart_count(pod),
        **{key: pod.data.get(key) for key in ("phase", "nodeName", "startTime", "conditions", "containers")},
        "config_seen": pod.data.get("annotations", {}).get("kubernetes.io/config.seen"),
        "config_hash": pod.data.get("annotations", {}).get("kubernetes.io/config.hash"),
    }
