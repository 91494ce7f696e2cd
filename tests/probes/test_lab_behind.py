"""What is ill behind a real API server is seen as it really shows itself, and a fresh cluster is well."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.kubeconfig.access import from_kubeconfig
from bot.adapters.kubernetes.reads import KubernetesApi
from bot.app import build_core, investigate_once
from bot.clock import stamp
from bot.demo.pki import Pair
from bot.diagnosis.rank import WRITES
from bot.errors import Unavailable
from bot.model.base import Json
from bot.model.diagnosis import Diagnosis, Verdict
from bot.model.events import Event, EventType, Trigger
from bot.model.finding import Finding, Status
from bot.model.investigation import Investigation
from bot.model.playbook import Domain
from bot.ports import Kind
from bot.probes._shared import load
from bot.settings import Settings
from tests.diagnosis.facts import answer, ladder
from tests.lab.control_plane import ControlPlane, control_plane
from tests.lab.processes import wait_until
from tests.ports import free_port
from tests.probes.scene import Scene, target
from tests.probes.test_lab_apiserver import credentials

pytestmark = pytest.mark.lab

PROBES = (
    "aggregated-apis",
    "admission-webhooks",
    "nodes",
    "control-plane-leases",
    "tunnel-agents",
    "kubelet-port",
    "apiserver-load",
    "helm-releases",
)
ADMISSION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
APIS = "/apis/apiregistration.k8s.io/v1/apiservices"
FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
MAPS = "/api/v1/namespaces/default/configmaps"
SYSTEM = "/api/v1/namespaces/kube-system"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("lab")) as plane:
        yield plane


@pytest.fixture
async def look(plane: ControlPlane, tmp_path: Path) -> AsyncGenerator[Callable[..., Any]]:
    """Runs a probe in a round of its own."""
    opened: list[KubernetesApi] = []

    async def run(probe: str, *, user: Pair | None = None, **params: Any) -> list[Finding]:
        aim = target(plane.url, ca_pem=plane.authority.pem)
        api = KubernetesApi(aim, credentials(user or plane.admin, tmp_path))
        opened.append(api)
        return await Scene(target=aim, api=api, now=datetime.now(UTC)).run(probe, **params)

    try:
        yield run
    finally:
        for api in opened:
            await api.aclose()


@contextmanager
def made(plane: ControlPlane, path: str, body: Json) -> Generator[None]:
    """An object that is there while the block lasts."""
    status, said = plane.request(path, "POST", body)
    assert status == 201, said
    try:
        yield
    finally:
        plane.request(f"{path}/{body['metadata']['name']}", "DELETE")


def verdict(findings: list[Finding]) -> tuple[str, str]:
    said = answer([*ladder(), *findings])
    return said.first.id, said.first.confidence.value


async def test_a_fresh_cluster_is_well_in_every_respect(look: Callable[..., Any]) -> None:
    found = [finding for probe in PROBES for finding in await look(probe)]
    assert {finding.status for finding in found} <= {Status.OK, Status.NOT_APPLICABLE, Status.INCONCLUSIVE}
    assert [finding.outcome for finding in found if finding.status is Status.INCONCLUSIVE] in ([], ["not-told"])
    assert verdict(found)[0] == "healthy"


async def test_one_round_keeps_its_budget(plane: ControlPlane, tmp_path: Path) -> None:
    aim = target(plane.url, ca_pem=plane.authority.pem)
    api = KubernetesApi(aim, credentials(plane.admin, tmp_path))
    scene = Scene(target=aim, api=api, now=datetime.now(UTC))
    try:
        await asyncio.gather(*(scene.run(probe, **({"seconds": 0.1} if probe == "apiserver-load" else {})) for probe in PROBES))
    finally:
        await api.aclose()
    assert api.requests_made() <= 18


async def test_a_busy_cluster_is_well_too(plane: ControlPlane, look: Callable[..., Any]) -> None:
    with busy(plane, 4, lambda number: plane.status(MAPS, "POST", {"metadata": {"generateName": f"busy-{number}-"}})):
        found = await look("apiserver-load")
    plane.request(MAPS, "DELETE")
    assert {finding.outcome for finding in found} == {"quick"}
    (etcd,) = [finding for finding in found if finding.subject == "etcd requests"]
    assert etcd.evidence["writes"] > load.ENOUGH_ETCD


@contextmanager
def busy(plane: ControlPlane, many: int, ask: Callable[[int], object]) -> Generator[None]:
    """Clients that ask without a pause while the block lasts."""
    over = threading.Event()

    def client(number: int) -> None:
        while not over.is_set():
            ask(number)

    threads = [threading.Thread(target=client, args=(number,), name=f"busy {number}") for number in range(many)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


async def test_an_aggregated_api_without_endpoints(plane: ControlPlane, look: Callable[..., Any]) -> None:
    service: Json = {"metadata": {"name": "metrics"}, "spec": {"ports": [{"port": 443}]}}
    spec = {"group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100}
    spec |= {"service": {"namespace": "default", "name": "metrics"}, "insecureSkipTLSVerify": True}
    api = {"metadata": {"name": "v1beta1.metrics.k8s.io"}, "spec": spec}
    with made(plane, "/api/v1/namespaces/default/services", service), made(plane, APIS, api):
        name = f"{APIS}/v1beta1.metrics.k8s.io"
        wait_until(lambda: '"False"' in plane.request(name)[1], "the API is not available", within=20)
        (finding,) = await look("aggregated-apis")
    assert finding.outcome == "unavailable"
    assert "since 20" in finding.sentence
    assert verdict([finding]) == ("aggregated-api-unavailable", "high")


def webhook(name: str, service: str | None, url: str | None = None) -> Json:
    client: Json = {"url": url} if url else {"service": {"namespace": "default", "name": service}}
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
    hook = {"name": f"{name}.example.com", "clientConfig": client, "rules": [rule], "sideEffects": "None", "timeoutSeconds": 2}
    return {"metadata": {"name": name}, "webhooks": [{**hook, "admissionReviewVersions": ["v1"], "failurePolicy": "Fail"}]}


async def test_a_webhook_whose_service_does_not_exist(plane: ControlPlane, look: Callable[..., Any]) -> None:
    with made(plane, ADMISSION, webhook("policy", "nowhere")):
        (finding,) = await look("admission-webhooks")
    assert finding.outcome == "service-missing"
    assert "CREATE configmaps is refused, after 2 s at most" in finding.sentence
    assert finding.warning is not None
    assert verdict([finding]) == ("healthy", "high"), "nobody was refused"


async def test_a_webhook_that_cannot_be_called_now(plane: ControlPlane, look: Callable[..., Any]) -> None:
    with made(plane, ADMISSION, webhook("outside", None, f"https://127.0.0.1:{free_port()}/")):
        body: Json = {"metadata": {"generateName": "x-"}}
        wait_until(lambda: plane.status(MAPS, "POST", body) == 500, "writes are refused", within=20)
        with busy(plane, 1, lambda _: plane.status(MAPS, "POST", body)):
            found = [*await look("apiserver-load"), *await look("admission-webhooks")]
    assert {finding.outcome for finding in found} == {"quick", "webhook-calls-failing", "not-checkable"}
    assert verdict(found) == ("admission-webhook-failing", "high")


async def test_the_lease_of_a_controller_manager_that_is_gone(plane: ControlPlane, look: Callable[..., Any]) -> None:
    renewed = stamp(datetime.now(UTC) - timedelta(minutes=5)).replace("Z", "000Z")
    lease = {"metadata": {"name": "kube-controller-manager"}, "spec": {"holderIdentity": "cp1_1", "renewTime": renewed}}
    with made(plane, LEASES, lease):
        (finding,) = await look("control-plane-leases")
    assert finding.outcome == "controller-manager-stale"
    assert "was last renewed 5 min ago" in finding.sentence
    assert verdict([finding]) == ("controller-manager-down", "high")


def etcd_call(plane: ControlPlane, path: str, body: Json) -> Json:
    """One call of etcd's own JSON gateway."""
    url = f"http://127.0.0.1:{plane._etcd_port}/v3/maintenance/{path}"
    with urllib.request.urlopen(urllib.request.Request(url, data=json.dumps(body).encode()), timeout=10) as done:
        return json.loads(done.read())


async def test_an_etcd_that_is_out_of_space(plane: ControlPlane, look: Callable[..., Any]) -> None:
    alarm: Json = {"memberID": etcd_call(plane, "status", {})["header"]["member_id"], "alarm": "NOSPACE"}
    etcd_call(plane, "alarm", {"action": "ACTIVATE", **alarm})
    try:
        wait_until(
            lambda: plane.status(MAPS, "POST", {"metadata": {"generateName": "x-"}}) == 500, "no write succeeds", within=20
        )
        assert (plane.status("/livez"), plane.status("/readyz"), plane.status(MAPS)) == (200, 200, 200)
        with busy(plane, 1, lambda _: plane.status(MAPS, "POST", {"metadata": {"generateName": "x-"}})):
            found = await look("apiserver-load")
    finally:
        etcd_call(plane, "alarm", {"action": "DEACTIVATE", **alarm})
    assert {finding.outcome for finding in found} == {"quick", "etcd-writes-failing"}
    assert verdict(found) == ("etcd-no-space", "medium")


async def test_an_etcd_that_stands_still_most_of_the_time(plane: ControlPlane, look: Callable[..., Any]) -> None:
    assert plane.etcd is not None
    pid, over = plane.etcd.pid, threading.Event()

    def hold() -> None:
        while not over.is_set():
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.5)
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.02)

    holding = threading.Thread(target=hold, name="hold etcd")
    holding.start()
    try:
        with busy(plane, 4, lambda number: plane.status(f"{MAPS}/x-{number}")):
            found = await look("apiserver-load", seconds=8.0)
    finally:
        over.set()
        holding.join()
    assert "etcd-slow" in {finding.outcome for finding in found}
    assert verdict(found)[0] == "etcd-slow"


async def test_requests_that_are_turned_away_by_flow_control(
    plane: ControlPlane, look: Callable[..., Any], tmp_path: Path
) -> None:
    limited = {
        "nominalConcurrencyShares": 0,
        "lendablePercent": 0,
        "borrowingLimitPercent": 0,
        "limitResponse": {"type": "Reject"},
    }
    level = {"metadata": {"name": "starved"}, "spec": {"type": "Limited", "limited": limited}}
    subject = {"kind": "User", "user": {"name": "bob"}}
    rule = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
    flow = {"priorityLevelConfiguration": {"name": "starved"}, "matchingPrecedence": 5}
    schema = {"metadata": {"name": "bobs"}, "spec": {**flow, "rules": [{"subjects": [subject], "resourceRules": [rule]}]}}
    bob = plane.authority.client("bob").write(tmp_path, "bob")
    with (
        made(plane, f"{FLOW}/prioritylevelconfigurations", level),
        made(plane, f"{FLOW}/flowschemas", schema),
        busy(plane, 12, lambda _: as_user(plane, bob, MAPS)),
    ):
        wait_until(lambda: as_user(plane, bob, MAPS) == 429, "bob is turned away", within=20)
        found = await look("apiserver-load")
    (rejected,) = [finding for finding in found if finding.status is Status.PROBLEM]
    assert rejected.outcome == "requests-rejected"
    assert "flow bobs at level starved (concurrency-limit)" in rejected.sentence
    assert verdict(found) == ("overloaded", "high")


def as_user(plane: ControlPlane, files: tuple[Path, Path], path: str) -> int | None:
    """The status of one request of somebody else; None when it cannot be had."""
    context = ssl.create_default_context(cadata=plane.authority.pem)
    context.load_cert_chain(*files)
    connection = http.client.HTTPSConnection(plane.address, plane.port, context=context, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


NODE = {"metadata": {"name": "n1"}}


@contextmanager
def pod_on_a_node(plane: ControlPlane, port: int, *conditions: Json) -> Generator[None]:
    """A pod that is said to run on a node whose kubelet is said to listen on this port of this machine."""
    account: Json = {"metadata": {"name": "default"}}
    container = {"name": "main", "image": "x"}
    spec = {"nodeName": "n1", "containers": [container], "automountServiceAccountToken": False}
    running = {"name": "main", "image": "x", "imageID": "x", "ready": True, "restartCount": 0, "state": {"running": {}}}
    status = {"phase": "Running", "containerStatuses": [running]}
    address = {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}], "conditions": list(conditions)}
    reached = {**address, "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}
    with made(plane, "/api/v1/nodes", NODE), made(plane, f"{SYSTEM}/serviceaccounts", account):
        assert plane.request("/api/v1/nodes/n1/status", "PUT", {**NODE, "status": reached})[0] == 200
        body = {"metadata": {"name": "proxy"}, "spec": spec}
        assert plane.request(f"{SYSTEM}/pods", "POST", body)[0] == 201
        try:
            assert plane.request(f"{SYSTEM}/pods/proxy/status", "PUT", {**body, "status": status})[0] == 200
            yield
        finally:
            plane.request(f"{SYSTEM}/pods/proxy?gracePeriodSeconds=0", "DELETE")


async def test_a_kubelet_that_is_not_there(plane: ControlPlane, look: Callable[..., Any]) -> None:
    with pod_on_a_node(plane, free_port(), {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}):
        found = [*await look("kubelet-port"), *await look("nodes")]
    assert [finding.outcome for finding in found] == ["port-refused", "not-ready"]
    assert "dial tcp 127.0.0.1" in (found[0].raw_error or "")
    assert verdict(found) == ("kubelet-down", "high")


async def test_a_kubelets_port_that_does_not_answer(plane: ControlPlane, look: Callable[..., Any]) -> None:
    ready = {"type": "Ready", "status": "True"}
    with socket.create_server(("127.0.0.1", 0)) as silent, pod_on_a_node(plane, silent.getsockname()[1], ready):
        found = [*await look("kubelet-port"), *await look("nodes")]
    assert [finding.outcome for finding in found] == ["port-silent", "ready"]
    assert verdict(found) == ("kubelet-port-blocked", "high")


async def test_healthy_is_said_at_once_and_revised_when_slower_evidence_is_in(plane: ControlPlane) -> None:
    verdicts: list[Diagnosis] = []

    def hear(event: Event, state: Investigation) -> None:
        if event.type == EventType.DIAGNOSED and state.diagnosis is not None:
            verdicts.append(state.diagnosis)

    ready = {"type": "Ready", "status": "True"}
    with socket.create_server(("127.0.0.1", 0)) as silent, pod_on_a_node(plane, silent.getsockname()[1], ready):
        access = from_kubeconfig(plane.kubeconfig(), None, Settings())
        trigger = Trigger(kind="command-line", who="test")
        state = await investigate_once(build_core(), access, trigger=trigger, on_event=hear)
    first, last = verdicts
    assert (first.verdict, first.final) == (Verdict.HEALTHY, False)
    assert "The API server reaches the kubelets" in first.still_running
    assert WRITES in first.not_checked
    assert (last.verdict, last.causes[0].id, last.final) == (Verdict.CAUSE, "kubelet-port-blocked", True)
    assert state.playbook is not None
    assert (state.playbook.playbook, state.playbook.reason) == ("tcp-timeouts", "the ladder shows answers")
    assert state.concluded is not None
    assert state.concluded.requests <= 4 + 20


async def test_nodes_under_pressure(plane: ControlPlane, look: Callable[..., Any]) -> None:
    pressed = [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "True"}]
    with pod_on_a_node(plane, free_port(), *pressed):
        found = await look("nodes")
    assert [finding.outcome for finding in found] == ["under-pressure"]
    assert verdict(found) == ("node-under-pressure", "high")


async def test_helms_releases_are_counted_by_name(plane: ControlPlane, look: Callable[..., Any]) -> None:
    names = [f"sh.helm.release.v1.app.v{revision}" for revision in range(1, 14)]
    with contextlib.ExitStack() as stack:
        for name in names:
            secret = {"metadata": {"name": name}, "type": "helm.sh/release.v1", "stringData": {"release": "x" * 1000}}
            stack.enter_context(made(plane, "/api/v1/namespaces/default/secrets", secret))
        (finding,) = await look("helm-releases", count=True)
    assert finding.evidence == {"objects": 13, "releases": 1, "superfluous": 3}


async def test_a_user_without_rights_is_told_which_are_missing(plane: ControlPlane, look: Callable[..., Any]) -> None:
    carol = plane.authority.client("carol")
    found = [finding for probe in PROBES for finding in await look(probe, user=carol)]
    assert {(finding.status, finding.outcome) for finding in found} == {(Status.NOT_CHECKED, "not-read")}
    assert {finding.todo for finding in found} == {
        "Allow the credentials to list apiservices.",
        "Allow the credentials to list validatingwebhookconfigurations.",
        "Allow the credentials to list nodes.",
        "Allow the credentials to list leases in kube-system.",
        "Allow the credentials to list pods in kube-system.",
        "Allow the credentials to get the path /metrics.",
    }
    said = answer([*ladder(), *found])
    assert said.first.domain is Domain.HEALTHY


async def test_secrets_are_not_listed_without_the_right(plane: ControlPlane, tmp_path: Path) -> None:
    api = KubernetesApi(target(plane.url, ca_pem=plane.authority.pem), credentials(plane.authority.client("carol"), tmp_path))
    try:
        with pytest.raises(Unavailable) as caught:
            await api.list_objects(Kind.SECRET_NAMES)
    finally:
        await api.aclose()
    assert caught.value.next == "Allow the credentials to list secrets in all namespaces."
