"""Health: every outcome has a scene that leads to it, and no server is asked more than the four requests it may get."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.errors import Unavailable
from bot.model.finding import Status
from bot.model.observation import Failure
from tests.fakes.network import LIVE, READY, VERSION
from tests.probes.scene import ADDRESS, HOST, PROBES, OwnCredentials, Scene, target

Arrange = Callable[[Scene], object]

UNAUTHORIZED = '{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","code":401}'
FORBIDDEN = (
    '{"kind":"Status","apiVersion":"v1","status":"Failure","code":403,'
    '"message":"forbidden: User \\"system:anonymous\\" cannot get path \\"/livez\\""}'
)
ETCD_LIVE = "[+]ping ok\n[-]etcd failed: reason withheld\nlivez check failed\n"
ETCD_READY = "[+]ping ok\n[-]etcd failed: reason withheld\n[-]etcd-readiness failed: reason withheld\nreadyz check failed\n"
STARTING = "[+]ping ok\n[+]etcd ok\n[-]poststarthook/rbac/bootstrap-roles failed: reason withheld\nreadyz check failed\n"
STOPPING = "[+]ping ok\n[+]etcd ok\n[-]shutdown failed: reason withheld\nreadyz check failed\n"
FLOW = {"retry-after": "1", "x-kubernetes-pf-flowschema-uid": "abc", "server": "x"}


def everywhere(status: int | None = None, body: str = "", **given: object) -> Arrange:
    def arrange(scene: Scene) -> None:
        for path in (LIVE, READY, VERSION):
            scene.network.answers(ADDRESS, path, status, body, **given)

    return arrange


def health(live: tuple[int, str] | None, ready: tuple[int, str] | None) -> Arrange:
    def arrange(scene: Scene) -> None:
        for path, answer in ((LIVE, live), (READY, ready)):
            if answer is not None:
                scene.network.answers(ADDRESS, path, *answer)

    return arrange


SCENES: list[tuple[str, Status, Arrange]] = [
    ("healthy", Status.OK, lambda scene: None),
    ("etcd-check-failing", Status.PROBLEM, health((500, ETCD_LIVE), (500, ETCD_READY))),
    ("etcd-check-failing", Status.PROBLEM, health((500, ETCD_LIVE), None)),
    ("checks-failing", Status.PROBLEM, health(None, (500, STOPPING))),
    ("starting", Status.PROBLEM, health(None, (500, STARTING))),
    ("starting", Status.PROBLEM, health(None, (500, STARTING.replace("[+]ping ok", "[-]autoregister-completion failed")))),
    ("starting", Status.PROBLEM, health((500, STARTING.replace("[+]etcd ok", "[-]etcd failed")), None)),
    ("checks-failing", Status.PROBLEM, health(None, (500, STARTING.replace("[+]ping ok", "[-]shutdown failed")))),
    ("http-silent", Status.PROBLEM, everywhere(failure=Failure.HTTP_TIMEOUT)),
    ("http-silent", Status.PROBLEM, lambda scene: scene.network.answers(ADDRESS, LIVE, failure=Failure.HTTP_TIMEOUT)),
    ("http-silent", Status.PROBLEM, lambda scene: scene.network.answers(ADDRESS, READY, failure=Failure.HTTP_TIMEOUT)),
    ("http-closed", Status.PROBLEM, everywhere(failure=Failure.HTTP_CLOSED)),
    ("http-reset", Status.PROBLEM, everywhere(failure=Failure.HTTP_RESET)),
    ("overloaded", Status.PROBLEM, everywhere(429, "Too many requests, please try again later.", headers=FLOW)),
    ("authentication-required", Status.INCONCLUSIVE, everywhere(401, UNAUTHORIZED)),
    ("forbidden", Status.INCONCLUSIVE, everywhere(403, FORBIDDEN)),
    ("server-error", Status.PROBLEM, everywhere(503, "<html>no server is available</html>")),
    ("not-an-apiserver", Status.PROBLEM, everywhere(200, "<html>Welcome to nginx!</html>")),
    ("not-an-apiserver", Status.PROBLEM, everywhere(404, "404 page not found")),
    ("not-an-apiserver", Status.PROBLEM, everywhere(401, "<html>Sign in</html>")),
    ("not-an-apiserver", Status.PROBLEM, everywhere(failure=Failure.NOT_HTTP)),
    ("deadline-capped", Status.INCONCLUSIVE, everywhere(failure=Failure.DEADLINE_CAPPED, capped=True)),
    ("not-reached", Status.NOT_APPLICABLE, lambda scene: scene.network.connects(ADDRESS, failure=Failure.CONNECT_TIMEOUT)),
    ("not-reached", Status.NOT_APPLICABLE, lambda scene: scene.network.handshakes(ADDRESS, failure=Failure.TLS_CLOSED)),
    ("not-reached", Status.NOT_APPLICABLE, lambda scene: scene.network.resolves(HOST, failure=Failure.NAME_NOT_FOUND)),
    ("comes-and-goes", Status.PROBLEM, everywhere(failure=Failure.CONNECTION_REFUSED)),
    ("comes-and-goes", Status.PROBLEM, lambda scene: scene.network.answers(ADDRESS, READY, failure=Failure.TLS_CLOSED)),
    (
        "comes-and-goes",
        Status.PROBLEM,
        lambda scene: scene.network.answers(ADDRESS, VERSION, failure=Failure.CERTIFICATE_EXPIRED),
    ),
    ("https-expected", Status.PROBLEM, everywhere(400, "Client sent an HTTP request to an HTTPS server.\n")),
]


@pytest.mark.parametrize(("outcome", "status", "arrange"), SCENES)
async def test_health(outcome: str, status: Status, arrange: Arrange) -> None:
    scene = Scene()
    arrange(scene)
    finding = await scene.one("apiserver-health")
    assert (finding.outcome, finding.status) == (outcome, status)
    assert finding.evidence.keys() >= {"livez", "readyz", "version", "git_version", "failing_checks"}


def test_every_declared_outcome_has_a_scene() -> None:
    assert {outcome for outcome, _, _ in SCENES} == set(PROBES["apiserver-health"].outcomes)


async def test_failing_checks_and_the_version_are_evidence() -> None:
    scene = Scene()
    health((500, ETCD_LIVE), (500, ETCD_READY))(scene)
    evidence = (await scene.one("apiserver-health")).evidence
    assert evidence["failing_checks"] == ["etcd", "etcd-readiness"]
    assert (evidence["livez"], evidence["readyz"], evidence["version"], evidence["git_version"]) == (500, 500, 200, "v1.36.2")


async def test_flow_control_headers_of_a_429_are_evidence_and_no_others() -> None:
    scene = Scene()
    everywhere(429, headers=FLOW)(scene)
    evidence = (await scene.one("apiserver-health")).evidence
    assert evidence["flow_control"] == {"retry-after": "1", "x-kubernetes-pf-flowschema-uid": "abc"}


async def test_health_behind_an_expired_certificate_is_asked_without_credentials_and_says_so() -> None:
    scene = Scene(credentials=OwnCredentials())
    scene.network.handshakes(ADDRESS, failure=Failure.CERTIFICATE_EXPIRED)
    finding = await scene.one("apiserver-health")
    assert (finding.outcome, finding.status) == ("healthy", Status.OK)
    assert finding.evidence["verified"] is False
    assert "not verified (certificate-expired)" in finding.sentence
    assert scene.network.with_credentials == []


async def test_a_pasted_url_gets_no_credentials() -> None:
    scene = Scene(configured=False, credentials=OwnCredentials())
    await scene.one("apiserver-health")
    assert scene.network.with_credentials == []


async def test_plain_http_gets_no_credentials() -> None:
    scene = Scene(target=target("http://api.example.com:6443"), credentials=OwnCredentials())
    finding = await scene.one("apiserver-health")
    assert finding.outcome == "healthy"
    assert scene.network.with_credentials == []


async def test_credentials_that_cannot_be_had_do_not_hide_health() -> None:
    scene = Scene(credentials=OwnCredentials(error=Unavailable("the plugin failed")))
    finding = await scene.one("apiserver-health")
    assert finding.outcome == "healthy"
    assert finding.evidence["credentials_unavailable"] == "the plugin failed"


async def test_rejected_credentials_do_not_hide_health() -> None:
    scene = Scene(credentials=OwnCredentials())
    for path in (LIVE, READY, "/api"):
        scene.network.answers(ADDRESS, path, 401, UNAUTHORIZED, authenticated=True)
    finding = await scene.one("apiserver-health")
    assert (finding.outcome, finding.evidence["with_credentials"]) == ("healthy", False)
    await scene.one("apiserver-auth")
    assert scene.network.requests_made() == 4


async def test_a_slow_liveness_does_not_hold_up_readiness() -> None:
    scene = Scene(credentials=OwnCredentials())
    scene.network.hold(("request", ADDRESS, LIVE, True), until=("request", ADDRESS, READY, True))
    assert (await scene.one("apiserver-health")).outcome == "healthy"


async def test_all_probes_together_make_four_requests_to_an_address() -> None:
    scene = Scene(credentials=OwnCredentials())
    for probe in ("tcp-connect", "tls-handshake", "apiserver-health", "apiserver-auth"):
        await scene.one(probe)
    assert scene.network.requests_made() == 4
    assert set(scene.network.with_credentials) == {LIVE, READY, "/api"}
    assert VERSION not in scene.network.with_credentials
