"""Policies, workloads and logs as a real API server gives them: defaults that it fills in, metadata alone, a kubelet's log."""

from __future__ import annotations

import asyncio
import base64
import http.server
import json
import socket
import ssl
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bot.adapters.kubernetes.reads import KubernetesApi
from bot.clock import stamp
from bot.model.base import Json
from bot.model.finding import Finding, Status
from bot.playbook import default_folder, load_library
from bot.registry import Registry
from tests import pki
from tests.lab.control_plane import ControlPlane, control_plane
from tests.lab.processes import wait_until
from tests.probes.scene import PROBES, Scene, target
from tests.probes.test_lab_apiserver import credentials
from tests.probes.test_lab_behind import ADMISSION, SYSTEM, busy, made, webhook

pytestmark = pytest.mark.lab

POLICIES = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
APPS = "/apis/apps/v1/namespaces/kube-system"
ACCOUNT: Json = {"metadata": {"name": "default"}}
SERVER: Json = {
    "metadata": {"name": "kubernetes-of-test", "labels": {"kubernetes.io/service-name": "kubernetes"}},
    "addressType": "IPv4",
    "ports": [{"name": "https", "port": 6443}],
    "endpoints": [{"addresses": ["10.1.0.11"]}],
}
"""An API server on loopback does not publish its address."""


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("lab")) as plane:
        yield plane


@pytest.fixture
async def look(plane: ControlPlane, tmp_path: Path) -> AsyncGenerator[Callable[..., Any]]:
    """Runs a probe in a round of its own."""
    opened: list[KubernetesApi] = []

    async def run(probe: str) -> list[Finding]:
        aim = target(plane.url, ca_pem=plane.authority.pem)
        api = KubernetesApi(aim, credentials(plane.admin, tmp_path))
        opened.append(api)
        return await Scene(target=aim, api=api, now=datetime.now(UTC)).run(probe)

    try:
        yield run
    finally:
        for api in opened:
            await api.aclose()


@contextmanager
def pod(plane: ControlPlane, name: str, labels: Json, *, node: str | None = None, status: Json | None = None) -> Generator[None]:
    component = labels.get("component", "main")
    spec: Json = {"containers": [{"name": component, "image": "x"}], "automountServiceAccountToken": False}
    body = {"metadata": {"name": name, "labels": labels}, "spec": {**spec, **({"nodeName": node} if node else {})}}
    said, text = plane.request(f"{SYSTEM}/pods", "POST", body)
    assert said == 201, text
    try:
        if status:
            said, text = plane.request(f"{SYSTEM}/pods/{name}/status", "PUT", {**body, "status": status})
            assert said == 200, text
        yield
    finally:
        plane.request(f"{SYSTEM}/pods/{name}?gracePeriodSeconds=0", "DELETE")


def policy(name: str, **spec: Any) -> Json:
    return {"metadata": {"name": name}, "spec": {"podSelector": {}, **spec}}


async def test_policies_are_read_with_the_defaults_that_the_server_fills_in(
    plane: ControlPlane, look: Callable[..., Any]
) -> None:
    (none,) = await look("network-policies")
    assert none.outcome == "none-found"
    dns = {"to": [{"namespaceSelector": {}}], "ports": [{"protocol": "UDP", "port": 53}]}
    with ExitStack() as there:
        there.enter_context(made(plane, f"{SYSTEM}/serviceaccounts", ACCOUNT))
        there.enter_context(made(plane, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", SERVER))
        there.enter_context(pod(plane, "coredns-1", {"k8s-app": "kube-dns"}))
        with made(plane, POLICIES.format("kube-system"), policy("incoming", ingress=[{}])):
            (fine,) = await look("network-policies")
        assert (fine.outcome, fine.status) == ("nothing-restricted", Status.OK)
        with made(plane, POLICIES.format("kube-system"), policy("egress", egress=[dns])):
            (blocked,) = await look("network-policies")
    assert (blocked.outcome, blocked.subject) == ("api-blocked", "kube-system/egress")
    assert "kube-dns may not reach the API server (10.1.0.11:6443)" in blocked.sentence
    assert "nobody may ask kube-dns at port 53" in blocked.sentence, "left out, policyTypes mean incoming, too"
    assert "last written at 20" in blocked.sentence
    assert blocked.evidence["written"][0]["operation"] == "Update"


async def test_a_gateway_is_known_by_its_service(plane: ControlPlane, look: Callable[..., Any]) -> None:
    labels = {"app.kubernetes.io/name": "ingress-nginx"}
    ports = [{"name": "https", "port": 443, "targetPort": "https"}]
    service = {
        "metadata": {"name": "nginx", "labels": labels},
        "spec": {"type": "LoadBalancer", "selector": labels, "ports": ports},
    }
    with made(plane, "/api/v1/namespaces/default/services", service), made(plane, POLICIES.format("default"), policy("deny")):
        (closed,) = await look("network-policies")
    assert closed.outcome == "gateway-closed"
    assert "default/nginx" in closed.sentence


def workload(name: str) -> Json:
    labels = {"k8s-app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "x"}]}}
    return {"metadata": {"name": name}, "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}}


async def test_workloads_are_read_with_their_status_and_config_maps_without_their_data(
    plane: ControlPlane, look: Callable[..., Any]
) -> None:
    proxy = workload("kube-proxy")
    del proxy["spec"]["replicas"]
    secret = {"metadata": {"name": "settings"}, "data": {"password": "not-for-anybody"}}
    with (
        made(plane, f"{APPS}/deployments", workload("coredns")),
        made(plane, f"{APPS}/daemonsets", proxy),
        made(plane, f"{SYSTEM}/configmaps", secret),
    ):
        status = {"desiredNumberScheduled": 3, "currentNumberScheduled": 3, "numberMisscheduled": 0, "numberReady": 3}
        status |= {"numberAvailable": 3, "updatedNumberScheduled": 3, "observedGeneration": 1}
        assert plane.request(f"{APPS}/daemonsets/kube-proxy/status", "PUT", {**proxy, "status": status})[0] == 200
        found = await look("kube-system-workloads")
    by_subject = {one.subject: one for one in found}
    assert by_subject["deployments/coredns"].outcome == "cluster-dns-down"
    assert "daemonsets/kube-proxy" not in by_subject
    changed = by_subject["changes in kube-system"].evidence["changes"]
    assert {"ConfigMap settings", "Deployment coredns", "DaemonSet kube-proxy"} <= {one["what"] for one in changed}
    assert "not-for-anybody" not in repr(found)


@contextmanager
def kubelet(*lines: str) -> Generator[tuple[int, list[str]]]:
    """Gives these lines as every log, and keeps what was asked."""
    asked: list[str] = []
    body = "".join(f"{line}\n" for line in lines).encode()
    context = pki.Authority().issue("127.0.0.1").server_context()

    def serve() -> None:
        with suppress(OSError):
            while True:
                sock, _ = listener.accept()
                with suppress(OSError, ssl.SSLError), context.wrap_socket(sock, server_side=True) as stream:
                    head = stream.recv(65_536).decode()
                    asked.append(head.split()[1])
                    stream.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, name="kubelet")
        thread.start()
        try:
            yield listener.getsockname()[1], asked
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=10)


async def test_the_end_of_the_attempt_before_is_asked_of_the_kubelet_and_redacted(
    plane: ControlPlane, look: Callable[..., Any]
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    ended = {"exitCode": 1, "startedAt": stamp(now - timedelta(minutes=3)), "finishedAt": stamp(now - timedelta(minutes=2))}
    container: Json = {"name": "kube-apiserver", "image": "x", "imageID": "x", "ready": True, "restartCount": 1}
    container |= {"state": {"running": {"startedAt": stamp(now)}}, "lastState": {"terminated": ended}}
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [container]}
    line = "2026-11-20T11:59:01.5Z Error: unknown flag: --token-auth=eyJhbGciOiJSUzI1NiIsImtpZCI6IiJ9.eyJzdWIiOiJ4In0.c2ln"
    node: Json = {"metadata": {"name": "n1"}}
    with kubelet("2026-11-20T11:59:01.4Z I1120 starting", line) as (port, asked), ExitStack() as there:
        there.enter_context(made(plane, "/api/v1/nodes", node))
        there.enter_context(made(plane, f"{SYSTEM}/serviceaccounts", ACCOUNT))
        address = {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}
        endpoint = {"daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}
        assert plane.request("/api/v1/nodes/n1/status", "PUT", {**node, "status": {**address, **endpoint}})[0] == 200
        labels = {"component": "kube-apiserver", "tier": "control-plane"}
        there.enter_context(pod(plane, "kube-apiserver-n1", labels, node="n1", status=status))
        (finding,) = await look("control-plane-logs")
    assert finding.outcome == "setting-wrong"
    assert "unknown flag: --token-auth=" in finding.evidence["line"]
    assert "eyJ" not in repr(finding)
    (path,) = asked
    assert urlsplit(path).path == "/containerLogs/kube-system/kube-apiserver-n1/kube-apiserver"
    query = {key: value[0] for key, value in parse_qs(urlsplit(path).query).items()}
    assert query == {"limitBytes": "65536", "previous": "true", "tailLines": "20", "timestamps": "true"}


async def test_the_playbooks_that_ask_most_keep_the_budget_of_a_round(plane: ControlPlane, tmp_path: Path) -> None:
    """Where nothing that is looked for is there every label is tried, which are the most reads."""
    library = load_library(default_folder(), Registry(probes=PROBES))
    wanted = {step.probe for name in ("cannot-access-api", "connection-refused") for step in library.playbooks[name].steps}
    aim = target(plane.url, ca_pem=plane.authority.pem)
    api = KubernetesApi(aim, credentials(plane.admin, tmp_path))
    scene = Scene(target=aim, api=api, now=datetime.now(UTC))
    probes = sorted(name for name in wanted if name is not None and "api" in PROBES[name].needs)
    assert {"network-policies", "kube-system-workloads", "control-plane-logs", "apiserver-pods"} <= set(probes)
    one = {"to": [{"namespaceSelector": {"matchLabels": {"team": "base"}}}]}
    try:
        with made(plane, POLICIES.format("kube-system"), policy("egress", egress=[one])):
            found = [finding for findings in await asyncio.gather(*(scene.run(name) for name in probes)) for finding in findings]
    finally:
        await api.aclose()
    assert [finding.sentence for finding in found if finding.outcome == "not-read"] == []
    assert api.requests_made() <= 19


@contextmanager
def slow_webhook(authority: pki.Authority, seconds: float) -> Generator[int]:
    """Allows everything, late."""
    context = authority.issue("127.0.0.1").server_context()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            over.wait(seconds)
            said = {**asked, "response": {"uid": asked["request"]["uid"], "allowed": True}}
            body = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """The test's output is not its place."""

    over = threading.Event()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, name="webhook")
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            over.set()
            server.shutdown()
            thread.join(timeout=10)


async def test_a_webhook_that_is_slow_is_told_by_the_servers_own_metrics(plane: ControlPlane, look: Callable[..., Any]) -> None:
    authority = pki.Authority()
    maps = "/api/v1/namespaces/default/configmaps"
    with slow_webhook(authority, 1.3) as port:
        hook = webhook("slow", None, f"https://127.0.0.1:{port}/")
        hook["webhooks"][0] |= {"timeoutSeconds": 10}
        hook["webhooks"][0]["clientConfig"]["caBundle"] = base64.b64encode(authority.pem.encode()).decode()
        with made(plane, ADMISSION, hook):
            body: Json = {"metadata": {"generateName": "x-"}}
            wait_until(lambda: took(plane, maps, body) > 1.2, "writes wait", within=20)
            with busy(plane, 6, lambda _: plane.status(maps, "POST", body)):
                found = await look("apiserver-load")
    (slow,) = [one for one in found if one.status is Status.PROBLEM]
    assert slow.outcome == "webhooks-slow"
    assert "calls of the webhook slow.example.com took over 1 s" in slow.sentence


def took(plane: ControlPlane, path: str, body: Json) -> float:
    begun = time.monotonic()
    assert plane.status(path, "POST", body) == 201
    return time.monotonic() - begun
