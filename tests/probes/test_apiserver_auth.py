"""Authentication: every outcome has a scene that leads to it; what looks alike on the wire is told apart or left open."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.errors import Unavailable
from bot.model.finding import Status
from bot.model.observation import Failure
from tests.fakes.network import LIVE, READY, VERSION
from tests.probes.scene import ADDRESS, PROBES, OwnCredentials, Scene
from tests.probes.test_apiserver_health import UNAUTHORIZED

Arrange = Callable[[Scene], object]

PATH = "/api"


def rejects(*, without: tuple[int, str] = (200, "{}"), **about: str) -> Arrange:
    """401 to whoever brings these credentials."""

    def arrange(scene: Scene) -> None:
        scene.credentials = OwnCredentials(about={"kind": "token", **about})
        for path in (PATH, LIVE, READY):
            scene.network.answers(ADDRESS, path, 401, UNAUTHORIZED, authenticated=True)
        for path in (LIVE, VERSION):
            scene.network.answers(ADDRESS, path, *without, authenticated=False)

    return arrange


def knows_as(user: str) -> Arrange:
    body = f'{{"kind":"Status","message":"forbidden: User \\"{user}\\" cannot get path \\"/api\\"","code":403}}'
    return lambda scene: scene.network.answers(ADDRESS, PATH, 403, body)


def unavailable(scene: Scene) -> None:
    scene.credentials = OwnCredentials(error=Unavailable("the plugin ended with status 1", next="run the plugin by hand"))


def nobody(scene: Scene) -> None:
    scene.credentials = None


def pasted(scene: Scene) -> None:
    scene.configured = False


def takes_no_strangers(scene: Scene, *, configured: bool = True, body: str = UNAUTHORIZED) -> None:
    scene.credentials, scene.configured = None, configured
    for path in (LIVE, READY, VERSION):
        scene.network.answers(ADDRESS, path, 401, body, authenticated=False)


def unreached(scene: Scene) -> None:
    scene.credentials = None
    scene.network.connects(ADDRESS, failure=Failure.CONNECTION_REFUSED)


def silent(failure: Failure) -> Arrange:
    def arrange(scene: Scene) -> None:
        for path in (PATH, LIVE):
            scene.network.answers(ADDRESS, path, failure=failure)

    return arrange


def ends_tls(scene: Scene) -> None:
    scene.network.answers(ADDRESS, PATH, failure=Failure.TLS_ALERT, authenticated=True)


def strangers_get(code: int) -> Arrange:
    """Nothing but liveness is answered, which strangers may not ask here."""

    def arrange(scene: Scene) -> None:
        scene.network.answers(ADDRESS, VERSION, code, UNAUTHORIZED, authenticated=False)
        scene.network.answers(ADDRESS, PATH, 503, "no storage")

    return arrange


OLD = "2026-11-19T12:00:00.000Z"

SCENES: list[tuple[str, Status, Arrange]] = [
    ("accepted", Status.OK, lambda scene: None),
    ("accepted", Status.OK, strangers_get(401)),
    ("accepted", Status.OK, strangers_get(403)),
    ("acceptance-not-shown", Status.INCONCLUSIVE, lambda scene: scene.network.answers(ADDRESS, PATH, 404, "<html>")),
    ("acceptance-not-shown", Status.INCONCLUSIVE, lambda scene: scene.network.answers(ADDRESS, PATH, 200, "<html>")),
    ("acceptance-not-shown", Status.INCONCLUSIVE, lambda scene: scene.network.answers(ADDRESS, PATH, 302)),
    ("acceptance-not-shown", Status.INCONCLUSIVE, lambda scene: scene.network.answers(ADDRESS, PATH, 503, "no storage")),
    ("unanswered", Status.PROBLEM, lambda scene: scene.network.answers(ADDRESS, PATH, failure=Failure.HTTP_TIMEOUT)),
    ("overloaded", Status.PROBLEM, lambda scene: scene.network.answers(ADDRESS, PATH, 429, "Too many requests")),
    ("overloaded", Status.PROBLEM, lambda scene: scene.network.answers(ADDRESS, LIVE, 429, "Too many requests")),
    ("token-rejected", Status.PROBLEM, rejects()),
    ("credentials-rejected", Status.PROBLEM, rejects(kind="client-certificate")),
    ("credentials-rejected", Status.PROBLEM, rejects(kind="exec")),
    ("credentials-rejected", Status.PROBLEM, knows_as("system:anonymous")),
    ("credentials-rejected", Status.PROBLEM, ends_tls),
    ("client-certificate-expired", Status.PROBLEM, rejects(kind="client-certificate", not_after=OLD)),
    ("token-expired", Status.PROBLEM, rejects(not_after=OLD)),
    ("authentication-refused", Status.PROBLEM, rejects(without=(401, UNAUTHORIZED))),
    ("permission-denied", Status.PROBLEM, knows_as("bob")),
    ("no-credentials", Status.NOT_CHECKED, nobody),
    ("no-credentials", Status.NOT_CHECKED, pasted),
    ("no-credentials", Status.NOT_CHECKED, lambda scene: takes_no_strangers(scene, configured=False)),
    ("no-credentials", Status.NOT_CHECKED, lambda scene: takes_no_strangers(scene, body="<html>log in</html>")),
    ("no-credentials", Status.NOT_CHECKED, unreached),
    ("credentials-missing", Status.PROBLEM, takes_no_strangers),
    ("credentials-unavailable", Status.NOT_CHECKED, unavailable),
    ("unverified-peer", Status.NOT_CHECKED, lambda scene: scene.network.handshakes(ADDRESS, failure=Failure.CERTIFICATE_EXPIRED)),
    ("deadline-capped", Status.INCONCLUSIVE, silent(Failure.DEADLINE_CAPPED)),
    ("not-reached", Status.NOT_APPLICABLE, lambda scene: scene.network.connects(ADDRESS, failure=Failure.CONNECTION_REFUSED)),
    ("not-reached", Status.NOT_APPLICABLE, silent(Failure.HTTP_TIMEOUT)),
]


@pytest.mark.parametrize(("outcome", "status", "arrange"), SCENES)
async def test_authentication(outcome: str, status: Status, arrange: Arrange) -> None:
    scene = Scene(credentials=OwnCredentials())
    arrange(scene)
    finding = await scene.one("apiserver-auth")
    assert (finding.outcome, finding.status) == (outcome, status)
    if status is Status.NOT_CHECKED:
        assert finding.todo


def test_every_declared_outcome_has_a_scene() -> None:
    assert {outcome for outcome, _, _ in SCENES} == set(PROBES["apiserver-auth"].outcomes)


@pytest.mark.parametrize(
    "arrange", [pasted, lambda scene: scene.network.handshakes(ADDRESS, failure=Failure.CERTIFICATE_EXPIRED)]
)
async def test_credentials_stay_home_where_the_peer_is_not_the_configured_one(arrange: Arrange) -> None:
    scene = Scene(credentials=OwnCredentials())
    arrange(scene)
    await scene.one("apiserver-auth")
    assert scene.network.with_credentials == []


async def test_a_rejected_certificate_says_when_it_expired() -> None:
    scene = Scene()
    rejects(kind="client-certificate", not_after=OLD)(scene)
    finding = await scene.one("apiserver-auth")
    assert "client certificate (401): it expired 24 h ago, at 2026-11-19 12:00:00 UTC" in finding.sentence


async def test_the_user_a_403_names_is_evidence() -> None:
    scene = Scene(credentials=OwnCredentials())
    knows_as("bob")(scene)
    finding = await scene.one("apiserver-auth")
    assert finding.evidence["user"] == "bob"
    assert "knows us as bob" in finding.sentence


async def test_a_path_that_strangers_may_read_proves_nothing() -> None:
    scene = Scene(credentials=OwnCredentials())
    assert (await scene.one("apiserver-auth", path="/version")).outcome == "acceptance-not-shown"


async def test_another_path_can_be_asked() -> None:
    scene = Scene(credentials=OwnCredentials())
    finding = await scene.one("apiserver-auth", path="/api/v1/namespaces/default")
    assert finding.evidence["path"] == "/api/v1/namespaces/default"


async def test_strangers_may_be_let_in_at_the_health_paths_only() -> None:
    scene = Scene()
    rejects()(scene)
    scene.network.answers(ADDRESS, VERSION, 401, UNAUTHORIZED, authenticated=False)
    assert (await scene.one("apiserver-auth")).outcome == "token-rejected"


async def test_a_server_in_need_is_not_asked_more_than_it_has_answered() -> None:
    scene = Scene(credentials=OwnCredentials())
    scene.network.answers(ADDRESS, LIVE, 500, "[-]etcd failed: reason withheld")
    assert (await scene.one("apiserver-auth")).outcome == "acceptance-not-shown"
    assert ("request", ADDRESS, PATH, True) not in scene.network.done


@pytest.mark.parametrize("configured", [True, False])
async def test_credentials_that_cannot_be_used_are_not_called_missing(configured: bool) -> None:
    why = "The kubeconfig has no user 'ann', so no credentials are used."
    finding = await Scene(problems=(why,), configured=configured).one("apiserver-auth")
    assert (finding.outcome, finding.status) == ("credentials-unavailable", Status.NOT_CHECKED)
    assert why in finding.sentence
    assert finding.todo
