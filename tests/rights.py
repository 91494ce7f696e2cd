"""What an identity of apidown's may read of a cluster, and what it must not: asked of a real API server with its token."""

from __future__ import annotations

import http.client
import ssl

from tests.lab.control_plane import ControlPlane

_ADMISSION = "/apis/admissionregistration.k8s.io/v1"

MAY = (
    "/api/v1/namespaces/kube-system/pods",
    "/api/v1/namespaces/kube-system/configmaps/kubeadm-config",
    "/api/v1/namespaces/kube-public/configmaps/cluster-info",
    "/api/v1/namespaces/kube-system/configmaps",
    "/apis/apps/v1/namespaces/kube-system/deployments",
    "/apis/apps/v1/namespaces/kube-system/daemonsets",
    "/apis/apps/v1/namespaces/kube-system/statefulsets",
    "/api/v1/nodes",
    "/api/v1/services",
    "/api/v1/namespaces/default",
    "/api/v1/namespaces?fieldSelector=metadata.name%3Dkube-system",
    "/apis/networking.k8s.io/v1/networkpolicies",
    "/apis/discovery.k8s.io/v1/endpointslices",
    "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
    "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases",
    "/apis/apiregistration.k8s.io/v1/apiservices",
    f"{_ADMISSION}/validatingwebhookconfigurations",
    f"{_ADMISSION}/mutatingwebhookconfigurations",
    "/metrics",
)
"""As docs/configuration.md, Credentials, lists it."""

LOG = "/api/v1/namespaces/kube-system/pods/none/log"
"""A choice of its own. Whoever may is told that this pod is not there."""

MUST_NOT = (
    "/api/v1/secrets",
    "/api/v1/namespaces/kube-system/secrets",
    "/api/v1/configmaps",
    "/api/v1/namespaces/default/configmaps",
    "/api/v1/namespaces/kube-system/configmaps/other",
    "/api/v1/namespaces",
    "/apis/apps/v1/deployments",
    "/api/v1/pods",
    "/api/v1/namespaces/default/pods",
    "/api/v1/namespaces/default/pods/none/log",
    "/api/v1/namespaces/kube-system/pods/none/exec?command=id",
    "/api/v1/nodes/none/proxy/pods",
    "/apis/coordination.k8s.io/v1/leases",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/debug/pprof/",
    "/metrics/slis",
)


def status_of(plane: ControlPlane, token: str, path: str, method: str = "GET") -> int:
    """The status that this token's holder gets; 404 means that it may, and that nothing is there."""
    context = ssl.create_default_context(cadata=plane.authority.pem)
    connection = http.client.HTTPSConnection(plane.address, plane.port, context=context, timeout=10)
    try:
        connection.request(method, path, headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status
    finally:
        connection.close()
