"""Comparing the server that apidown asks with the addresses the cluster gives to its own clients."""

from __future__ import annotations

import re

from bot.model.base import Value
from bot.model.target import Endpoint, Target
from bot.ports import KubernetesReads

ON_NODE = "On a control-plane node: grep server: /etc/kubernetes/*.conf"

_SERVER = re.compile(r"^\s*server:\s*[\"']?([^\s\"']+)", re.M)
_CONTROL_PLANE = re.compile(r"^controlPlaneEndpoint:\s*[\"']?([^\s\"']+)", re.M)


class Published(Value):
    """Where the cluster itself says that its API server is.

    ``backends`` are the API servers' own addresses, behind ``kubernetes.default``; ``control_plane`` is what kubeadm
    gave to controllers and kubelets; ``cluster_info`` what a joining node is told.
    """

    backends: tuple[str, ...] = ()
    control_plane: str | None = None
    cluster_info: str | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """The endpoints that the cluster's own clients were told, each once."""
        return tuple(dict.fromkeys(name for name in (self.control_plane, self.cluster_info) if name))


async def published(api: KubernetesReads) -> Published:
    """What the cluster publishes; raises Unavailable when the API does not answer."""
    backends = await api.list_endpoint_addresses("default", "kubernetes")
    kubeadm = await api.get_config_map("kube-system", "kubeadm-config")
    info = await api.get_config_map("kube-public", "cluster-info")
    control_plane = _CONTROL_PLANE.search(str(kubeadm.data.get("ClusterConfiguration", ""))) if kubeadm else None
    server = _SERVER.search(str(info.data.get("kubeconfig", ""))) if info else None
    return Published(
        backends=tuple(str(backend) for backend in backends),
        control_plane=control_plane.group(1) if control_plane else None,
        cluster_info=server.group(1) if server else None,
    )


def misdirected(target: Target) -> tuple[str, str] | None:
    """The outcome and the sentence when the URL itself is the fault; None when it may be right.

    Any other port of this machine may lead to an API server: a local cluster's (kind, minikube), or a tunnel's end.
    """
    if target.is_client_default:
        return "local-endpoint", f"{target.url} is this machine itself, and what clients without a kubeconfig ask."
    if target.scheme == "http":
        return "plain-http", f"{target.url} is plain http; API servers speak https."
    return None


def matches(target: Target, addresses: tuple[str, ...], known: Published) -> bool:
    """Whether the asked server is one that the cluster knows.

    A balancer in front is only known to the cluster when kubeadm recorded it, so a server which is no backend proves
    nothing unless an endpoint is ``named``.
    """
    here = {(target.host, target.port), *((address, target.port) for address in addresses)}
    return bool(here & {_split(name) for name in (*known.named, *known.backends)})


def _split(name: str) -> tuple[str, int]:
    # A control plane endpoint without a port means 6443 to kubeadm; a URL without one means 443.
    scheme = "://" in name
    target = Target.from_url(name if scheme else f"https://{name}")
    bare = not scheme and Endpoint(host=target.host, port=target.port).port == 443 and not name.endswith(":443")
    return target.host, 6443 if bare else target.port
