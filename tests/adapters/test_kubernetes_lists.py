"""Lists, metrics and logs, against a loopback HTTPS server that answers as an API server does."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.adapters.kubernetes import reads
from bot.demo.pki import Authority
from bot.errors import Unavailable
from bot.model.base import Json
from bot.ports import Kind
from tests.adapters.test_kubernetes import Bearer, Server, failing, reading, serving, target_of

HIDDEN = {"managedFields": [{"manager": "hidden"}], "annotations": {"a": "hidden"}}
ANSWERS: dict[str, Json] = {
    "/api/v1/nodes": {
        "metadata": {"continue": "next", "remainingItemCount": 7},
        "items": [
            {
                "metadata": {"name": "n1", "labels": {"node-role.kubernetes.io/control-plane": ""}, **HIDDEN},
                "status": {
                    "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "hidden"}],
                    "images": [{"names": ["hidden"]}],
                },
            }
        ],
    },
    "/apis/apiregistration.k8s.io/v1/apiservices": {
        "items": [
            {
                "metadata": {"name": "v1beta1.metrics.k8s.io"},
                "spec": {"group": "metrics.k8s.io", "service": {"namespace": "kube-system", "name": "metrics", "port": 443}},
                "status": {"conditions": [{"type": "Available", "status": "False", "reason": "MissingEndpoints"}]},
            },
            {"metadata": {"name": "v1."}, "spec": {"service": None}, "status": {}},
        ],
    },
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations": {
        "items": [
            {
                "metadata": {"name": "policy"},
                "webhooks": [
                    {
                        "name": "policy.example.com",
                        "clientConfig": {"caBundle": "hidden", "service": {"namespace": "a", "name": "b"}},
                        "timeoutSeconds": 3,
                        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "resources": ["pods"], "scope": "*"}],
                    }
                ],
            }
        ]
    },
    "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases": {
        "items": [{"metadata": {"name": "kube-scheduler"}, "spec": {"renewTime": "2026-11-20T11:59:58.000000Z"}}]
    },
    "/apis/discovery.k8s.io/v1/namespaces/a/endpointslices": {
        "items": [
            {
                "metadata": {"name": "b-1"},
                "endpoints": [
                    {"addresses": ["10.0.0.1"], "conditions": {"ready": True}},
                    {"addresses": ["10.0.0.2"], "conditions": {"ready": False}},
                    {"addresses": ["10.0.0.3"]},
                ],
                "ports": [{"port": 8443}],
            }
        ]
    },
    "/api/v1/secrets": {"items": [{"metadata": {"name": "sh.helm.release.v1.a.v1", "namespace": "a"}, "data": {"x": "hidden"}}]},
}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
async def server(authority: Authority, tmp_path: Path) -> AsyncGenerator[Server]:
    async with serving(authority, authority.server(["api.example.test"]), tmp_path) as server:
        server.answer = answer
        yield server


async def answer(request: web.Request) -> web.StreamResponse:
    headers = {"Date": "Fri, 20 Nov 2026 12:00:00 GMT"}
    if request.path in ANSWERS:
        return web.json_response(ANSWERS[request.path], headers=headers)
    return web.json_response({"kind": "Status", "message": "not found"}, status=404)


async def listed(server: Server, authority: Authority, kind: Kind, **given: Any) -> list[Json]:
    async with reading(target_of(server, authority), Bearer()) as api:
        found = await api.list_objects(kind, **given)
    assert "hidden" not in found.model_dump_json()
    return [item.data for item in found.items]


async def test_each_kind_is_read_slim_and_with_a_limit(server: Server, authority: Authority) -> None:
    (node,) = await listed(server, authority, Kind.NODES)
    assert node["conditions"] == [{"type": "Ready", "status": "True"}]
    broken, local = await listed(server, authority, Kind.API_SERVICES)
    assert broken["service"]["name"] == "metrics"
    assert "service" not in local
    (hook,) = (await listed(server, authority, Kind.VALIDATING_WEBHOOKS))[0]["webhooks"]
    assert (hook["failurePolicy"], hook["timeoutSeconds"], hook["rules"][0]["resources"]) == ("Fail", 3, ("pods",))
    (lease,) = await listed(server, authority, Kind.LEASES, namespace="kube-system")
    assert lease["renewTime"].startswith("2026-11-20T11:59:58")
    (slice_,) = await listed(server, authority, Kind.ENDPOINT_SLICES, namespace="a", label_selector="x=y")
    assert (slice_["ready"], slice_["addresses"]) == (["10.0.0.1", "10.0.0.3"], ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    assert all("limit=50" in path for path in server.asked)
    assert server.methods == {"GET"}


async def test_a_list_says_how_many_more_there_are_and_what_time_it_is_there(server: Server, authority: Authority) -> None:
    async with reading(target_of(server, authority), Bearer()) as api:
        first = await api.list_objects(Kind.NODES, limit=1)
        await api.list_objects(Kind.NODES, limit=1, after=first.after)
    assert (first.remaining, first.after) == (7, "next")
    assert first.server_time is not None
    assert first.server_time.isoformat() == "2026-11-20T12:00:00+00:00"
    assert "continue=next" in server.asked[1]


async def test_of_secrets_only_the_names_are_asked_for(server: Server, authority: Authority) -> None:
    accepted: list[str] = []

    async def record(request: web.Request) -> web.StreamResponse:
        accepted.append(request.headers["Accept"])
        return await answer(request)

    server.answer = record
    (secret,) = await listed(server, authority, Kind.SECRET_NAMES, field_selector="type=helm.sh/release.v1")
    assert secret == {"labels": {}}
    assert accepted == ["application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"]


async def test_a_missing_right_is_named(server: Server, authority: Authority) -> None:
    server.answer = failing(403, {"kind": "Status", "message": 'User "bob" cannot list resource'})
    async with reading(target_of(server, authority), Bearer()) as api:
        with pytest.raises(Unavailable, match="answered 403 for nodes") as listing:
            await api.list_objects(Kind.NODES)
        with pytest.raises(Unavailable, match="answered 403 for metrics") as scraping:
            await api.read_metrics({"up": ()})
        with pytest.raises(Unavailable, match="403 for the log") as asking:
            await api.ask_for_log("kube-system", "proxy", "proxy")
    assert [caught.value.next for caught in (listing, scraping, asking)] == [
        "Allow the credentials to list nodes.",
        "Allow the credentials to get the path /metrics.",
        "Allow the credentials to get pods/log in kube-system.",
    ]


async def test_a_kind_that_is_not_served_is_not_the_same_as_none(server: Server, authority: Authority) -> None:
    async with reading(target_of(server, authority), Bearer()) as api:
        with pytest.raises(Unavailable, match="404"):
            await api.list_objects(Kind.LEASES, namespace="other")


async def test_a_name_from_a_cluster_leads_nowhere_else(server: Server, authority: Authority) -> None:
    async with reading(target_of(server, authority), Bearer()) as api:
        with pytest.raises(Unavailable, match="not the name"):
            await api.ask_for_log("kube-system", "../../../nodes/n1/proxy/x", "c")
    assert server.asked == []


METRICS = b'# TYPE up gauge\nup{a="1"} 1\nup{a="2"} 2\n' + b'noise{a="1"} 1\n' * 5000


async def test_metrics_are_read_packed_and_summed(server: Server, authority: Authority) -> None:
    async def packed(request: web.Request) -> web.StreamResponse:
        assert "gzip" in request.headers["Accept-Encoding"]
        return web.Response(body=gzip.compress(METRICS), headers={"Content-Encoding": "gzip"}, content_type="text/plain")

    server.answer = packed
    async with reading(target_of(server, authority), Bearer()) as api:
        first, same = await asyncio.gather(api.read_metrics({"up": ()}), api.read_metrics({"up": ()}))
        second = await api.read_metrics({"up": ()}, reading=2)
    assert first is same
    assert (first.samples, first.complete, first.size) == ({"up": {(): 3.0}}, True, len(METRICS) + 1)
    assert second.at >= first.at
    assert server.asked == ["/metrics", "/metrics"]


async def test_readings_and_what_is_read_between_them_share_one_connection(server: Server, authority: Authority) -> None:
    ports: dict[str, set[object]] = {}

    async def record(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports.setdefault(request.path, set()).add(request.transport.get_extra_info("peername")[1])
        return web.Response(body=METRICS) if request.path == "/metrics" else await answer(request)

    server.answer = record
    async with reading(target_of(server, authority), Bearer()) as api:
        await api.read_metrics({"up": ()})
        await asyncio.gather(*(api.list_objects(kind) for kind in (Kind.NODES, Kind.API_SERVICES)))
        took = [await api.read_past_caches(number=number) for number in range(3)]
        await asyncio.gather(*(api.list_objects(kind, limit=1) for kind in (Kind.NODES, Kind.API_SERVICES)))
        await api.read_metrics({"up": ()}, reading=2)
    assert all(seconds > 0 for seconds in took)
    assert server.asked.count("/api/v1/namespaces/kube-system/configmaps/kubeadm-config") == 3
    kept = ports.pop("/metrics") | ports.pop("/api/v1/namespaces/kube-system/configmaps/kubeadm-config")
    assert len(kept) == 1
    assert not kept & set().union(*ports.values())


async def test_metrics_without_an_end_are_read_up_to_a_bound(
    server: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(METRICS)
            await asyncio.sleep(0)

    server.answer = endless
    monkeypatch.setattr(reads, "_METRICS_MAX_BYTES", 1_000_000)
    async with reading(target_of(server, authority), Bearer()) as api:
        taken = await api.read_metrics({"up": ()})
    assert not taken.complete
    assert taken.size <= 1_000_001
    assert taken.samples["up"][()] >= 3.0


async def test_a_list_without_an_end_is_refused_at_a_bound(server: Server, authority: Authority) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65_536)
            await asyncio.sleep(0)

    server.answer = endless
    async with reading(target_of(server, authority), Bearer(), timeout_s=30) as api:
        with pytest.raises(Unavailable, match="larger than 8 MiB"):
            await api.list_objects(Kind.NODES)


async def test_a_log_is_asked_for_by_one_byte_and_what_it_says_is_not_kept(server: Server, authority: Authority) -> None:
    async def log(request: web.Request) -> web.StreamResponse:
        return web.Response(text="hidden")

    server.answer = log
    async with reading(target_of(server, authority), Bearer()) as api:
        found = await api.ask_for_log("kube-system", "proxy-1", "proxy")
    assert (found.status, found.message) == (200, "")
    assert server.asked == ["/api/v1/namespaces/kube-system/pods/proxy-1/log?container=proxy&tailLines=1&limitBytes=1"]


async def test_a_log_that_hangs_holds_up_no_list(server: Server, authority: Authority) -> None:
    hangs = asyncio.Event()

    async def logs_hang(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/log"):
            await hangs.wait()
            return web.json_response({"kind": "Status", "message": "dial tcp 10.0.0.1:10250: i/o timeout"}, status=500)
        return await answer(request)

    server.answer = logs_hang
    async with reading(target_of(server, authority), Bearer()) as api:
        asking = [asyncio.create_task(api.ask_for_log("kube-system", f"proxy-{number}", "proxy")) for number in range(3)]
        while server.running < 3:
            await asyncio.sleep(0.01)
        assert (await api.list_objects(Kind.NODES)).items
        hangs.set()
        answers = await asyncio.gather(*asking)
    assert {(one.status, one.message) for one in answers} == {(500, "dial tcp 10.0.0.1:10250: i/o timeout")}
