"""Comparing the server that apidown asks with the addresses the cluster gives to its own clients."""

from __future__ import annotations

import ipaddress
import re

from bot.model.base import Value
from bot.model.target import Endpoint, Target
from bot.ports import KubernetesReads
from bot.probes._shared.words import listed

# kubectl asks this when it has no configuration at all.
_KUBECTL_DEFAULT_PORT = 8080

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


def misdirected(target: Target, addresses: tuple[str, ...], *, configured: bool) -> tuple[str, str] | None:
    """The outcome and the sentence when the URL itself is the fault; None when it may be right.

    A configured cluster on loopback is a local one (kind, minikube); a pasted localhost is what a client without
    configuration asks.
    """
    if target.scheme == "http":
        return "plain-http", f"{target.url} is plain http; API servers speak https."
    local = is_loopback(target.host) or (bool(addresses) and all(map(is_loopback, addresses)))
    if local and (not configured or target.port in (_KUBECTL_DEFAULT_PORT, 80)):
        return "local-endpoint", f"{target.url} is this machine itself, as clients without a kubeconfig ask."
    return None


def is_loopback(host: str) -> bool:
    """Whether this names the machine that asks."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def difference(target: Target, addresses: tuple[str, ...], known: Published) -> str | None:
    """Why the asked server is none that the cluster knows; None when it is one, or when nothing can be compared.

    A balancer in front is only known to the cluster when kubeadm recorded it, so without that record a server which is
    no backend proves nothing.
    """
    named = [name for name in (known.control_plane, known.cluster_info) if name]
    here = {(target.host, target.port), *((address, target.port) for address in addresses)}
    if here & {_split(name) for name in (*named, *known.backends)} or not named:
        return None
    return f"The cluster's own clients use {listed(list(dict.fromkeys(named)))}, not {target.host}:{target.port}"


def _split(name: str) -> tuple[str, int]:
    # A control plane endpoint without a port means 6443 to kubeadm; a URL without one means 443.
    scheme = "://" in name
    target = Target.from_url(name if scheme else f"https://{name}")
    bare = not scheme and Endpoint(host=target.host, port=target.port).port == 443 and not name.endswith(":443")
    return target.host, 6443 if bare else target.port
