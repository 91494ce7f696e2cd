"""Node objects that an administrator makes, the pods on them, and the servers that stand in for their kubelets."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

from tests.lab.boxes import box
from tests.lab.faults._moves import meanwhile
from tests.lab.faults._objects import account, instant, lease, made, put, renewing
from tests.lab.faults._services import https
from tests.lab.network import Host
from tests.lab.seed import Draw
from tests.lab.topology import Lab

KUBELET = 10250
_USUAL = ("MemoryPressure", "DiskPressure", "PIDPressure")
_REASONS = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "KubeletHasInsufficientMemory"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "KubeletHasDiskPressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "KubeletHasInsufficientPID"),
}


def conditions(*pressure: str, silent: timedelta | None = None) -> list[dict[str, str]]:
    """A node's conditions. ``pressure`` are those that hold; ``silent`` is how long ago its kubelet last wrote."""
    found = []
    for kind in (*_USUAL, "Ready"):
        bad = kind in pressure
        status, reason = ("True", "KubeletReady") if kind == "Ready" else (str(bad), _REASONS[kind][bad])
        if silent:
            status, reason = "Unknown", "NodeStatusUnknown"
        changed = silent - timedelta(seconds=40) if silent else timedelta(minutes=4) if bad else timedelta(days=9)
        found.append(
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": "Kubelet stopped posting node status." if silent else "as the kubelet sees it",
                "lastHeartbeatTime": instant(silent or timedelta(seconds=20)),
                "lastTransitionTime": instant(changed),
            }
        )
    return found


@contextmanager
def node(lab: Lab, role: str, *pressure: str, silent: timedelta | None = None) -> Generator[str]:
    """A Node object of one of the lab's machines, which says of itself what it should, with its lease; its name."""
    host, name = lab.hosts[role], lab.names.hosts[role]
    first = {"node-role.kubernetes.io/control-plane": ""} if role.startswith("cp") else {}
    body = {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **first}}}
    status = {
        "addresses": [{"type": "InternalIP", "address": host.address}, {"type": "Hostname", "address": name}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET}},
        "nodeInfo": {"kubeletVersion": "v1.36.2", "operatingSystem": "linux", "architecture": "amd64"},
        "conditions": conditions(*pressure, silent=silent),
        "capacity": {"cpu": "4", "memory": "8Gi", "pods": "110"},
        "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"},
    }
    heartbeat = lease(name, "kube-node-lease", name, renewed=silent or timedelta(), seconds=40)
    unreachable = {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}
    with made(lab, ("/api/v1/nodes", body), heartbeat), ExitStack() as stack:
        put(lab, f"/api/v1/nodes/{name}", {"spec": {"taints": [unreachable] if silent else []}})
        put(lab, f"/api/v1/nodes/{name}/status", {"status": status})
        if not silent:
            stack.enter_context(meanwhile(renewing(lab, heartbeat)))
        yield name


@contextmanager
def pods(
    lab: Lab, app: str, *on: str, namespace: str = "kube-system", phase: str = "Running", labels: Mapping[str, str] | None = None
) -> Generator[list[str]]:
    """One pod of ``app`` on each of these nodes (an empty name: on none yet); their names."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    with ExitStack() as stack:
        if lab.api1.status(f"/api/v1/namespaces/{namespace}/serviceaccounts/default") == 404:
            stack.enter_context(made(lab, account(namespace)))
        names = []
        for number, where in enumerate(on):
            name = f"{app}-{'abcdefgh'[number]}4x{number}z"
            container = {"name": app, "image": f"registry.example.com/{app}:v1"}
            spec = {"containers": [container], "automountServiceAccountToken": False, **({"nodeName": where} if where else {})}
            body = {"metadata": {"name": name, "labels": {"k8s-app": app, **(labels or {})}}, "spec": spec}
            stack.enter_context(made(lab, (path, body)))
            put(lab, f"{path}/{name}/status", {"status": _status(app, phase)})
            names.append(name)
        yield names


def _status(app: str, phase: str) -> dict[str, Any]:
    since = instant(timedelta(days=2))
    if phase == "Pending":
        text = "0/2 nodes are available: 2 Insufficient cpu."
        waits = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": text,
            "lastTransitionTime": since,
        }
        return {"phase": "Pending", "conditions": [waits]}
    ready = [
        {"type": kind, "status": "True", "lastTransitionTime": since} for kind in ("PodScheduled", "ContainersReady", "Ready")
    ]
    running = {
        "name": app,
        "ready": True,
        "started": True,
        "restartCount": 0,
        "image": app,
        "imageID": "",
        "state": {"running": {"startedAt": since}},
    }
    return {"phase": "Running", "conditions": ready, "containerStatuses": [running], "startTime": since}


@contextmanager
def kubelet(lab: Lab, host: Host) -> Generator[None]:
    """Something that answers at the kubelet's port, over TLS, as far as logs need."""
    pair = lab.authority.server([host.address], common_name=f"system:node:{host.name}")
    with box(host, https(pair, lab.scratch(), _logs), port=KUBELET):
        assert host.listens(KUBELET)
        yield


def _logs(path: str, body: bytes) -> tuple[int, Any]:
    return (200, "all is well\n") if path.startswith("/containerLogs/") else (200, "ok")


def log_of(lab: Lab, pod: str, namespace: str = "kube-system", *, timeout: float = 45) -> Sequence[tuple[int, str]]:
    """What each API server answers when a pod's log is asked for: status, and text."""
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
    return [(said.status, said.text) for said in (api.ask(path, timeout=timeout) for api in lab.apis)]


@contextmanager
def controllers(lab: Lab, draw: Draw, *, silent: Mapping[str, timedelta] | None = None) -> Generator[dict[str, str]]:
    """The leases of controller manager and scheduler, renewed but for those that are ``silent`` for so long; their holders."""
    holders, fresh = {}, []
    with ExitStack() as stack:
        for name in ("kube-controller-manager", "kube-scheduler"):
            tail = "-".join(f"{draw.between(0, 16**size - 1):0{size}x}" for size in (8, 4, 4, 4, 12))
            holders[name] = f"{lab.names.hosts[draw.one_of('cp1', 'cp2')]}_{tail}"
            ago = (silent or {}).get(name)
            one = lease(name, "kube-system", holders[name], renewed=ago or timedelta())
            stack.enter_context(made(lab, one))
            if ago is None:
                fresh.append(one)
        stack.enter_context(meanwhile(renewing(lab, *fresh)))
        yield holders
