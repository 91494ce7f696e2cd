"""Services of a cluster without a kube-proxy: routed by the rules that it would make, to real small servers."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from bot.demo.pki import Pair
from tests.lab.boxes import Box, Handle, box
from tests.lab.faults._moves import meanwhile
from tests.lab.faults._objects import made
from tests.lab.kubeadm import b64
from tests.lab.network import Host
from tests.lab.seed import Draw
from tests.lab.topology import Lab

# A handler for one connection never asks its server for anything.
_NO_SERVER: Any = None

Respond = Callable[[str, bytes], tuple[int, Any]]
"""What a server answers to a path and a body: a status, and what becomes JSON (text is sent as it is)."""


@dataclass(frozen=True)
class Service:
    """One in the cluster: ``address`` is its cluster address."""

    name: str
    namespace: str
    address: str
    authority: str
    """The PEM of who signed its server's certificate, in base64, as a caBundle."""

    @property
    def reference(self) -> dict[str, object]:
        return {"name": self.name, "namespace": self.namespace, "port": 443}


def https(pair: Pair, folder: Path, respond: Respond) -> Handle:
    """Serves HTTP/1.1 over TLS, connection by connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair.write(folder, "service"))

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            status, said = respond(self.path, self.rfile.read(length))
            body = said.encode() if isinstance(said, str) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(said, str) else "application/json")
            self.send_header("Content-Length", str(len(body)))
            # So that nothing waits for a caller that keeps its connection.
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 — the names are http.server's

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    def handle(connection: Any) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            Answering(tls, tls.getpeername(), _NO_SERVER)

    return handle


@contextmanager
def service(
    lab: Lab, draw: Draw, name: str, *, namespace: str = "default", target: tuple[str, int] | None = None
) -> Generator[Service]:
    """A service; with a ``target`` it has one endpoint there, and the control-plane nodes send what goes to it that way."""
    body = {
        "metadata": {"name": name},
        "spec": {"ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 8443}]},
    }
    with ExitStack() as stack:
        (found,) = stack.enter_context(made(lab, (f"/api/v1/namespaces/{namespace}/services", body)))
        address = found["spec"]["clusterIP"]
        if target:
            slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
            stack.enter_context(
                made(lab, (slices, _slice(name, target)), (f"/api/v1/namespaces/{namespace}/endpoints", _endpoints(name, target)))
            )
            for api in lab.apis:
                match = ("-d", address, "-p", "tcp", "--dport", "443")
                jump = ["DNAT", "--to-destination", f"{target[0]}:{target[1]}"]
                stack.enter_context(api.host.filter(*match, jump=jump, chain="OUTPUT", table="nat"))
        yield Service(name, namespace, address, b64(lab.pki.front_proxy.pem))


def certificate_for(lab: Lab, name: str, namespace: str = "default") -> Pair:
    """A server's certificate, signed by who the service's caBundle names."""
    return lab.pki.front_proxy.server([f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local"], common_name=name)


@contextmanager
def served(lab: Lab, draw: Draw, name: str, respond: Respond, *, namespace: str = "default") -> Generator[tuple[Service, Box]]:
    """A service with a server on the worker that answers like this."""
    handle = https(certificate_for(lab, name, namespace), lab.scratch(), respond)
    with box(lab.node, handle) as server, service(lab, draw, name, namespace=namespace, target=_place(server)) as found:
        yield found, server


def _place(server: Box) -> tuple[str, int]:
    host, _, port = server.place.rpartition(":")
    return host, int(port)


@contextmanager
def closed_port(host: Host) -> Generator[tuple[str, int]]:
    """A port of this host where nothing listens, and nothing will: bound, and never listened at."""
    taken = host.here(lambda: socket.socket())
    with taken:
        taken.bind((host.address, 0))
        yield host.address, taken.getsockname()[1]


def _slice(name: str, target: tuple[str, int]) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [target[0]], "conditions": {"ready": True, "serving": True}}],
        "ports": [{"name": "https", "port": target[1], "protocol": "TCP"}],
    }


def _endpoints(name: str, target: tuple[str, int]) -> dict[str, Any]:
    ports = [{"name": "https", "port": target[1], "protocol": "TCP"}]
    return {"metadata": {"name": name}, "subsets": [{"addresses": [{"ip": target[0]}], "ports": ports}]}


# Webhooks.

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def hook(kind: str, name: str, client: dict[str, Any], *, policy: str = "Fail", seconds: int = 2) -> tuple[str, dict[str, Any]]:
    """A Validating or Mutating webhook on writes of configuration maps and pods."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps", "pods"]}
    webhook = {
        "name": f"{name}.policy.example.com",
        "clientConfig": client,
        "rules": [rule],
        "failurePolicy": policy,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": seconds,
    }
    return f"{ADMISSION}/{kind.lower()}webhookconfigurations", {"metadata": {"name": name}, "webhooks": [webhook]}


def allowing(path: str, body: bytes) -> tuple[int, Any]:
    """A webhook that lets everything pass."""
    uid = json.loads(body)["request"]["uid"]
    return 200, {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": uid, "allowed": True}}


def written(lab: Lab, name: str) -> list[tuple[int, str]]:
    """What both API servers answer to a write that changes nothing: status and text."""
    body = {"metadata": {"name": f"{name}-trial"}, "data": {"a": "b"}}
    said = [api.ask(f"{CONFIG_MAPS}?dryRun=All", "POST", body, timeout=20) for api in lab.apis]
    return [(one.status, one.json.get("message", "")) for one in said]


def broken(lab: Lab, name: str, why: str) -> str:
    """What the second API server says when both refuse a write because of a webhook, for this reason; empty when they do not."""
    said = written(lab, name)
    return said[-1][1] if all(status == 500 and "failed calling webhook" in text and why in text for status, text in said) else ""


@contextmanager
def writing(lab: Lab, name: str) -> Generator[None]:
    """Somebody goes on writing until the block is left, and is refused: what is counted goes on rising."""

    def work(stop: threading.Event) -> None:
        while not stop.wait(0.5):
            with suppress(OSError, HTTPException):
                written(lab, name)

    with meanwhile(work):
        yield


# Aggregated APIs.

AGGREGATED = "/apis/apiregistration.k8s.io/v1/apiservices"


def aggregated(group: str, version: str, at: Service) -> tuple[str, dict[str, Any]]:
    spec = {
        "group": group,
        "version": version,
        "service": at.reference,
        "caBundle": at.authority,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
    }
    return AGGREGATED, {"metadata": {"name": f"{version}.{group}"}, "spec": spec}


def available(lab: Lab, name: str) -> tuple[str, str]:
    """Status and reason of an APIService's condition."""
    for condition in lab.api1.ask(f"{AGGREGATED}/{name}").json.get("status", {}).get("conditions", []):
        if condition["type"] == "Available":
            return condition["status"], condition["reason"]
    return "", ""


def discovered(group: str, version: str) -> Respond:
    """An API with one resource and no objects."""

    def respond(path: str, body: bytes) -> tuple[int, Any]:
        resources = [
            {"name": "samples", "namespaced": True, "kind": "Sample", "verbs": ["get", "list"], "singularName": "sample"}
        ]
        if path.partition("?")[0].rstrip("/") == f"/apis/{group}/{version}":
            return 200, {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": f"{group}/{version}",
                "resources": resources,
            }
        return 404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "message": "not found"}

    return respond


def extension_name(draw: Draw) -> str:
    """What people call a webhook or an adapter, such as ``policy-ember``."""
    return f"{draw.one_of('policy', 'guard', 'injector', 'quota', 'defaults', 'metrics')}-{draw.word()}"


def api_group(draw: Draw) -> tuple[str, str]:
    """An aggregated API's group and version."""
    return draw.one_of(
        ("metrics.k8s.io", "v1beta1"),
        ("custom.metrics.k8s.io", "v1beta2"),
        ("external.metrics.k8s.io", "v1beta1"),
        (f"{draw.word()}.example.com", "v1"),
    )
