"""Policies, workloads, metadata and the ends of logs, in the form in which an API server of version 1.36 gives them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.demo.pki import Authority
from bot.errors import Unavailable
from bot.model.base import Json
from bot.ports import ApiObject, Kind
from tests.adapters.test_kubernetes import Bearer, Server, reading, serving, target_of

WRITTEN = [
    {
        "manager": "kubectl-client-side-apply",
        "operation": "Update",
        "apiVersion": "v1",
        "time": "2026-11-20T11:51:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"hidden": {}}},
    },
    {"manager": "kube-controller-manager", "operation": "Update", "time": "2026-11-20T11:59:00Z", "subresource": "status"},
    {"manager": "kubectl-scale", "operation": "Update", "time": "2026-11-20T11:55:00Z", "subresource": "scale"},
]
METADATA: Json = {
    "name": "one",
    "namespace": "kube-system",
    "uid": "hidden",
    "generation": 3,
    "creationTimestamp": "2026-11-01T08:00:00Z",
    "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hidden"},
    "managedFields": WRITTEN,
}
MANAGERS = [
    {"manager": "kubectl-client-side-apply", "operation": "Update", "time": "2026-11-20T11:51:00Z"},
    {"manager": "kubectl-scale", "operation": "Update", "time": "2026-11-20T11:55:00Z"},
]
POLICY = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": [{"ports": [{"protocol": "UDP", "port": 53}]}]}
LOG = "/api/v1/namespaces/kube-system/pods/kube-apiserver-cp1/log"


def items(*found: Json) -> Json:
    return {"metadata": {"resourceVersion": "7"}, "items": list(found)}


ANSWERS: dict[str, Json] = {
    "/apis/networking.k8s.io/v1/networkpolicies": items({"metadata": METADATA, "spec": POLICY}),
    "/apis/apps/v1/namespaces/kube-system/daemonsets": items(
        {
            "metadata": METADATA,
            "spec": {"template": {"spec": {"containers": [{"env": [{"name": "PASSWORD", "value": "hidden"}]}]}}},
            "status": {
                "currentNumberScheduled": 3,
                "numberMisscheduled": 0,
                "desiredNumberScheduled": 3,
                "numberReady": 1,
                "observedGeneration": 3,
                "updatedNumberScheduled": 2,
                "numberAvailable": 1,
                "numberUnavailable": 2,
            },
        }
    ),
    "/apis/apps/v1/namespaces/kube-system/deployments": items(
        {
            "metadata": METADATA,
            "spec": {"replicas": 0},
            "status": {
                "observedGeneration": 2,
                "conditions": [{"type": "Available", "status": "True", "lastUpdateTime": "hidden"}],
            },
        },
        {"metadata": {**METADATA, "name": "two"}, "spec": {}, "status": {}},
    ),
    "/api/v1/namespaces/kube-system/configmaps": {
        "kind": "PartialObjectMetadataList",
        **items(
            {"kind": "PartialObjectMetadata", "metadata": METADATA},
            {
                "metadata": {"name": "lock", "annotations": {"control-plane.alpha.kubernetes.io/leader": "hidden"}},
                "data": {"x": "hidden"},
            },
        ),
    },
    "/api/v1/namespaces": items({"metadata": {**METADATA, "name": "kube-system", "labels": {"team": "base"}}}),
}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
async def server(authority: Authority, tmp_path: Path) -> AsyncGenerator[Server]:
    async with serving(authority, authority.server(["api.example.test"]), tmp_path) as server:
        yield server


async def listed(server: Server, authority: Authority, kind: Kind, **given: Any) -> tuple[ApiObject, ...]:
    accepted: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        accepted.append(request.headers["Accept"])
        return web.json_response(ANSWERS[request.path])

    server.answer = answer
    async with reading(target_of(server, authority), Bearer()) as api:
        found = await api.list_objects(kind, **given)
    assert "hidden" not in found.model_dump_json()
    only_names = kind in (Kind.CONFIG_MAP_NAMES, Kind.NAMESPACES)
    assert ("PartialObjectMetadataList" in accepted[0]) is only_names
    return found.items


async def test_a_policy_keeps_its_spec_and_who_wrote_it_when(server: Server, authority: Authority) -> None:
    (policy,) = await listed(server, authority, Kind.NETWORK_POLICIES, limit=500)
    assert policy.namespace == "kube-system"
    assert policy.data == {"spec": POLICY, "creationTimestamp": "2026-11-01T08:00:00Z", "written": MANAGERS}


async def test_workloads_are_read_as_numbers(server: Server, authority: Authority) -> None:
    (daemons,) = await listed(server, authority, Kind.DAEMON_SETS, namespace="kube-system")
    numbers = ("wanted", "updated", "available", "observed")
    assert [daemons.data[key] for key in numbers] == [3, 2, 1, True]
    assert daemons.data["written"] == MANAGERS
    none, one = await listed(server, authority, Kind.DEPLOYMENTS, namespace="kube-system")
    assert [none.data[key] for key in numbers] == [0, 0, 0, False]
    assert [one.data[key] for key in numbers] == [1, 0, 0, True]


async def test_of_config_maps_and_namespaces_only_metadata_is_asked_for_and_kept(server: Server, authority: Authority) -> None:
    one, lock = await listed(server, authority, Kind.CONFIG_MAP_NAMES, namespace="kube-system")
    assert one.data == {"leader": False, "creationTimestamp": "2026-11-01T08:00:00Z", "written": MANAGERS}
    assert lock.data == {"leader": True, "creationTimestamp": None, "written": []}
    (space,) = await listed(server, authority, Kind.NAMESPACES, field_selector="metadata.name=kube-system")
    assert space.data == {"labels": {"team": "base"}}


async def test_the_end_of_a_log_is_read_with_its_times_and_without_secrets(server: Server, authority: Authority) -> None:
    async def log(request: web.Request) -> web.StreamResponse:
        lines = [f"2026-11-20T11:59:{number:02}.1Z I1120 line {number}" for number in range(25)]
        secret = "2026-11-20T11:59:59.1Z Authorization: Bearer sha256~abcdefghijklmnopqrstuvwxyz0123456789"
        return web.Response(text="\n".join([*lines, secret, "x" * 2000]))

    server.answer = log
    async with reading(target_of(server, authority), Bearer()) as api:
        found = await api.read_log("kube-system", "kube-apiserver-cp1", "kube-apiserver", previous=True)
        again = await api.read_log("kube-system", "kube-apiserver-cp1", "kube-apiserver", previous=True)
        await api.read_log("kube-system", "kube-apiserver-cp1", "kube-apiserver", since_s=600)
    assert found == again
    assert len(found.lines) == 20
    assert found.lines[0] == "2026-11-20T11:59:07.1Z I1120 line 7"
    assert "abcdefghij" not in found.lines[-2]
    assert len(found.lines[-1]) == 500
    query = "container=kube-apiserver&tailLines=20&limitBytes=65536&timestamps=true"
    assert server.asked == [f"{LOG}?{query}&previous=true", f"{LOG}?{query}&sinceSeconds=600"]


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_a_log_that_cannot_be_had_says_why(server: Server, authority: Authority, status: int) -> None:
    async def refused(request: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "Status", "message": "previous terminated container not found"}, status=status)

    server.answer = refused
    async with reading(target_of(server, authority), Bearer()) as api:
        found = await api.read_log("kube-system", "kube-apiserver-cp1", "kube-apiserver")
    assert (found.status, found.lines, found.message) == (status, (), "previous terminated container not found")


async def test_the_right_to_logs_is_named_where_it_is_missing(server: Server, authority: Authority) -> None:
    async def forbidden(request: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "Status", "message": "User cannot get pods/log"}, status=403)

    server.answer = forbidden
    async with reading(target_of(server, authority), Bearer()) as api:
        with pytest.raises(Unavailable) as caught:
            await api.read_log("kube-system", "kube-apiserver-cp1", "kube-apiserver")
    assert caught.value.next == "Allow the credentials to get pods/log in kube-system."
