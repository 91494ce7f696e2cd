"""The pods that carry connections from a hosted control plane to the nodes, under the names they have had."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.model.finding import Status
from bot.ports import ApiObject, KubernetesReads
from bot.probes._shared import pods
from bot.probes._shared.reads import ills
from bot.probes._shared.words import listed

NAMES = ("konnectivity-agent", "tunnelfront", "aks-link")

# Installers label them by one of these; all that match are taken, and nothing but these names.
_SELECTORS = (
    "k8s-app in (konnectivity-agent,tunnelfront,aks-link)",
    "app in (konnectivity-agent,tunnelfront,aks-link)",
    "component=tunnel",
)


async def find(api: KubernetesReads, namespace: str) -> Sequence[ApiObject]:
    """The agents' pods; none where the control plane reaches the nodes by itself. Raises Unavailable."""
    for selector in _SELECTORS:
        found = [pod for pod in await api.list_pods(namespace, label_selector=selector) if pod.name.startswith(NAMES)]
        if found:
            return found
    return ()


def judge(pod: ApiObject, nodes: dict[str, ApiObject], now: datetime) -> tuple[Status, str, str]:
    """As any pod, with two differences: one that restarted and is ready again carries connections, and one on a node that is
    ill does not do so for long."""
    status, outcome, says = pods.judge(pod, now)
    if outcome == "restarted":
        if not any(item.get("ready") for item in pod.data.get("containers", [])):
            return Status.PROBLEM, "not-ready", says
        return Status.OK, outcome, says
    node = nodes.get(str(pod.data.get("nodeName")))
    ill = list(ills(node)) if node is not None else []
    if outcome == "running" and ill:
        return Status.PROBLEM, "node-ill", f"Pod {pod.name} runs on {node.name if node else ''}, which is ill: {listed(ill)}."
    return status, outcome, says
