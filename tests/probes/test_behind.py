"""What can be ill behind an API server that answers: every outcome has a scene, and nothing that is usual is a problem."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bot.clock import stamp
from bot.errors import Unavailable
from bot.model.base import Json
from bot.model.finding import Status
from bot.ports import ApiObject, Kind, Listing, LogAnswer, Scrape
from tests.fakes.network import NOW
from tests.probes.scene import PROBES, KnownObjects, Scene

Arrange = Callable[[Scene], object]
Row = tuple[str, Status, Arrange]

OK, PROBLEM, UNSURE, NOT_CHECKED, NOTHING = (
    Status.OK,
    Status.PROBLEM,
    Status.INCONCLUSIVE,
    Status.NOT_CHECKED,
    Status.NOT_APPLICABLE,
)
FORBIDDEN = Unavailable("the API answered 403 for it: User cannot", next="Allow the credentials to do it.")


def known(**given: Any) -> Arrange:
    def arrange(scene: Scene) -> None:
        scene.api = KnownObjects(**given)

    return arrange


def listing(*items: ApiObject, at: bool = True, **given: Any) -> Listing:
    return Listing(items=items, server_time=NOW if at else None, **given)


def thing(kind: Kind, name: str, namespace: str | None = None, **data: Any) -> ApiObject:
    return ApiObject(kind=kind.value, namespace=namespace, name=name, data=data)


# Aggregated APIs


def api_service(name: str, status: str | None, service: bool = True) -> ApiObject:
    condition = {
        "type": "Available",
        "status": status,
        "reason": "MissingEndpoints",
        "message": "endpoints for service not found",
    }
    data: Json = {"conditions": [{**condition, "lastTransitionTime": stamp(NOW - timedelta(minutes=7))}] if status else []}
    if service:
        data["service"] = {"namespace": "kube-system", "name": "metrics-server"}
    return thing(Kind.API_SERVICES, name, **data)


def apis(*items: ApiObject) -> Arrange:
    return known(listings={Kind.API_SERVICES: listing(*items)})


AGGREGATED: list[Row] = [
    ("none-found", NOTHING, apis(api_service("v1.", "True", service=False))),
    ("available", OK, apis(api_service("v1.", "True", service=False), api_service("v1beta1.metrics.k8s.io", "True"))),
    ("unavailable", PROBLEM, apis(api_service("v1beta1.metrics.k8s.io", "False"))),
    ("availability-not-told", UNSURE, apis(api_service("v1beta1.metrics.k8s.io", None))),
    ("not-read", NOT_CHECKED, known(error=FORBIDDEN)),
    ("not-read", NOT_CHECKED, lambda scene: None),
]


async def test_an_api_that_is_down_is_named_with_its_reason_and_since_when() -> None:
    scene = Scene()
    apis(api_service("v1beta1.metrics.k8s.io", "False"))(scene)
    says = (await scene.one("aggregated-apis")).sentence
    assert "v1beta1.metrics.k8s.io, which kube-system/metrics-server serves" in says
    assert "for 7 min, since 2026-11-20 11:53:00 UTC" in says
    assert "MissingEndpoints: endpoints for service not found." in says


# Webhooks


def hooks(
    *,
    policy: str = "Fail",
    url: str | None = None,
    services: int = 1,
    slices: Any = (),
    service: Json | Unavailable | None = None,
) -> Arrange:
    """A webhook configuration with one webhook for each of some services, and what is behind the first of them."""

    def webhook(number: int) -> Json:
        called = {"url": url} if url else {"service": {"namespace": "policy", "name": f"policy-{number}"}}
        rules = [{"operations": ["CREATE", "UPDATE"], "apiGroups": ["", "apps"], "resources": ["pods"]}]
        return {
            "name": f"w{number}.example.com",
            "failurePolicy": policy,
            "clientConfig": called,
            "timeoutSeconds": 5,
            "rules": rules,
        }

    endpoints = [
        thing(
            Kind.ENDPOINT_SLICES,
            f"slice-{number}",
            "policy",
            labels={"kubernetes.io/service-name": f"policy-{number}"},
            ready=ready,
            addresses=["10.0.0.1"],
        )
        for number, ready in enumerate(slices)
    ]
    configuration = thing(Kind.VALIDATING_WEBHOOKS, "policy", webhooks=[webhook(number) for number in range(services)])
    behind: Listing | Unavailable = Listing()
    if isinstance(service, Unavailable):
        behind = service
    elif service is not None:
        behind = listing(thing(Kind.SERVICES, "policy-0", "policy", **service))
    return known(
        listings={
            Kind.VALIDATING_WEBHOOKS: listing(configuration),
            Kind.ENDPOINT_SLICES: listing(*endpoints),
            Kind.SERVICES: behind,
        }
    )


WEBHOOKS: list[Row] = [
    ("none-found", NOTHING, known()),
    ("none-found", NOTHING, hooks(policy="Ignore")),
    ("answerable", OK, hooks(slices=[["10.0.0.1"]])),
    ("without-endpoints", PROBLEM, hooks(slices=[[]])),
    ("without-endpoints", PROBLEM, hooks(service={"type": "ClusterIP"})),
    ("without-endpoints", PROBLEM, hooks(service=FORBIDDEN)),
    ("service-missing", PROBLEM, hooks()),
    ("not-checkable", NOT_CHECKED, hooks(url="https://hooks.example.com/")),
    ("not-checkable", NOT_CHECKED, hooks(service={"type": "ExternalName"})),
    ("not-read", NOT_CHECKED, known(error=FORBIDDEN)),
]


async def test_a_webhook_without_endpoints_is_named_with_what_it_refuses_and_after_how_long() -> None:
    scene = Scene()
    hooks()(scene)
    finding = await scene.one("admission-webhooks")
    assert "w0.example.com fails closed, its service is policy/policy-0, and that service does not exist" in finding.sentence
    assert "CREATE/UPDATE pods, pods.apps is refused, after 5 s at most" in finding.sentence or "pods.apps" in finding.sentence


async def test_four_services_are_looked_at_and_the_others_are_named() -> None:
    scene = Scene()
    hooks(services=6, slices=[["10.0.0.1"]] * 6)(scene)
    unknown, fine = await scene.run("admission-webhooks")
    assert (unknown.outcome, fine.outcome) == ("not-checkable", "answerable")
    assert "w4.example.com" in unknown.sentence
    assert "All 4 webhooks" in fine.sentence


# Nodes


def node(name: str, ready: str = "True", *pressure: str, control: bool = False) -> ApiObject:
    conditions = [{"type": "Ready", "status": ready, "reason": "KubeletNotReady"}]
    conditions += [{"type": kind, "status": "True"} for kind in pressure]
    labels = {"node-role.kubernetes.io/control-plane": ""} if control else {}
    return thing(Kind.NODES, name, labels=labels, conditions=conditions)


def node_list(*items: ApiObject, **given: Any) -> Arrange:
    return known(listings={Kind.NODES: listing(*items, **given)})


MANY = [node(f"w{number}") for number in range(9)]
NODES: list[Row] = [
    ("none-found", NOTHING, known()),
    ("ready", OK, node_list(node("cp1", control=True), node("w1"), remaining=3)),
    ("ready", OK, node_list(*MANY, node("w9", "Unknown"))),
    ("ready", OK, node_list(*MANY, node("w9", "True", "DiskPressure"))),
    ("not-ready", PROBLEM, node_list(node("cp1", "False", control=True), *MANY)),
    ("not-ready", PROBLEM, node_list(node("w1", "Unknown"), node("w2"))),
    ("under-pressure", PROBLEM, node_list(node("cp1", "False", "MemoryPressure", control=True))),
    ("under-pressure", PROBLEM, node_list(node("cp1", control=True), node("w1", "True", "PIDPressure"))),
    ("not-read", NOT_CHECKED, known(listings={Kind.NODES: FORBIDDEN})),
]


# Leases


def lease(name: str, age_s: float, *, own: bool = False) -> ApiObject:
    labels = {"apiserver.kubernetes.io/identity": "kube-apiserver"} if own else {}
    renewed = stamp(NOW - timedelta(seconds=age_s))
    return thing(Kind.LEASES, name, "kube-system", labels=labels, renewTime=renewed, holderIdentity="cp1_1")


def leases(*items: ApiObject, at: bool = True) -> Arrange:
    return known(listings={Kind.LEASES: listing(*items, at=at)})


LEASES: list[Row] = [
    ("none-found", NOTHING, known()),
    ("none-found", NOTHING, leases(lease("someone-elses", 3))),
    ("renewed", OK, leases(lease("apiserver-1", 12, own=True))),
    ("renewed", OK, leases(lease("apiserver-1", 9000, own=True), lease("apiserver-2", 3, own=True), lease("kube-scheduler", 30))),
    ("controller-manager-stale", PROBLEM, leases(lease("apiserver-1", 3, own=True), lease("kube-controller-manager", 50))),
    ("controller-manager-stale", PROBLEM, leases(lease("kube-controller-manager", 50))),
    ("scheduler-stale", PROBLEM, leases(lease("kube-scheduler", 3000), lease("kube-controller-manager", 1))),
    ("writes-stalled", PROBLEM, leases(lease("apiserver-1", 70, own=True), lease("kube-scheduler", 70))),
    ("writes-stalled", PROBLEM, leases(lease("apiserver-1", 31, own=True), lease("apiserver-2", 900, own=True))),
    ("time-not-told", UNSURE, leases(lease("kube-scheduler", 3000), at=False)),
    ("not-read", NOT_CHECKED, known(error=FORBIDDEN)),
]


class Later(KnownObjects):
    """Where the leases are read a second time, they are as old as this."""

    age_s = 0.0

    async def list_objects(self, kind: Kind, *, label_selector: str | None = None, **given: Any) -> Listing:
        if label_selector is None:
            return await super().list_objects(kind, **given)
        assert label_selector == "apiserver.kubernetes.io/identity=kube-apiserver"
        return listing(lease("apiserver-1", self.age_s, own=True))


@pytest.mark.parametrize(("age_s", "outcome"), [(31.0, "writes-stalled"), (2.0, "renewed")])
async def test_a_late_lease_is_looked_at_again_before_it_is_called_missed(age_s: float, outcome: str) -> None:
    api = Later(listings={Kind.LEASES: listing(lease("apiserver-1", 25, own=True))})
    api.age_s = age_s
    finding = await Scene(api=api).one("control-plane-leases", patience=0.0)
    assert finding.outcome == outcome


# The tunnel's agents and the kubelets


def pod(name: str, node: str | None = "w1", *, state: str = "running", ended: float | None = None, **labels: str) -> ApiObject:
    container: Json = {"name": "main", "ready": state == "running", "restartCount": 3}
    container["state"] = {"running": {}} if state == "running" else {"waiting": {"reason": state}}
    if ended is not None:
        container["lastState"] = {"terminated": {"exitCode": 1, "finishedAt": stamp(NOW - timedelta(seconds=ended))}}
    ready = {"type": "Ready", "status": "True" if state == "running" else "False", "reason": "ContainersNotReady"}
    scheduled = {"type": "PodScheduled", "status": "True" if node else "False", "message": "0/3 nodes are available"}
    data: Json = {
        "labels": {label.replace("_", "-"): text for label, text in labels.items()},
        "phase": "Running" if node else "Pending",
        "nodeName": node,
        "conditions": [ready, scheduled],
        "containers": [container] if node else [],
    }
    return ApiObject(kind="Pod", namespace="kube-system", name=name, data=data)


def agents(*pods: ApiObject, nodes: Listing | Unavailable = FORBIDDEN) -> Arrange:
    return known(pods=pods, listings={Kind.NODES: nodes})


def agent(**given: Any) -> ApiObject:
    return pod("konnectivity-agent-1", k8s_app="konnectivity-agent", **given)


AGENTS: list[Row] = [
    ("none-found", NOTHING, agents(pod("coredns-1", k8s_app="kube-dns"))),
    ("running", OK, agents(agent())),
    ("running", OK, agents(pod("tunnelfront-1", component="tunnel"), nodes=listing(node("w1")))),
    ("running", OK, agents(pod("aks-link-1", app="aks-link"))),
    ("restarted", OK, agents(agent(ended=100))),
    ("crash-looping", PROBLEM, agents(agent(state="CrashLoopBackOff"))),
    ("not-ready", PROBLEM, agents(agent(state="ContainerCreating"))),
    ("not-ready", PROBLEM, agents(agent(state="Error", ended=20))),
    ("not-scheduled", PROBLEM, agents(agent(node=None))),
    ("node-ill", PROBLEM, agents(agent(), nodes=listing(node("w1", "True", "MemoryPressure")))),
    ("not-read", NOT_CHECKED, known(error=FORBIDDEN)),
]


def logs(status: int, message: str = "", *, node: str | None = "w1") -> Arrange:
    return known(pods=[pod("proxy-1", node)], logs={"proxy-1": LogAnswer(status=status, message=message, duration_s=0.02)})


GET = 'Get "https://10.0.0.5:10250/containerLogs/kube-system/proxy-1/main?limitBytes=1": '
KUBELETS: list[Row] = [
    ("none-found", NOTHING, known()),
    ("none-found", NOTHING, known(pods=[pod("proxy-1", state="ContainerCreating")])),
    ("answers", OK, logs(200)),
    ("port-silent", PROBLEM, logs(500, f"{GET}dial tcp 10.0.0.5:10250: i/o timeout")),
    ("port-silent", PROBLEM, logs(500, f"{GET}dial tcp 10.0.0.5:10250: connect: no route to host")),
    ("port-silent", PROBLEM, logs(500, f"{GET}context deadline exceeded")),
    ("port-refused", PROBLEM, logs(500, f"{GET}dial tcp 10.0.0.5:10250: connect: connection refused")),
    ("tunnel-failing", PROBLEM, logs(500, f"{GET}proxy error from 127.0.0.1:8132 while dialing 10.0.0.5:10250, code 503")),
    (
        "tunnel-failing",
        PROBLEM,
        logs(500, f"{GET}dial unix /etc/kubernetes/konnectivity-server/x.sock: connect: connection refused"),
    ),
    ("tunnel-failing", PROBLEM, logs(500, "No agent available")),
    ("kubelet-tls-failing", PROBLEM, logs(500, f"{GET}remote error: tls: internal error")),
    ("kubelet-tls-failing", PROBLEM, logs(500, f"{GET}tls: failed to verify certificate: x509: certificate has expired")),
    ("kubelet-refuses", PROBLEM, logs(500, "Unauthorized")),
    ("answer-not-understood", UNSURE, logs(404, "pod not found")),
    ("answer-not-understood", UNSURE, logs(400, "container main is waiting to start")),
    ("answer-not-understood", UNSURE, logs(500, "something else")),
    ("not-read", NOT_CHECKED, known(pods=[pod("proxy-1")], logs={"proxy-1": FORBIDDEN})),
    ("not-read", NOT_CHECKED, known(error=FORBIDDEN)),
]


async def test_one_pod_on_each_of_three_nodes_is_asked() -> None:
    pods = [pod(f"proxy-{number}", f"w{number % 5}") for number in range(10)]
    scene = Scene(api=KnownObjects(pods=pods, logs={one.name: LogAnswer(status=200) for one in pods}))
    assert [finding.subject for finding in await scene.run("kubelet-port")] == ["w0", "w1", "w2"]


# Load


def scrape(at: float = 0.0, /, **families: dict[tuple[str, ...], float]) -> Scrape:
    base: dict[str, dict[tuple[str, ...], float]] = {
        "process_start_time_seconds": {(): 1.0},
        "process_open_fds": {(): 80.0},
        "process_max_fds": {(): 1000.0},
        "apiserver_longrunning_requests": {("WATCH", "", "pods", "cluster"): 30.0, ("CONNECT", "", "pods", "resource"): 9000.0},
    }
    return Scrape(samples={**base, **families}, at=at, size=1)


def grows(before: dict[str, Any] | None = None, /, *, nodes: Listing | Unavailable = FORBIDDEN, **after: Any) -> Arrange:
    return known(scrapes=[scrape(0.0, **(before or {})), scrape(4.0, **after)], listings={Kind.NODES: nodes})


def of_servers(*starts: float) -> Arrange:
    """Readings of servers that started then; each has turned away more than the one before."""
    return known(
        scrapes=[
            scrape(4.0 * number, **{"process_start_time_seconds": {(): start}, REJECTED: {FULL: 50.0 * number}})
            for number, start in enumerate(starts)
        ]
    )


def wait(level: str, within: float, ended: float) -> dict[tuple[str, ...], float]:
    return {(level, "0.5"): within / 2, (level, "1"): within, (level, "10"): ended, (level, "+Inf"): ended}


def took(quick: float, ended: float, operation: str = "get", bound: str = "0.1") -> dict[tuple[str, ...], float]:
    return {(operation, "0.005"): quick, (operation, bound): quick, (operation, "+Inf"): ended}


REJECTED = "apiserver_flowcontrol_rejected_requests_total"
SERVED = "apiserver_flowcontrol_dispatched_requests_total"
QUEUED = "apiserver_flowcontrol_current_inqueue_requests"
WAITED = "apiserver_flowcontrol_request_wait_duration_seconds_bucket"
CUT = "apiserver_request_terminations_total"
ETCD = "etcd_request_duration_seconds_bucket"
ERRORS, WRITES = "etcd_request_errors_total", "etcd_requests_total"
LONG = "apiserver_longrunning_requests"
HOOK = "apiserver_admission_webhook_rejection_count"
HOOK_TOOK = "apiserver_admission_webhook_admission_duration_seconds_bucket"
CALLED = "apiserver_admission_webhook_request_total"
FULL = ("workload-low", "service-accounts", "queue-full")
WATCHED = ("WATCH", "", "configmaps", "cluster")
SINGLE = ("WATCH", "", "secrets", "resource")

LOAD: list[Row] = [
    ("quick", OK, grows()),
    # What was before does not count.
    ("quick", OK, grows({REJECTED: {FULL: 900.0}}, **{REJECTED: {FULL: 900.0}})),
    ("quick", OK, grows({WAITED: wait("a", 0, 500)}, **{WAITED: wait("a", 400, 900)})),
    ("quick", OK, grows({HOOK: {("w", "calling_webhook_error"): 7}}, **{HOOK: {("w", "calling_webhook_error"): 7}})),
    ("quick", OK, grows({ERRORS: {("create",): 3}}, **{ERRORS: {("create",): 3}, WRITES: {("create",): 80}})),
    # What a busy cluster does.
    ("quick", OK, grows(**{REJECTED: {FULL: 8.0}, SERVED: {("workload-low",): 4000.0}})),
    ("quick", OK, grows(**{REJECTED: {("a", "b", "cancelled"): 400.0}})),
    ("quick", OK, grows({QUEUED: {("a",): 40.0}}, **{QUEUED: {("a",): 30.0}, SERVED: {("a",): 4000.0}})),
    ("quick", OK, grows(**{WAITED: wait("a", 3980, 4000)})),
    ("quick", OK, grows(**{ETCD: took(900, 1000)})),
    ("quick", OK, grows(**{ETCD: took(70, 100)})),
    ("quick", OK, grows(**{ETCD: took(0, 40, "list")})),
    ("quick", OK, grows(**{ETCD: took(0, 4)})),
    ("quick", OK, grows(**{ETCD: {("get", "0.005"): 1.0, ("get", "+Inf"): 90.0}})),
    ("quick", OK, grows(**{ERRORS: {("create",): 5.0, ("get",): 50.0}, WRITES: {("create",): 80.0}})),
    ("quick", OK, grows(**{HOOK: {("w", "calling_webhook_error"): 1.0}, CALLED: {("w",): 200.0}})),
    ("quick", OK, grows(**{HOOK: {("w", "no_error"): 9.0}, CALLED: {("w",): 9.0}})),
    ("quick", OK, grows(**{LONG: {WATCHED: 400.0}})),
    ("quick", OK, grows(**{LONG: {WATCHED: 2400.0}}, nodes=listing(node("w1"), remaining=99))),
    ("quick", OK, grows(**{LONG: {SINGLE: 25_000.0}}, nodes=listing(node("w1"), remaining=99))),
    # What is not well.
    ("requests-rejected", PROBLEM, grows(**{REJECTED: {FULL: 60.0}, SERVED: {("workload-low",): 900.0}})),
    ("requests-rejected", PROBLEM, grows(**{CUT: {("429",): 40.0, ("504",): 1.0}})),
    ("requests-rejected", PROBLEM, of_servers(1.0, 2.0, 1.0)),
    ("requests-rejected", PROBLEM, of_servers(1.0, 2.0, 2.0)),
    ("requests-queued", PROBLEM, grows(**{WAITED: wait("a", 10, 60)})),
    ("requests-queued", PROBLEM, grows({QUEUED: {("a",): 70.0}}, **{QUEUED: {("a",): 78.0}, SERVED: {("a",): 12.0}})),
    ("etcd-slow", PROBLEM, grows(**{ETCD: took(3, 30)})),
    ("etcd-slow", PROBLEM, grows(**{ETCD: took(4, 7)})),
    ("etcd-slow", PROBLEM, grows(**{ETCD: took(3, 30, "update", "0.125")})),
    ("etcd-writes-failing", PROBLEM, grows(**{ERRORS: {("update",): 4.0}, WRITES: {("update",): 4.0}})),
    ("watches-many", PROBLEM, grows(**{LONG: {WATCHED: 1500.0}}, nodes=listing(node("w1")))),
    ("watches-many", PROBLEM, grows(**{LONG: {SINGLE: 1500.0}}, nodes=listing(node("w1")))),
    ("not-told", UNSURE, grows(**{LONG: {WATCHED: 1500.0}})),
    ("not-told", UNSURE, grows({LONG: {}}, **{LONG: {}})),
    ("not-told", UNSURE, grows(process_max_fds={})),
    ("files-near-limit", PROBLEM, grows(process_open_fds={(): 950.0})),
    ("webhook-calls-failing", PROBLEM, grows(**{HOOK: {("w.example.com", "calling_webhook_error"): 1.0}})),
    ("webhooks-slow", PROBLEM, grows(**{HOOK_TOOK: took(0, 6, "w.example.com", "1")})),
    ("quick", OK, grows(**{HOOK_TOOK: took(4, 6, "w.example.com", "1")})),
    ("quick", OK, grows({HOOK_TOOK: took(0, 60, "w", "1")}, **{HOOK_TOOK: took(0, 63, "w", "1")})),
    ("servers-differ", UNSURE, of_servers(1.0, 2.0, 3.0)),
    ("not-told", UNSURE, known(scrapes=[scrape(), scrape(4.0).model_copy(update={"complete": False})])),
    ("not-read", NOT_CHECKED, known()),
]


@pytest.mark.parametrize(("outcome", "status", "arrange"), LOAD)
async def test_load(outcome: str, status: Status, arrange: Arrange) -> None:
    scene = Scene()
    arrange(scene)
    findings = await scene.run("apiserver-load", seconds=0.0)
    other = [finding for finding in findings if finding.outcome != "quick"]
    assert (other or findings)[0].outcome == outcome
    assert (other or findings)[0].status is status
    assert len(other) <= 1


async def test_a_quiet_server_is_made_to_ask_etcd_between_the_readings() -> None:
    scene = Scene()
    grows()(scene)
    await scene.run("apiserver-load", seconds=0.0)
    assert isinstance(scene.api, KnownObjects)
    assert scene.api.past_caches == [0, 1, 2, 3, 4, 5]


async def test_metrics_are_judged_without_the_right_to_the_object_in_between() -> None:
    class Refusing(KnownObjects):
        async def read_past_caches(self, *, number: int) -> float:
            raise FORBIDDEN

    scene = Scene(api=Refusing(scrapes=[scrape(0.0), scrape(4.0)]))
    assert {finding.outcome for finding in await scene.run("apiserver-load", seconds=0.0)} == {"quick"}


async def test_a_share_is_said_with_its_window_and_whose_it_is() -> None:
    scene = Scene()
    grows(**{REJECTED: {FULL: 60.0}, SERVED: {("workload-low",): 540.0}})(scene)
    (flow, *_) = await scene.run("apiserver-load", seconds=0.0)
    assert flow.sentence == (
        "60 requests were turned away in 4.0 s, 10% of all, most of flow service-accounts at level workload-low (queue-full)."
    )


# Helm


def secrets(number: float | None, size: float | None) -> Arrange:
    families: dict[str, Any] = {}
    if number is not None:
        families["apiserver_storage_objects"] = {("secrets",): number}
    if size is not None:
        families["apiserver_resource_size_estimate_bytes"] = {("", "secrets"): size}
    return known(scrapes=[scrape(**families)])


HELM: list[Row] = [
    ("few", OK, secrets(300, None)),
    ("not-told", UNSURE, secrets(None, None)),
    ("not-told", UNSURE, secrets(-1, -1)),
    ("not-told", UNSURE, secrets(3000, None)),
    ("not-told", UNSURE, secrets(3000, 3000 * 4_000)),
    ("secrets-large", PROBLEM, secrets(1300, 1300 * 45_000)),
    ("not-read", NOT_CHECKED, known()),
]


def releases(*revisions: int) -> Arrange:
    items = [
        thing(Kind.SECRET_NAMES, f"sh.helm.release.v1.app{number}.v{revision}", "apps")
        for number, count in enumerate(revisions)
        for revision in range(count)
    ]
    return known(listings={Kind.SECRET_NAMES: listing(*items)})


COUNTED: list[Row] = [
    ("few", OK, releases(*[10] * 120)),
    ("few", OK, releases(900, 10)),
    ("sprawl", PROBLEM, releases(700, 400)),
    ("not-told", UNSURE, releases(*[10] * 320)),
    ("not-read", NOT_CHECKED, known(error=FORBIDDEN)),
]


@pytest.mark.parametrize(("outcome", "status", "arrange"), COUNTED)
async def test_releases_that_are_counted(outcome: str, status: Status, arrange: Arrange) -> None:
    scene = Scene()
    arrange(scene)
    finding = await scene.one("helm-releases", count=True)
    assert (finding.outcome, finding.status) == (outcome, status)


TABLES = {
    "aggregated-apis": AGGREGATED,
    "admission-webhooks": WEBHOOKS,
    "nodes": NODES,
    "control-plane-leases": LEASES,
    "tunnel-agents": AGENTS,
    "kubelet-port": KUBELETS,
    "helm-releases": HELM,
}


@pytest.mark.parametrize(
    ("probe", "outcome", "status", "arrange"), [(probe, *row) for probe, table in TABLES.items() for row in table]
)
async def test_each_outcome(probe: str, outcome: str, status: Status, arrange: Arrange) -> None:
    scene = Scene()
    arrange(scene)
    finding = await scene.one(probe)
    assert (finding.outcome, finding.status) == (outcome, status)


@pytest.mark.parametrize(
    ("probe", "tables"),
    [
        *((probe, [table]) for probe, table in TABLES.items() if probe != "helm-releases"),
        ("apiserver-load", [LOAD]),
        ("helm-releases", [HELM, COUNTED]),
    ],
)
def test_every_declared_outcome_has_a_scene(probe: str, tables: list[list[Row]]) -> None:
    assert {outcome for table in tables for outcome, _, _ in table} == set(PROBES[probe].outcomes)


@pytest.mark.parametrize("probe", [*TABLES, "apiserver-load"])
async def test_a_missing_right_is_named_as_what_would_help(probe: str) -> None:
    scene = Scene(api=KnownObjects(error=FORBIDDEN))
    finding = (await scene.run(probe))[0]
    assert (finding.status, finding.outcome, finding.todo) == (NOT_CHECKED, "not-read", "Allow the credentials to do it.")
    assert "User cannot" in finding.sentence
