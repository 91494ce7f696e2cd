"""A loopback API server for rehearsals: real sockets, real TLS, the answers of kube-apiserver, and one fault.

Like the real one it is a Go-style TLS server: whoever speaks plain HTTP to it is told so in plain text. It makes servers and
nothing else; what is wrong with them is for the ladder to find out.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path

from bot.demo.pki import Pair

_CHECKS = ("ping", "log", "etcd", "poststarthook/start-apiextensions-controllers", "poststarthook/rbac/bootstrap-roles")
_PLAINTEXT = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
_TLS_HANDSHAKE = 0x16
_READ_AHEAD = 4096
_API = {"kind": "APIVersions", "versions": ["v1"]}
_VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.2", "platform": "linux/amd64"}
_PODS = {
    "kind": "PodList",
    "apiVersion": "v1",
    "metadata": {"resourceVersion": "1"},
    "items": [
        {
            "metadata": {
                "name": "kube-apiserver-demo",
                "namespace": "kube-system",
                "labels": {"component": "kube-apiserver", "tier": "control-plane"},
            },
            "spec": {"nodeName": "demo"},
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "kube-apiserver", "ready": True, "restartCount": 0, "state": {"running": {}}}],
            },
        }
    ],
}
_NODES = {
    "kind": "NodeList",
    "items": [
        {
            "metadata": {"name": "demo", "labels": {"node-role.kubernetes.io/control-plane": ""}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
    ],
}
_NOTHING = {"kind": "List", "items": []}
_OBJECTS = {
    "/api/v1/namespaces/default": {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "default"}},
    "/api/v1/namespaces/kube-system/pods": _PODS,
    "/api/v1/nodes": _NODES,
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations": _NOTHING,
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations": _NOTHING,
    "/apis/apiregistration.k8s.io/v1/apiservices": _NOTHING,
    "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases": _NOTHING,
}
_METRICS = """\
# TYPE apiserver_flowcontrol_dispatched_requests_total counter
apiserver_flowcontrol_dispatched_requests_total{flow_schema="exempt",priority_level="exempt"} 569
# TYPE apiserver_longrunning_requests gauge
apiserver_longrunning_requests{group="",resource="pods",scope="cluster",verb="WATCH"} 3
# TYPE apiserver_storage_objects gauge
apiserver_storage_objects{resource="secrets"} 12
# TYPE process_max_fds gauge
process_max_fds 1.048576e+06
# TYPE process_open_fds gauge
process_open_fds 78
"""


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What the server does. ``silent`` accepts TCP and never answers; ``closing`` ends each connection at once, as a balancer
    does that has nobody behind it; ``failing`` are health checks that fail; ``token`` is the one bearer token it accepts."""

    serving: Pair
    client_ca: str
    token: str
    silent: bool = False
    closing: bool = False
    failing: tuple[str, ...] = ()


@asynccontextmanager
async def api_server(behaviour: Behaviour) -> AsyncGenerator[int]:
    """Serves on a free loopback port, which it yields, until the block is left."""
    server = _Server(behaviour)
    try:
        yield server.port
    finally:
        await server.aclose()


class _Server:
    """Accepts connections and owns the task of each."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._context = _context(behaviour)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._tasks = {asyncio.create_task(self._accept(), name="demo: accept")}

    async def aclose(self) -> None:
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        self._listener.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self._listener)
            task = asyncio.create_task(self._connection(connection), name="demo: connection")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connection(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            # Peers that reset, half-close or fail the handshake are what rehearsals are full of.
            with suppress(OSError, ssl.SSLError, EOFError):
                await self._serve(connection)
        finally:
            connection.close()

    async def _serve(self, connection: socket.socket) -> None:
        if self._behaviour.silent:
            await asyncio.Event().wait()
        if self._behaviour.closing:
            connection.shutdown(socket.SHUT_WR)
            # What the peer sends is read: closing with bytes unread would be a reset.
            while await asyncio.get_running_loop().sock_recv(connection, _READ_AHEAD):
                pass
            return
        first = await _peek(connection)
        if not first:
            return
        if first[0] != _TLS_HANDSHAKE:
            # Go has read this much by then. Closing with bytes unread would reset, and the peer lose the answer.
            connection.recv(_READ_AHEAD)
            await asyncio.get_running_loop().sock_sendall(connection, _PLAINTEXT)
            return
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, connection, ssl=self._context, ssl_handshake_timeout=5
        )
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            writer.write(self._answer(head))
            await writer.drain()
        finally:
            writer.close()
            with suppress(OSError, ssl.SSLError):
                await writer.wait_closed()

    def _answer(self, head: str) -> bytes:
        request, *lines = head.split("\r\n")
        path = request.split(" ")[1]
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        sent = headers.get("authorization", "")
        if sent and sent != f"Bearer {self._behaviour.token}":
            return _http(401, _status(401, "Unauthorized", "Unauthorized"))
        if path.startswith(("/livez", "/readyz", "/healthz")):
            return self._health(path.split("?")[0].strip("/"))
        if path.startswith("/version"):
            return _http(200, json.dumps(_VERSION))
        if not sent:
            message = f'forbidden: User "system:anonymous" cannot get path "{path}"'
            return _http(403, _status(403, "Forbidden", message))
        if path.partition("?")[0].rstrip("/") == "/api":
            return _http(200, json.dumps(_API))
        if self._behaviour.failing:
            return _http(500, _status(500, "InternalError", "etcdserver: request timed out"))
        if path == "/metrics":
            return _http(200, _METRICS, kind="text/plain; version=0.0.4; charset=utf-8")
        if path.startswith("/api/v1/namespaces/kube-system/pods/kube-apiserver-demo/log"):
            return _http(200, "I", kind="text/plain")
        known = _OBJECTS.get(path.partition("?")[0])
        if known is not None:
            return _http(200, json.dumps(known))
        return _http(404, _status(404, "NotFound", "the server could not find the requested resource"))

    def _health(self, name: str) -> bytes:
        failing = self._behaviour.failing
        lines = [f"[-]{check} failed: reason withheld" if check in failing else f"[+]{check} ok" for check in _CHECKS]
        end = f"{name} check failed" if failing else f"{name} check passed"
        return _http(500 if failing else 200, "\n".join([*lines, end]) + "\n", kind="text/plain; charset=utf-8")


def _context(behaviour: Behaviour) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(cadata=behaviour.client_ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = behaviour.serving.write(Path(folder), "serving")
        context.load_cert_chain(certificate, key)
    return context


async def _peek(connection: socket.socket) -> bytes:
    """The first byte, left in place for TLS to read; empty when the peer closed."""
    loop = asyncio.get_running_loop()
    readable = loop.create_future()
    loop.add_reader(connection, lambda: readable.done() or readable.set_result(None))
    try:
        await readable
    finally:
        loop.remove_reader(connection)
    return connection.recv(1, socket.MSG_PEEK)


def _status(code: int, reason: str, message: str) -> str:
    return json.dumps(
        {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "code": code}
    )


def _http(code: int, body: str, *, kind: str = "application/json") -> bytes:
    payload = body.encode()
    head = [
        f"HTTP/1.1 {code} {HTTPStatus(code).phrase}",
        f"Date: {formatdate(usegmt=True)}",
        "Audit-Id: 00000000-0000-4000-8000-000000000000",
        f"Content-Type: {kind}",
        f"Content-Length: {len(payload)}",
        "Connection: close",
    ]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + payload
