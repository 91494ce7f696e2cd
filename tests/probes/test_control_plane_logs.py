"""The ends of a control plane's logs: the line that tells why, whichever version writes it, and no daily business."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.clock import stamp
from bot.errors import Unavailable
from bot.model.base import Json
from bot.model.finding import Status
from bot.ports import ApiObject, LogAnswer
from tests.fakes.network import NOW
from tests.probes.scene import PROBES, KnownObjects, Scene

PROBLEM = Status.PROBLEM
FORBIDDEN = Unavailable("the API answered 403 for the log", next="Allow the credentials to get pods/log in kube-system.")
SERVER = "kube-apiserver"


def pod(component: str, node: str = "cp1", *, state: str = "running", ended_min: float | None = None) -> ApiObject:
    container: Json = {"name": component, "ready": state == "running", "restartCount": 1, "lastState": {}}
    container["state"] = {"running": {}} if state == "running" else {"waiting": {"reason": "CrashLoopBackOff"}}
    if ended_min is not None:
        finished = stamp(NOW - timedelta(minutes=ended_min))
        container["lastState"] = {"terminated": {"exitCode": 1, "finishedAt": finished}}
    data: Json = {
        "labels": {"component": component, "tier": "control-plane"},
        "nodeName": node,
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True" if state == "running" else "False"}],
        "containers": [container],
    }
    return ApiObject(kind="Pod", namespace="kube-system", name=f"{component}-{node}", data=data)


def log(*lines: str, status: int = 200, message: str = "") -> LogAnswer:
    return LogAnswer(status=status, message=message, lines=tuple(f"2026-11-20T11:59:01.123456789Z {line}" for line in lines))


def looping(*lines: str, component: str = SERVER) -> Scene:
    one = pod(component, state="waiting")
    return Scene(api=KnownObjects(pods=[one], logs={one.name: log("I1120 11:59:00.1       1 server.go:1] starting", *lines)}))


def running(*lines: str, component: str = SERVER) -> Scene:
    one = pod(component)
    return Scene(api=KnownObjects(pods=[one], logs={one.name: log(*lines)}))


FAILED = 'E1120 11:59:01.123456       1 run.go:72] "command failed" err='
WARNS = "W1120 11:59:01.123456       1 logging.go:55] "
FATAL = "F0201 07:00:34.118275       1 controllermanager.go:221] "
ETCD = '{"level":"%s","ts":"2026-11-20T11:59:01Z","caller":"etcdserver/raft.go","msg":"%s"}'

ENDED: list[tuple[str, str]] = [
    ("setting-wrong", "Error: unknown flag: --enable-everything"),
    ("setting-wrong", FAILED + '"\\"RBACC\\" is not a valid mode"'),
    ("setting-wrong", 'Error: invalid argument "x" for "--v" flag: strconv.ParseInt: parsing "x": invalid syntax'),
    ("setting-wrong", FAILED + '"[--secure-port 99999 must be between 1 and 65535]"'),
    ("file-unreadable", FAILED + '"open /etc/kubernetes/pki/x.crt: no such file or directory"'),
    ("file-unreadable", "unable to load server certificate: open /etc/kubernetes/certs/server.crt: permission denied"),
    ("address-in-use", FATAL + "listen tcp 127.0.0.1:10252: bind: address already in use"),
    ("address-in-use", ETCD % ("fatal", "listen tcp 10.0.0.11:2380: bind: address already in use")),
    ("certificate-expired", WARNS + "grpc: addrConn.createTransport failed: x509: certificate has expired or is not yet valid"),
    ("certificate-rejected", WARNS + "transport: authentication handshake failed: remote error: tls: bad certificate"),
    ("etcd-not-reached", FAILED + '"context deadline exceeded"'),
    ("etcd-not-reached", WARNS + 'desc = "transport: Error while dialing: dial tcp 127.0.0.1:2379: connect: connection refused"'),
    ("lease-lost", 'E1120 11:59:01.1       1 controllermanager.go:340] "leaderelection lost"'),
    ("out-of-memory", "fatal error: runtime: out of memory"),
    ("panicked", "panic: runtime error: invalid memory address or nil pointer dereference"),
    ("panicked", "goroutine 1 [running]:"),
    ("panicked", ETCD % ("panic", "tocommit(11) is out of range")),
    ("fatal", 'F1120 11:59:01.123456       1 hooks.go:203] PostStartHook "rbac/bootstrap-roles" failed'),
]
OTHERS: list[tuple[str, str, str]] = [
    ("etcd-ended", "etcd", ETCD % ("fatal", "listen tcp 10.0.0.11:2380: bind: address already in use")),
    ("etcd-ended", "etcd", ETCD % ("panic", "tocommit(11) is out of range")),
    ("lease-lost", "kube-controller-manager", 'E1120 11:59:01.1       1 controllermanager.go:340] "leaderelection lost"'),
    ("controller-ended", "kube-scheduler", "Error: unknown flag: --x"),
    ("certificate-expired", "kube-controller-manager", WARNS + "x509: certificate has expired or is not yet valid"),
]
RUNNING: list[tuple[str, str, list[str]]] = [
    ("etcd-no-space", SERVER, ["E1120 11:59:01.1 1 x.go:1] etcdserver: mvcc: database space exceeded"]),
    ("etcd-no-leader", SERVER, ["E1120 11:59:01.1 1 x.go:1] rpc error: code = Unavailable desc = etcdserver: no leader"]),
    ("etcd-not-reached", SERVER, ["E1120 11:59:01.1 1 x.go:1] etcdserver: request timed out"]),
    ("too-many-files", SERVER, ["E1120 11:59:01.1 1 x.go:1] http: Accept error: accept4: too many open files; retrying in 1s"]),
    ("etcd-slow", "etcd", ['{"level":"warn","msg":"slow fdatasync","took":"1.2s"}'] * 3),
]
CALM: list[tuple[str, list[str]]] = [
    (SERVER, ["I1120 11:59:01.1 1 x.go:1] all is well"]),
    (
        SERVER,
        ['E1120 11:59:01.1 1 authentication.go:73] "Unable to authenticate the request" err="x509: certificate has expired"'],
    ),
    (SERVER, ["I1120 11:59:01.1 1 log.go:245] http: TLS handshake error from 10.0.0.9:4711: remote error: tls: bad certificate"]),
    (SERVER, ["E1120 11:59:01.1 1 x.go:1] failed to load something: a certificate of a webhook"]),
    ("etcd", ['{"level":"warn","msg":"slow fdatasync","took":"1.2s"}']),
    ("etcd", ['{"level":"warn","msg":"rejected connection","error":"remote error: tls: bad certificate"}']),
    (SERVER, []),
]


@pytest.mark.parametrize(("outcome", "line"), ENDED)
async def test_why_one_ended(outcome: str, line: str) -> None:
    finding = await looping(line).one("control-plane-logs")
    assert (finding.outcome, finding.status) == (outcome, PROBLEM)
    assert finding.evidence["line"] == line
    assert finding.evidence["written_at"] == "2026-11-20T11:59:01.123456+00:00"


@pytest.mark.parametrize(("outcome", "component", "line"), OTHERS)
async def test_why_another_component_ended(outcome: str, component: str, line: str) -> None:
    finding = await looping(line, component=component).one("control-plane-logs")
    assert (finding.outcome, finding.status) == (outcome, PROBLEM)


@pytest.mark.parametrize(("outcome", "component", "lines"), RUNNING)
async def test_what_one_that_runs_suffers_from(outcome: str, component: str, lines: list[str]) -> None:
    finding = await running(*lines, component=component).one("control-plane-logs")
    assert (finding.outcome, finding.status) == (outcome, PROBLEM)


@pytest.mark.parametrize(("component", "lines"), CALM)
async def test_daily_business_is_nothing_telling(component: str, lines: list[str]) -> None:
    finding = await running(*lines, component=component).one("control-plane-logs")
    assert (finding.outcome, finding.status) == ("nothing-telling", Status.OK)


async def test_an_empty_log_of_one_that_ended_is_no_good_sign() -> None:
    one = pod(SERVER, state="waiting")
    finding = await Scene(api=KnownObjects(pods=[one], logs={one.name: log()})).one("control-plane-logs")
    assert (finding.outcome, finding.status) == ("no-log", Status.INCONCLUSIVE)


async def test_what_cannot_be_had_is_said() -> None:
    one = pod(SERVER)
    gone = Scene(api=KnownObjects(pods=[one], logs={one.name: log(status=500, message="dial tcp 10.0.0.5:10250: i/o timeout")}))
    finding = await gone.one("control-plane-logs")
    assert (finding.outcome, finding.status) == ("no-log", Status.INCONCLUSIVE)
    assert finding.raw_error == "dial tcp 10.0.0.5:10250: i/o timeout"
    nothing = await Scene(api=KnownObjects()).one("control-plane-logs")
    assert (nothing.outcome, nothing.status) == ("none-found", Status.NOT_APPLICABLE)
    refused = await Scene(api=KnownObjects(pods=[one], logs={one.name: FORBIDDEN})).one("control-plane-logs")
    assert (refused.outcome, refused.status) == ("not-read", Status.NOT_CHECKED)
    assert refused.todo == "Allow the credentials to get pods/log in kube-system."
    assert (await Scene().one("control-plane-logs")).outcome == "not-read"


def test_every_outcome_has_a_scene() -> None:
    told = {outcome for outcome, _ in ENDED} | {outcome for outcome, *_ in [*OTHERS, *RUNNING]}
    assert told | {"nothing-telling", "no-log", "none-found", "not-read"} == set(PROBES["control-plane-logs"].outcomes)


class Asked(KnownObjects):
    """Remembers which logs were asked for."""

    asked: list[tuple[str, bool, int | None]]

    async def read_log(
        self, namespace: str, pod: str, container: str, *, previous: bool = False, since_s: int | None = None
    ) -> LogAnswer:
        self.asked.append((pod, previous, since_s))
        return log()


async def test_those_that_ended_are_read_first_and_then_one_of_each_component() -> None:
    pods = [pod(component, node) for node in ("cp1", "cp2", "cp3") for component in ("etcd", "kube-scheduler", SERVER)]
    pods = [one for one in pods if one.name != "etcd-cp3"] + [pod("etcd", "cp3", ended_min=7), pod("kube-controller-manager")]
    api = Asked(pods=pods)
    api.asked = []
    await Scene(api=api).run("control-plane-logs")
    assert api.asked == [
        ("etcd-cp3", True, None),
        ("kube-apiserver-cp1", False, 600),
        ("kube-controller-manager-cp1", False, 600),
        ("kube-scheduler-cp1", False, 600),
    ]


async def test_pods_without_the_usual_label_are_known_by_their_containers() -> None:
    one = pod(SERVER, state="waiting")
    bare = one.model_copy(update={"data": {**one.data, "labels": {"app": "openshift-kube-apiserver"}}})
    other = pod("coredns").model_copy(update={"name": "coredns-1"})
    scene = Scene(api=KnownObjects(pods=[bare], logs={one.name: log("Error: unknown flag: --x")}))
    assert (await scene.one("control-plane-logs")).outcome == "setting-wrong"
    assert (await Scene(api=KnownObjects(pods=[other])).one("control-plane-logs")).outcome == "none-found"


async def test_a_restart_of_long_ago_is_no_end() -> None:
    api = Asked(pods=[pod(SERVER, ended_min=90), pod("etcd", state="waiting")])
    api.asked = []
    await Scene(api=api).run("control-plane-logs")
    assert api.asked == [("etcd-cp1", False, None), ("kube-apiserver-cp1", False, 600)]


async def test_the_line_of_the_attempt_before_is_quoted_as_that() -> None:
    one = pod(SERVER, ended_min=2)
    before = {f"{one.name} previous": log("Error: unknown flag: --x", "and more")}
    finding = await Scene(api=KnownObjects(pods=[one], logs=before)).one("control-plane-logs")
    assert finding.sentence == (
        "In the log of the attempt before of kube-apiserver-cp1, it does not accept one of its flags, or a flag's value: "
        "Error: unknown flag: --x."
    )
