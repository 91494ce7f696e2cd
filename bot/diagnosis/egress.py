"""What nodes must reach outside of their cluster, by provider: the list to open, and the one to try from a node.

Names with a star stand for a region's or a cluster's own and cannot be tried as they are. Providers change their lists; each
one's own page is the last word, and ``docs/egress.md`` links to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bot.model.base import Value
from bot.model.target import Cluster


class Egress(Value):
    """One place that nodes must reach: a name, perhaps with a star, its port, and what it is for."""

    host: str
    port: int
    protocol: str = "tcp"
    purpose: str

    @property
    def can_be_tried(self) -> bool:
        """Whether a connection from a node tells anything: a name without a star, and TCP, which answers."""
        return self.protocol == "tcp" and "*" not in self.host


def _https(host: str, purpose: str) -> Egress:
    return Egress(host=host, port=443, purpose=purpose)


REQUIRED: Mapping[str, tuple[Egress, ...]] = MappingProxyType(
    {
        "azure": (
            _https("*.hcp.REGION.azmk8s.io", "the API server, and the tunnel to it (konnectivity, with ALPN)"),
            Egress(host="*.hcp.REGION.azmk8s.io", port=1194, protocol="udp", purpose="the older tunnel (tunnelfront, aks-link)"),
            Egress(host="*.hcp.REGION.azmk8s.io", port=9000, purpose="the older tunnel (tunnelfront, aks-link)"),
            _https("mcr.microsoft.com", "images of the system's pods"),
            _https("*.data.mcr.microsoft.com", "the images' layers"),
            _https("management.azure.com", "Azure's API: disks, balancers, routes"),
            _https("login.microsoftonline.com", "Azure's identities"),
            _https("packages.aks.azure.com", "binaries of nodes: kubelet, network plugins"),
            _https("acs-mirror.azureedge.net", "the same, for older node images"),
            Egress(host="ntp.ubuntu.com", port=123, protocol="udp", purpose="time, where the host gives none"),
        ),
        "aws": (
            _https("*.gr*.REGION.eks.amazonaws.com", "the API server; private access or a way out to the public address"),
            _https("ec2.REGION.amazonaws.com", "what the node and its network plugin ask about it"),
            _https("sts.REGION.amazonaws.com", "roles of service accounts"),
            _https("api.ecr.REGION.amazonaws.com", "images of the system's pods"),
            _https("*.dkr.ecr.REGION.amazonaws.com", "images of the system's pods"),
            _https("*.s3.REGION.amazonaws.com", "the images' layers"),
            _https("eks-auth.REGION.api.aws", "pod identities, where they are used"),
            _https("elasticloadbalancing.REGION.amazonaws.com", "balancers, where a controller makes them"),
        ),
        "gcp": (
            Egress(host="CONTROL_PLANE_ADDRESS", port=443, purpose="the API server"),
            Egress(host="CONTROL_PLANE_ADDRESS", port=8132, purpose="the tunnel to it (konnectivity)"),
            Egress(host="169.254.169.254", port=80, purpose="the metadata server"),
            _https("*.googleapis.com", "Google's APIs: logs, images, credentials"),
            _https("*.pkg.dev", "images of the system's pods"),
            _https("gcr.io", "images of the system's pods"),
        ),
    }
)
"""By provider. A word in capitals is a value of one's own: the region, the control plane's address."""

_NAMES = {"aks": "azure", "eks": "aws", "gke": "gcp", "google": "gcp", "amazon": "aws", "microsoft": "azure"}


def required(provider: str | None) -> tuple[Egress, ...]:
    """The provider's list, by its name or that of its product; empty for one that is not known."""
    name = (provider or "").strip().lower()
    return REQUIRED.get(_NAMES.get(name, name), ())


def to_try(cluster: Cluster) -> str:
    """What to connect to from a node, as ``host:port`` words: the API server itself first, then the provider's."""
    own = f"{cluster.target.host}:{cluster.target.port}"
    places = [f"{one.host}:{one.port}" for one in required(cluster.provider) if one.can_be_tried and not _has_blank(one.host)]
    return " ".join(dict.fromkeys([own, *places]))


def _has_blank(host: str) -> bool:
    return any(label.isupper() for label in host.split("."))
