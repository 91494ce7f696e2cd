"""The probes and the object reads against a real kube-apiserver and etcd: that real answers are what they take them for."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.adapters.kubernetes.reads import KubernetesApi
from bot.clock import SystemClock, stamp
from bot.demo.pki import Authority, Pair
from bot.model.base import Json
from bot.model.target import CredentialKind
from bot.net.round import RoundNetwork
from tests.lab.control_plane import ControlPlane, control_plane
from tests.lab.processes import wait_until
from tests.probes.scene import Scene, target

pytestmark = pytest.mark.lab


@dataclass
class Certificate:
    """A client certificate as credentials."""

    files: tuple[Path, Path]
    not_after: datetime
    kind: CredentialKind = CredentialKind.CLIENT_CERTIFICATE

    async def headers(self) -> dict[str, str]:
        return {}

    def load_client_certificate(self, context: ssl.SSLContext) -> None:
        context.load_cert_chain(*self.files)

    def describe(self) -> Json:
        return {"kind": "client-certificate", "not_after": stamp(self.not_after)}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("lab")) as plane:
        yield plane


@pytest.fixture
async def network() -> AsyncGenerator[RoundNetwork]:
    async with RoundNetwork(clock=SystemClock(), deadline=time.monotonic() + 60) as network:
        yield network


def credentials(pair: Pair, folder: Path, *, not_after: datetime | None = None) -> Certificate:
    return Certificate(pair.write(folder, "client"), not_after or datetime.now(UTC) + timedelta(days=1))


def scene_of(plane: ControlPlane, own: Certificate) -> Scene:
    scene = Scene(target=target(plane.url, ca_pem=plane.authority.pem), now=datetime.now(UTC))
    scene.credentials = own  # ty: ignore[invalid-assignment]
    return scene


async def test_a_real_server_is_healthy_and_accepts_us(plane: ControlPlane, network: RoundNetwork, tmp_path: Path) -> None:
    scene = scene_of(plane, credentials(plane.admin, tmp_path))
    (handshake,) = await scene.run("tls-handshake", network=network)
    (health,) = await scene.run("apiserver-health", network=network)
    (auth,) = await scene.run("apiserver-auth", network=network)
    assert (handshake.outcome, health.outcome, auth.outcome) == ("verified", "healthy", "accepted")
    assert handshake.evidence["client_certificate_requested"] is True
    assert handshake.evidence["alpn"] == "h2"
    assert health.evidence["git_version"].startswith("v1.")
    assert network.requests_made() == 4


async def test_what_is_measured_of_a_real_server_is_as_it_should_be(
    plane: ControlPlane, network: RoundNetwork, tmp_path: Path
) -> None:
    """It takes a first message of TLS of several packets, tells when it was started, its time, and a namespace."""
    scene = scene_of(plane, credentials(plane.admin, tmp_path))
    scene.live, scene.seconds = True, 30
    for probe in ("apiserver-health", "apiserver-auth"):
        await scene.run(probe, network=network)
    (starts,) = await scene.run("apiserver-starts", network=network, seconds=0)
    (sizes,) = await scene.run("path-mtu", network=network)
    (flow,) = await scene.run("request-flow", network=network)
    (clocks,) = await scene.run("clock-difference", network=network)
    (quality,) = await scene.run("connection-quality", network=network)
    found = [one.outcome for one in (starts, sizes, flow, clocks, quality)]
    assert found == ["started-lately", "full-size-passes", "quick", "clocks-agree", "quick"], [starts.sentence, sizes.sentence]
    started = datetime.fromisoformat(starts.evidence["started"]["a"])
    assert timedelta(0) <= datetime.now(UTC) - started < timedelta(minutes=10)
    assert flow.evidence["paths"]["/api/v1/namespaces/default"]["answer"] == 200
    assert network.requests_made() == 5


SLICE: Json = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {"name": "kubernetes-lab", "labels": {"kubernetes.io/service-name": "kubernetes"}},
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["10.20.30.40"]}],
    "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
}
KUBEADM: Json = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "kubeadm-config"},
    "data": {"ClusterConfiguration": "controlPlaneEndpoint: lb.example.com:6443\n"},
}


async def test_real_objects_are_read(plane: ControlPlane, tmp_path: Path) -> None:
    assert plane.request("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", "POST", SLICE)[0] == 201
    assert plane.request("/api/v1/namespaces/kube-system/configmaps", "POST", KUBEADM)[0] == 201
    own = credentials(plane.admin, tmp_path)
    api = KubernetesApi(target(plane.url, ca_pem=plane.authority.pem), own)
    scene = scene_of(plane, own)
    scene.api = api
    try:
        endpoint = await scene.one("cluster-endpoint")
        pods = await scene.one("apiserver-pods")
    finally:
        await api.aclose()
    assert endpoint.outcome == "endpoints-differ"
    assert endpoint.evidence["published"]["backends"] == ["10.20.30.40:6443"]
    assert endpoint.evidence["published"]["control_plane"] == "lb.example.com:6443"
    assert pods.outcome == "none-found"


async def test_a_user_without_rights_is_named(plane: ControlPlane, network: RoundNetwork, tmp_path: Path) -> None:
    scene = scene_of(plane, credentials(plane.authority.client("bob"), tmp_path))
    (allowed,) = await scene.run("apiserver-auth", network=network)
    (denied,) = await scene.run("apiserver-auth", network=network, path="/api/v1/nodes")
    assert (allowed.outcome, denied.outcome) == ("accepted", "permission-denied")
    assert denied.evidence["user"] == "bob"


async def test_another_authoritys_certificate_is_rejected(plane: ControlPlane, network: RoundNetwork, tmp_path: Path) -> None:
    scene = scene_of(plane, credentials(Authority().client("admin", ["system:masters"]), tmp_path))
    (finding,) = await scene.run("apiserver-auth", network=network)
    assert finding.outcome == "credentials-rejected"


async def test_an_expired_certificate_of_ours_is_named(plane: ControlPlane, network: RoundNetwork, tmp_path: Path) -> None:
    past = datetime.now(UTC) - timedelta(days=1)
    pair = plane.authority.client("admin", ["system:masters"], not_before=past - timedelta(days=1), not_after=past)
    (finding,) = await scene_of(plane, credentials(pair, tmp_path, not_after=past)).run("apiserver-auth", network=network)
    assert finding.outcome == "client-certificate-expired"


async def test_etcd_that_dies_is_named_while_the_version_is_still_told(
    plane: ControlPlane, network: RoundNetwork, tmp_path: Path
) -> None:
    assert plane.etcd is not None
    plane.etcd.kill()
    try:
        wait_until(lambda: plane.status("/livez") == 500, "a failing /livez", within=30)
        (finding,) = await scene_of(plane, credentials(plane.admin, tmp_path)).run("apiserver-health", network=network)
    finally:
        plane.start_etcd()
    assert finding.outcome == "etcd-check-failing"
    assert "etcd" in finding.evidence["failing_checks"]
    assert finding.evidence["version"] == 200
