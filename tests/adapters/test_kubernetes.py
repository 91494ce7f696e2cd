"""Reads of Kubernetes objects, against a loopback HTTPS server that answers as an API server does."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.adapters.kubernetes import client, forms, metrics, reads
from bot.adapters.kubernetes.reads import KubernetesApi
from bot.demo.pki import Authority, Pair
from bot.errors import Unavailable
from bot.model.base import Json
from bot.model.target import CredentialKind, Endpoint, Target
from bot.ports import Kind

TOKEN = "Bearer the-token-of-this-test"
NAME = "api.example.test"
POD: Json = {
    "metadata": {
        "name": "kube-apiserver-cp1",
        "namespace": "kube-system",
        "labels": {"component": "kube-apiserver"},
        "annotations": {"kubernetes.io/config.hash": "abc", "someone/secret": "hidden"},
        "managedFields": [{"manager": "kubelet"}],
        "creationTimestamp": "2026-11-20T10:00:00Z",
    },
    "spec": {"nodeName": "cp1", "containers": [{"name": "kube-apiserver", "command": ["kube-apiserver", "--token=hidden"]}]},
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "lastProbeTime": None}],
        "containerStatuses": [
            {
                "name": "kube-apiserver",
                "ready": True,
                "restartCount": 2,
                "state": {"running": {"startedAt": "2026-11-20T11:00:00Z"}},
                "lastState": {"terminated": {"exitCode": 137, "finishedAt": "2026-11-20T10:59:00Z", "message": "hidden"}},
            }
        ],
    },
}
SLICES: Json = {
    "items": [
        {
            "endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": ["2001:db8::2"]}],
            "ports": [{"name": "https", "port": 6443}],
        }
    ]
}


@dataclass
class Bearer:
    """Credentials with a token, a client certificate, or both."""

    token: str = TOKEN
    pair: tuple[Path, Path] | None = None
    kind: CredentialKind = CredentialKind.TOKEN

    async def headers(self) -> dict[str, str]:
        return {"Authorization": self.token}

    def load_client_certificate(self, context: ssl.SSLContext) -> None:
        if self.pair is not None:
            context.load_cert_chain(*self.pair)

    def describe(self) -> Json:
        return {"kind": "token"}


@dataclass
class Server:
    """The API server: what it was asked, who asked, and how many asked at the same time."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    methods: set[str] = field(default_factory=set)
    tokens: set[str | None] = field(default_factory=set)
    users: set[str | None] = field(default_factory=set)
    running: int = 0
    most: int = 0
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        self.methods.add(request.method)
        self.tokens.add(request.headers.get("Authorization"))
        assert request.transport is not None
        peer = request.transport.get_extra_info("peercert") or {}
        self.users.add(dict(part[0] for part in peer.get("subject", ())).get("commonName"))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return await (self.answer or _answer)(request)
        finally:
            self.running -= 1


async def _answer(request: web.Request) -> web.StreamResponse:
    if request.path.endswith("/pods"):
        return web.json_response({"kind": "PodList", "items": [POD]})
    if request.path.endswith("/endpointslices"):
        return web.json_response(SLICES)
    if request.path.endswith("/configmaps/kubeadm-config"):
        return web.json_response({"metadata": {"name": "kubeadm-config"}, "data": {"ClusterConfiguration": "a: b"}})
    return web.json_response({"kind": "Status", "message": "not found", "code": 404}, status=404)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
async def server(authority: Authority, tmp_path: Path) -> AsyncGenerator[Server]:
    async with serving(authority, authority.server([NAME]), tmp_path) as server:
        yield server


@asynccontextmanager
async def serving(authority: Authority, pair: Pair, folder: Path) -> AsyncGenerator[Server]:
    server = Server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair.write(folder, "server"))
    context.load_verify_locations(cadata=authority.pem)
    context.verify_mode = ssl.CERT_OPTIONAL
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        server.port = runner.addresses[0][1]
        yield server
    finally:
        await runner.cleanup()


def target_of(server: Server, authority: Authority, **given: Any) -> Target:
    values = {"server_name": NAME, "ca_pem": authority.pem}
    return Target.from_url(f"https://127.0.0.1:{server.port}", **{**values, **given})


@asynccontextmanager
async def reading(target: Target, credentials: Bearer | None = None, **given: Any) -> AsyncGenerator[KubernetesApi]:
    api = KubernetesApi(target, credentials, **given)
    try:
        yield api
    finally:
        await api.aclose()


async def test_pods_are_read_slim_with_a_limit_and_the_token(server: Server, authority: Authority) -> None:
    async with reading(target_of(server, authority), Bearer()) as api:
        (pod,) = await api.list_pods("kube-system", label_selector="component=kube-apiserver")
    assert (pod.kind, pod.namespace, pod.name) == ("Pod", "kube-system", "kube-apiserver-cp1")
    (container,) = pod.data["containers"]
    assert container["restartCount"] == 2
    assert container["lastState"]["terminated"] == {"exitCode": 137, "finishedAt": "2026-11-20T10:59:00Z"}
    assert pod.data["annotations"] == {"kubernetes.io/config.hash": "abc"}
    assert "hidden" not in json.dumps(pod.data)
    assert server.asked == ["/api/v1/namespaces/kube-system/pods?labelSelector=component%3Dkube-apiserver&limit=50"]
    assert server.tokens == {TOKEN}


async def test_endpoints_of_a_service_come_from_its_slices(server: Server, authority: Authority) -> None:
    async with reading(target_of(server, authority), Bearer()) as api:
        found = await api.list_endpoint_addresses("default", "kubernetes")
    assert found == [Endpoint(host="10.0.0.1", port=6443), Endpoint(host="2001:db8::2", port=6443)]
    assert "limit=50" in server.asked[0]


async def test_a_config_map_is_its_data_and_a_missing_one_is_none(server: Server, authority: Authority) -> None:
    async with reading(target_of(server, authority), Bearer()) as api:
        known = await api.get_config_map("kube-system", "kubeadm-config")
        missing = await api.get_config_map("kube-system", "nothing")
    assert known is not None
    assert known.data == {"ClusterConfiguration": "a: b"}
    assert missing is None


async def test_empty_lists_may_be_null(server: Server, authority: Authority) -> None:
    async def null(_request: web.Request) -> web.Response:
        return web.json_response({"items": None})

    server.answer = null
    async with reading(target_of(server, authority), Bearer()) as api:
        assert await api.list_pods("kube-system") == []
        assert await api.list_endpoint_addresses("default", "kubernetes") == []


async def test_a_client_certificate_is_presented(server: Server, authority: Authority, tmp_path: Path) -> None:
    pair = authority.client("apidown").write(tmp_path, "client")
    async with reading(target_of(server, authority), Bearer(pair=pair)) as api:
        await api.list_pods("kube-system")
    assert server.users == {"apidown"}


async def test_a_read_is_made_once_a_round_however_many_ask(server: Server, authority: Authority) -> None:
    async with reading(target_of(server, authority), Bearer()) as api:
        first, second = await asyncio.gather(api.list_pods("kube-system"), api.list_pods("kube-system"))
    assert first == second
    assert len(server.asked) == 1


async def test_a_failed_read_is_not_repeated_in_its_round(server: Server, authority: Authority) -> None:
    server.answer = failing(500, {"kind": "Status", "message": "etcdserver: no leader"})
    async with reading(target_of(server, authority), Bearer()) as api:
        for _ in range(2):
            with pytest.raises(Unavailable, match="500 for pods in kube-system: etcdserver: no leader"):
                await api.list_pods("kube-system")
    assert len(server.asked) == 1


async def test_two_reads_run_at_a_time(server: Server, authority: Authority) -> None:
    full = asyncio.Event()

    async def wait_for_two(request: web.Request) -> web.StreamResponse:
        if server.running == 2:
            full.set()
        await full.wait()
        return await _answer(request)

    server.answer = wait_for_two
    async with reading(target_of(server, authority), Bearer(), timeout_s=30) as api:
        await asyncio.gather(*(api.list_pods(f"namespace-{number}") for number in range(6)))
    assert server.most == 2
    assert len(server.asked) == 6


async def test_the_budget_of_a_round_is_kept(server: Server, authority: Authority) -> None:
    async with reading(target_of(server, authority), Bearer(), budget=2) as api:
        await api.list_pods("a")
        await api.list_pods("b")
        with pytest.raises(Unavailable, match="used up"):
            await api.list_pods("c")
    assert len(server.asked) == 2


def failing(status: int, body: Any) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return answer


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, {"kind": "Status", "message": "Unauthorized"}, "answered 401 for pods in kube-system: Unauthorized"),
        (
            403,
            {"kind": "Status", "message": 'User "x" cannot list'},
            'answered 403 for pods in kube-system: User "x" cannot list',
        ),
        (503, "no server is available", "answered 503 for pods in kube-system"),
        (200, ["nothing", "of", "Kubernetes"], "not what the Kubernetes API gives"),
    ],
)
async def test_an_answer_that_is_no_list_says_why(
    server: Server, authority: Authority, status: int, body: Any, says: str
) -> None:
    server.answer = failing(status, body)
    async with reading(target_of(server, authority), Bearer()) as api:
        with pytest.raises(Unavailable) as caught:
            await api.list_pods("kube-system")
    assert says in caught.value.what


async def test_silence_is_said_in_words(server: Server, authority: Authority) -> None:
    async def never(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    server.answer = never
    async with reading(target_of(server, authority), Bearer(), timeout_s=3) as api:
        with pytest.raises(Unavailable, match="did not give pods in kube-system within 3 s"):
            await api.list_pods("kube-system")


async def test_a_refused_connection_is_said_in_words(authority: Authority) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = Target.from_url(f"https://127.0.0.1:{unused.getsockname()[1]}", ca_pem=authority.pem)
        async with reading(target, Bearer()) as api:
            with pytest.raises(Unavailable, match="did not give pods in kube-system"):
                await api.list_pods("kube-system")


async def test_an_impostor_gets_neither_request_nor_token(server: Server) -> None:
    async with reading(target_of(server, Authority()), Bearer()) as api:
        with pytest.raises(Unavailable):
            await api.list_pods("kube-system")
    assert server.asked == []


async def test_another_name_gets_neither_request_nor_token(server: Server, authority: Authority) -> None:
    async with reading(target_of(server, authority, server_name="other.example.test"), Bearer()) as api:
        with pytest.raises(Unavailable):
            await api.list_pods("kube-system")
    assert server.asked == []


async def test_without_credentials_or_over_plain_http_nothing_is_asked(server: Server, authority: Authority) -> None:
    async with reading(target_of(server, authority)) as api:
        with pytest.raises(Unavailable, match="no credentials"):
            await api.list_pods("kube-system")
    async with reading(Target.from_url(f"http://127.0.0.1:{server.port}"), Bearer()) as api:
        with pytest.raises(Unavailable, match="plain http"):
            await api.list_pods("kube-system")
    assert server.asked == []


async def test_redirects_are_not_followed(server: Server, authority: Authority) -> None:
    async def elsewhere(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"https://127.0.0.1:{server.port}/elsewhere")

    server.answer = elsewhere
    async with reading(target_of(server, authority), Bearer()) as api:
        with pytest.raises(Unavailable, match="not followed"):
            await api.list_pods("kube-system")
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [200, 407])
async def test_a_proxy_gets_its_own_password_alone_and_nobody_is_told_it(status: int, authority: Authority) -> None:
    told = []

    async def stands_between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 %d Well\r\ncontent-length: 0\r\n\r\n" % status)
        await writer.drain()
        writer.close()

    proxy = await asyncio.start_server(stands_between, "127.0.0.1", 0)
    async with proxy:
        url = f"http://ann:a1@127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        target = Target.from_url("https://api.example.test:6443", ca_pem=authority.pem, proxy_url=url)
        async with reading(target, Bearer()) as api:
            with pytest.raises(Unavailable) as caught:
                await api.list_pods("kube-system")
    assert [b"Bearer" in one for one in told] == [False]
    assert "a1@" not in str(caught.value)


async def test_proxies_of_the_environment_are_not_used(
    server: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    async with reading(target_of(server, authority), Bearer()) as api:
        assert len(await api.list_pods("kube-system")) == 1


async def test_credentials_that_cannot_be_had_are_a_reason(server: Server, authority: Authority) -> None:
    class Broken(Bearer):
        async def headers(self) -> dict[str, str]:
            raise Unavailable("the plugin ended with status 1")

    async with reading(target_of(server, authority), Broken()) as api:
        with pytest.raises(Unavailable, match="the plugin ended with status 1"):
            await api.list_pods("kube-system")
    assert server.asked == []


async def test_only_get_is_ever_sent(server: Server, authority: Authority) -> None:
    async with reading(target_of(server, authority), Bearer()) as api:
        await api.list_pods("kube-system")
        await api.list_endpoint_addresses("default", "kubernetes")
        await api.get_config_map("kube-system", "kubeadm-config")
    assert server.methods == {"GET"}


MODULES = (client, forms, metrics, reads)


def calls() -> list[ast.Call]:
    """Every call of a method in the adapter."""
    nodes = [node for module in MODULES for node in ast.walk(ast.parse(inspect.getsource(module)))]
    return [node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]


def test_nothing_in_the_adapter_can_write() -> None:
    """One call sends, and its method is written there: GET. None of the library's own methods, which also write, is used."""
    names = [node.func.attr for node in calls() if isinstance(node.func, ast.Attribute)]
    (sends,) = [node for node in calls() if isinstance(node.func, ast.Attribute) and node.func.attr == "request"]
    assert isinstance(sends.args[0], ast.Constant)
    assert sends.args[0].value == "GET"
    writes = ("create_", "patch_", "delete_", "replace_", "connect_", "post", "put", "list_namespaced_", "read_namespaced_")
    assert not [name for name in names if name.startswith(writes)]


def test_secrets_are_only_named_and_no_node_is_a_proxy() -> None:
    assert {kind for kind, place in forms.PLACES.items() if place.names_only} == {
        Kind.SECRET_NAMES,
        Kind.CONFIG_MAP_NAMES,
        Kind.NAMESPACES,
    }
    source = "".join(inspect.getsource(module) for module in MODULES)
    assert "/proxy" not in source


def test_the_library_is_not_imported_until_it_is_needed() -> None:
    nodes = [node for module in MODULES for node in ast.walk(ast.parse(inspect.getsource(module)))]
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [getattr(node, "module", None) or node.names[0].name for node in imports]
    assert not [name for name in names if name.split(".")[0] == "kubernetes"]
