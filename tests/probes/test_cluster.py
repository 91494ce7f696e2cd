"""The endpoint and the API server's pods: every outcome has a scene, and a dead API leads to commands for a node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from bot.clock import stamp
from bot.errors import Unavailable
from bot.model.finding import Status
from bot.model.target import Endpoint
from bot.ports import ApiObject
from tests.fakes.network import NOW
from tests.probes.scene import HOST, PROBES, KnownObjects, OwnCredentials, Scene, target

Arrange = Callable[[Scene], object]

DEAD = Unavailable("the API did not give pods in kube-system within 5 s")
KUBEADM = {"kube-system/kubeadm-config": {"ClusterConfiguration": "controlPlaneEndpoint: lb.example.com:6443\n"}}


def asked(url: str, *, configured: bool = True) -> Arrange:
    def arrange(scene: Scene) -> None:
        scene.target, scene.configured = target(url), configured

    return arrange


def publishes(**known: Any) -> Arrange:
    def arrange(scene: Scene) -> None:
        scene.api = KnownObjects(**known)

    return arrange


ENDPOINTS: list[tuple[str, Status, Arrange]] = [
    ("endpoint-not-compared", Status.NOT_CHECKED, lambda scene: None),
    ("endpoint-not-compared", Status.NOT_CHECKED, publishes(error=DEAD)),
    ("endpoint-not-compared", Status.NOT_CHECKED, publishes(endpoints=[Endpoint(host="10.7.7.7", port=6443)])),
    ("endpoint-not-compared", Status.NOT_CHECKED, asked("https://127.0.0.1:43215")),
    ("endpoint-not-compared", Status.NOT_CHECKED, asked("https://127.0.0.1:6443", configured=False)),
    ("endpoint-known", Status.OK, publishes(endpoints=[Endpoint(host="10.0.0.1", port=6443)])),
    ("local-endpoint", Status.PROBLEM, asked("https://localhost:8080")),
    ("local-endpoint", Status.PROBLEM, asked("http://localhost:8080")),
    ("local-endpoint", Status.PROBLEM, asked("http://127.0.0.1")),
    ("plain-http", Status.PROBLEM, asked("http://127.0.0.1:6443")),
    ("plain-http", Status.PROBLEM, asked("http://api.example.com:8080")),
    ("endpoints-differ", Status.PROBLEM, publishes(endpoints=[Endpoint(host="10.7.7.7", port=6443)], config_maps=KUBEADM)),
]


@pytest.mark.parametrize(("outcome", "status", "arrange"), ENDPOINTS)
async def test_endpoints(outcome: str, status: Status, arrange: Arrange) -> None:
    scene = Scene()
    arrange(scene)
    finding = await scene.one("cluster-endpoint")
    assert (finding.outcome, finding.status, finding.subject) == (outcome, status, scene.target.url)
    assert finding.evidence.keys() >= {"url", "host", "port", "scheme", "addresses"}


async def test_an_api_that_is_down_leads_to_the_command_for_a_node() -> None:
    scene = Scene(api=KnownObjects(error=DEAD))
    finding = await scene.one("cluster-endpoint")
    assert DEAD.what in finding.sentence
    assert "grep server: /etc/kubernetes/*.conf" in (finding.todo or "")


async def test_another_port_of_this_machine_may_be_a_local_cluster_or_a_tunnel() -> None:
    scene = Scene(target=target("https://127.0.0.1:43215"), configured=False)
    assert "a local cluster or a tunnel" in (await scene.one("cluster-endpoint")).sentence


async def test_an_api_that_never_answers_does_not_cost_what_is_known_without_it() -> None:
    class Silent(KnownObjects):
        async def list_endpoint_addresses(self, namespace: str, service: str) -> Sequence[Endpoint]:
            await asyncio.Event().wait()
            return ()

    scene = Scene(api=Silent(), seconds=0.4)
    finding = await scene.one("cluster-endpoint")
    assert finding.outcome == "endpoint-not-compared"
    assert "the round's time was over" in finding.sentence


@pytest.mark.parametrize(
    "published",
    [
        {"kube-system/kubeadm-config": {"ClusterConfiguration": f"controlPlaneEndpoint: {HOST}:6443\n"}},
        {"kube-system/kubeadm-config": {"ClusterConfiguration": f'controlPlaneEndpoint: "{HOST}"\n'}},
        {"kube-public/cluster-info": {"kubeconfig": f"clusters:\n- cluster:\n    server: https://{HOST}:6443\n"}},
        KUBEADM | {"kube-public/cluster-info": {"kubeconfig": "    server: https://10.0.0.1:6443\n"}},
    ],
)
async def test_a_server_that_the_cluster_publishes_in_any_form_is_the_right_one(published: dict[str, Any]) -> None:
    scene = Scene(api=KnownObjects(config_maps=published))
    assert (await scene.one("cluster-endpoint")).outcome == "endpoint-known"


async def test_another_port_than_the_clusters_clients_use_differs() -> None:
    scene = Scene(target=target(f"https://{HOST}:443"))
    publishes(config_maps={"kube-public/cluster-info": {"kubeconfig": f"    server: https://{HOST}:6443\n"}})(scene)
    finding = await scene.one("cluster-endpoint")
    assert finding.outcome == "endpoints-differ"
    assert finding.evidence["published"]["cluster_info"] == f"https://{HOST}:6443"


def pod(
    name: str = "kube-apiserver-cp1",
    *,
    labels: dict[str, str] | None = None,
    ended: timedelta | None = None,
    why: str = "Error",
    **given: Any,
) -> ApiObject:
    """A pod that runs and is ready, but for what is given; ``ended`` is how long ago its container last ended, and ``why``."""
    container: dict[str, Any] = {"name": "kube-apiserver", "ready": True, "restartCount": 0, "state": {"running": {}}}
    if ended is not None:
        end = {"exitCode": 137, "reason": why, "finishedAt": stamp(NOW - ended)}
        container |= {"restartCount": 3, "lastState": {"terminated": end}}
    data: dict[str, Any] = {
        "labels": labels if labels is not None else {"component": "kube-apiserver", "tier": "control-plane"},
        "annotations": {"kubernetes.io/config.hash": "abc"},
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containers": [{**container, **given.pop("container", {})}],
    }
    return ApiObject(kind="Pod", namespace="kube-system", name=name, data={**data, **given})


def there(*pods: ApiObject) -> Arrange:
    return publishes(pods=pods)


LOOPING = {"ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
UNREADY = [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]
UNSCHEDULED = [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]

PODS: list[tuple[str, Status, Arrange]] = [
    ("running", Status.OK, there(pod())),
    ("running", Status.OK, there(pod(ended=timedelta(hours=2)))),
    ("running", Status.OK, there(pod(labels={"tier": "control-plane"}), pod("etcd-cp1", labels={"tier": "control-plane"}))),
    ("running", Status.OK, there(pod(labels={}), pod("coredns-1", labels={}))),
    ("restarted", Status.PROBLEM, there(pod(ended=timedelta(minutes=4)))),
    ("crash-looping", Status.PROBLEM, there(pod(ended=timedelta(seconds=20), container=LOOPING, conditions=UNREADY))),
    ("oom-killed", Status.PROBLEM, there(pod(ended=timedelta(minutes=4), why="OOMKilled"))),
    (
        "oom-killed",
        Status.PROBLEM,
        there(pod(ended=timedelta(minutes=20), why="OOMKilled", container=LOOPING, conditions=UNREADY)),
    ),
    ("running", Status.OK, there(pod(ended=timedelta(hours=2), why="OOMKilled"))),
    ("not-ready", Status.PROBLEM, there(pod(conditions=UNREADY))),
    ("not-scheduled", Status.PROBLEM, there(pod(phase="Pending", conditions=UNSCHEDULED, containers=[]))),
    ("none-found", Status.NOT_APPLICABLE, there(pod("coredns-1", labels={}))),
    ("api-unreachable", Status.NOT_CHECKED, publishes(error=DEAD)),
    ("api-unreachable", Status.NOT_CHECKED, lambda scene: None),
]


@pytest.mark.parametrize(("outcome", "status", "arrange"), PODS)
async def test_pods(outcome: str, status: Status, arrange: Arrange) -> None:
    scene = Scene(credentials=OwnCredentials())
    arrange(scene)
    finding = await scene.one("apiserver-pods")
    assert (finding.outcome, finding.status) == (outcome, status)
    if status is Status.NOT_CHECKED:
        assert "crictl ps -a --name kube-apiserver" in (finding.todo or "")


async def test_each_pod_has_its_own_finding_with_its_restarts_and_exit_code() -> None:
    scene = Scene(api=KnownObjects(pods=[pod(), pod("kube-apiserver-cp2", ended=timedelta(minutes=4))]))
    first, second = await scene.run("apiserver-pods")
    assert (first.subject, second.subject) == ("kube-system/kube-apiserver-cp1", "kube-system/kube-apiserver-cp2")
    assert second.evidence["restarts"] == 3
    assert "restarted 4 min ago; it ended 2026-11-20 11:56:00 UTC with exit code 137" in second.sentence


async def test_another_namespace_can_be_looked_at() -> None:
    scene = Scene(api=KnownObjects(pods=[pod().model_copy(update={"namespace": "openshift-kube-apiserver"})]))
    assert (await scene.one("apiserver-pods", namespace="openshift-kube-apiserver")).outcome == "running"


@pytest.mark.parametrize(("probe", "table"), [("cluster-endpoint", ENDPOINTS), ("apiserver-pods", PODS)])
def test_every_declared_outcome_has_a_scene(probe: str, table: list[tuple[str, Status, Arrange]]) -> None:
    assert {outcome for outcome, _, _ in table} == set(PROBES[probe].outcomes)
