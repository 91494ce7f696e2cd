"""What an API server says when it cannot fetch a log from a kubelet, and whose fault that is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.ports import ApiObject, LogAnswer

MOST_NODES = 3

_FORMS: Sequence[tuple[str, re.Pattern[str]]] = (
    (
        "tunnel-failing",
        re.compile(r"proxy error|No agent available|dial unix|konnectivity|tunnel|failed to (get|find) .*agent", re.I),
    ),
    ("port-refused", re.compile(r"connect: connection refused|connection reset by peer", re.I)),
    (
        "port-silent",
        re.compile(r"i/o timeout|TLS handshake timeout|context deadline exceeded|no route to host|network is unreachable", re.I),
    ),
    ("kubelet-tls-failing", re.compile(r"x509:|tls:", re.I)),
    ("kubelet-refuses", re.compile(r"Unauthorized|Forbidden|authoriz", re.I)),
)


SAYS = {
    "answers": "The API server reaches the kubelet on {node}, in {took}",
    "port-silent": "The API server's connection to the kubelet on {node} is not answered ({took})",
    "port-refused": "The API server's connection to the kubelet on {node} is refused ({took})",
    "tunnel-failing": "The API server's tunnel to {node} fails ({took})",
    "kubelet-tls-failing": "The API server and the kubelet on {node} do not agree on TLS",
    "kubelet-refuses": "The kubelet on {node} does not let the API server read a log",
}


def judge(answer: LogAnswer) -> str | None:
    """The outcome at one node; None when the answer does not come from the way to the kubelet."""
    if answer.status == 200:
        return "answers"
    if answer.status not in (500, 502, 503, 504):
        return None
    return next((outcome for outcome, form in _FORMS if form.search(answer.message)), None)


def one_for_each_node(pods: Sequence[ApiObject]) -> list[tuple[str, ApiObject, str]]:
    """A pod with a running container on each of a few nodes: node, pod, container. A container that runs was started by a
    kubelet, so the kubelet has a log of it."""
    chosen: dict[str, tuple[str, ApiObject, str]] = {}
    for pod in pods:
        node = pod.data.get("nodeName")
        running = [item["name"] for item in pod.data.get("containers", []) if "running" in item.get("state", {})]
        if node and running and node not in chosen:
            chosen[node] = (node, pod, running[0])
    return list(chosen.values())[:MOST_NODES]
