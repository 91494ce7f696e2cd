"""TLS: every outcome has a scene that leads to it, and the experiments run only when they explain something."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime

import pytest
from cryptography import x509

from bot.demo.pki import Authority
from bot.model.finding import Status
from bot.model.observation import Failure
from bot.probes._shared.tls import identifies, names_server
from tests.fakes.network import AGAIN, ALPN, NOW, VERSION, certificate
from tests.probes.scene import ADDRESS, PLACE, PROBES, Scene, target

Arrange = Callable[[Scene], object]

AUTHORITY = Authority("kubernetes")
REBUILT = Authority("kubernetes")


def key_id(authority: Authority) -> str:
    found = x509.load_pem_x509_certificate(authority.pem.encode())
    return found.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()


def presents(failure: Failure, **given: object) -> Arrange:
    """The handshake fails so; the certificate has what is given; the plain request is answered as by an API server."""
    return lambda scene: scene.network.handshakes(ADDRESS, failure=failure, chain=(certificate(**given),))


EXPIRED = {"not_after": NOW - timedelta(days=3)}
FUTURE = {"not_before": NOW + timedelta(hours=5)}


def server_clock(failure: Failure, shift: timedelta, **given: object) -> Arrange:
    def arrange(scene: Scene) -> None:
        presents(failure, **given)(scene)
        scene.network.answers(ADDRESS, VERSION, 200, headers={"date": format_datetime(NOW + shift, usegmt=True)})

    return arrange


def rebuilt(scene: Scene) -> None:
    scene.target = target(ca_pem=AUTHORITY.pem)
    presents(Failure.CERTIFICATE_UNKNOWN_AUTHORITY, authority_key_id=key_id(REBUILT))(scene)


def stranger(scene: Scene) -> None:
    scene.target = target(ca_pem=AUTHORITY.pem)
    presents(Failure.CERTIFICATE_UNKNOWN_AUTHORITY, issuer="CN=other")(scene)


def another_cluster(scene: Scene) -> None:
    """It has the same name for its authority, as every cluster of one installer has."""
    scene.target = target(ca_pem=AUTHORITY.pem)
    presents(Failure.CERTIFICATE_UNKNOWN_AUTHORITY, authority_key_id=key_id(REBUILT), dns_names=("api.other.example",))(scene)


def at_an_address(key: str, issuer: str) -> Arrange:
    def arrange(scene: Scene) -> None:
        scene.target = target(f"https://{ADDRESS}:6443", ca_pem=AUTHORITY.pem)
        given = {"dns_names": ("kubernetes", "cp1"), "ip_names": (ADDRESS,), "issuer": issuer}
        presents(Failure.CERTIFICATE_UNKNOWN_AUTHORITY, authority_key_id=key, **given)(scene)

    return arrange


def works_again(failure: Failure) -> Arrange:
    """One bad server of two: the experiments meet the good one, which would look like a box that dislikes ALPN."""

    def arrange(scene: Scene) -> None:
        scene.network.hides_from_tls(ADDRESS, failure)
        scene.network.handshakes(ADDRESS, alpn=())
        scene.network.handshakes(ADDRESS, alpn=AGAIN[1])

    return arrange


def works_in_part(scene: Scene) -> None:
    scene.network.hides_from_tls(ADDRESS, Failure.TLS_RESET)
    scene.network.handshakes(ADDRESS, segment=500)


def intercepted(scene: Scene, *, asks: bool = False) -> None:
    scene.target = target(ca_pem=AUTHORITY.pem)
    scene.network.handshakes(
        ADDRESS,
        failure=Failure.CERTIFICATE_UNKNOWN_AUTHORITY,
        chain=(certificate(issuer="CN=Corp TLS Inspection CA"),),
        alpn_selected=None,
        client_certificate_requested=asks,
    )
    scene.network.says_in_plain(ADDRESS, failure=Failure.HTTP_CLOSED)


def silent(scene: Scene, *, plain: Failure | None = Failure.HTTP_TIMEOUT, capped: bool = False) -> None:
    scene.network.hides_from_tls(ADDRESS, Failure.TLS_TIMEOUT, duration_s=4.0)
    if plain is not None:
        scene.network.says_in_plain(ADDRESS, failure=Failure.DEADLINE_CAPPED if capped else plain, capped=capped)


def large_packets_lost(scene: Scene) -> None:
    silent(scene, plain=None)
    scene.network.handshakes(ADDRESS, segment=500)


def alpn_rejected(failure: Failure) -> Arrange:
    def arrange(scene: Scene) -> None:
        scene.network.hides_from_tls(ADDRESS, failure)
        scene.network.handshakes(ADDRESS, alpn=(), failure=Failure.CERTIFICATE_NAME_MISMATCH)

    return arrange


def everywhere(failure: Failure) -> Arrange:
    return lambda scene: scene.network.hides_from_tls(ADDRESS, failure)


def reset_whatever_is_sent(scene: Scene) -> None:
    everywhere(Failure.TLS_RESET)(scene)
    scene.network.says_in_plain(ADDRESS, failure=Failure.HTTP_RESET)


def nobody_said_which_authority(scene: Scene) -> None:
    scene.target = target().model_copy(update={"authority_known": False})
    presents(Failure.CERTIFICATE_UNKNOWN_AUTHORITY)(scene)


def plain_http(scene: Scene) -> None:
    scene.target = target("http://api.example.com:6443")


SCENES: list[tuple[str, Status, Arrange]] = [
    ("verified", Status.OK, lambda scene: None),
    ("certificate-expired", Status.PROBLEM, presents(Failure.CERTIFICATE_EXPIRED, **EXPIRED)),
    ("certificate-expired", Status.PROBLEM, server_clock(Failure.CERTIFICATE_EXPIRED, timedelta(0), **EXPIRED)),
    ("certificate-not-yet-valid", Status.PROBLEM, presents(Failure.CERTIFICATE_NOT_YET_VALID, **FUTURE)),
    ("certificate-name-mismatch", Status.PROBLEM, presents(Failure.CERTIFICATE_NAME_MISMATCH, dns_names=("old.example.com",))),
    ("certificate-unknown-authority", Status.PROBLEM, stranger),
    ("certificate-foreign", Status.PROBLEM, another_cluster),
    ("certificate-namesake", Status.PROBLEM, at_an_address(key_id(REBUILT), "CN=kubernetes")),
    ("certificate-unidentified", Status.PROBLEM, at_an_address(key_id(REBUILT), "CN=another")),
    ("comes-and-goes", Status.PROBLEM, works_again(Failure.TLS_CLOSED)),
    ("comes-and-goes", Status.PROBLEM, works_again(Failure.TLS_TIMEOUT)),
    ("comes-and-goes", Status.PROBLEM, works_in_part),
    ("certificate-unknown-authority", Status.PROBLEM, lambda scene: intercepted(scene, asks=True)),
    ("certificate-authority-rebuilt", Status.PROBLEM, rebuilt),
    ("tls-intercepted", Status.PROBLEM, intercepted),
    ("certificate-invalid", Status.PROBLEM, presents(Failure.CERTIFICATE_INVALID)),
    (
        "clocks-disagree",
        Status.PROBLEM,
        server_clock(Failure.CERTIFICATE_EXPIRED, timedelta(days=-400), **EXPIRED | {"not_before": NOW - timedelta(days=500)}),
    ),
    ("clocks-disagree", Status.PROBLEM, server_clock(Failure.CERTIFICATE_NOT_YET_VALID, timedelta(hours=6), **FUTURE)),
    ("tls-silent", Status.PROBLEM, silent),
    ("tls-large-packets-lost", Status.PROBLEM, large_packets_lost),
    ("tls-silent-but-listening", Status.PROBLEM, lambda scene: silent(scene, plain=None)),
    ("alpn-rejected", Status.PROBLEM, alpn_rejected(Failure.TLS_ALERT)),
    ("alpn-rejected", Status.PROBLEM, alpn_rejected(Failure.TLS_RESET)),
    ("alpn-rejected", Status.PROBLEM, alpn_rejected(Failure.TLS_TIMEOUT)),
    ("tls-closed", Status.PROBLEM, everywhere(Failure.TLS_CLOSED)),
    ("tls-reset", Status.PROBLEM, reset_whatever_is_sent),
    ("tls-reset-but-listening", Status.PROBLEM, everywhere(Failure.TLS_RESET)),
    ("tls-alert", Status.PROBLEM, everywhere(Failure.TLS_ALERT)),
    ("authority-not-known", Status.INCONCLUSIVE, nobody_said_which_authority),
    ("not-tls", Status.PROBLEM, everywhere(Failure.NOT_TLS)),
    ("plain-http-target", Status.NOT_APPLICABLE, plain_http),
    ("local-failure", Status.ERROR, everywhere(Failure.LOCAL_FAILURE)),
    ("deadline-capped", Status.INCONCLUSIVE, everywhere(Failure.DEADLINE_CAPPED)),
    ("deadline-capped", Status.INCONCLUSIVE, lambda scene: silent(scene, capped=True)),
    ("not-reached", Status.NOT_APPLICABLE, lambda scene: scene.network.connects(ADDRESS, failure=Failure.CONNECTION_REFUSED)),
    ("comes-and-goes", Status.PROBLEM, everywhere(Failure.CONNECTION_REFUSED)),
]


@pytest.mark.parametrize(("outcome", "status", "arrange"), SCENES)
async def test_handshakes(outcome: str, status: Status, arrange: Arrange) -> None:
    scene = Scene()
    arrange(scene)
    finding = await scene.one("tls-handshake")
    assert (finding.outcome, finding.status, finding.subject) == (outcome, status, PLACE)


def test_every_declared_outcome_has_a_scene() -> None:
    assert {outcome for outcome, _, _ in SCENES} == set(PROBES["tls-handshake"].outcomes)


async def test_a_healthy_server_gets_one_handshake_and_no_experiments() -> None:
    scene = Scene()
    finding = await scene.one("tls-handshake")
    assert [key[0] for key in scene.network.done] == ["lookup", "connect", "handshake"]
    assert "experiments" not in finding.evidence
    assert finding.evidence["chain"][0]["not_after"] == "2027-08-12T12:00:00.000Z"


async def test_a_slow_handshake_does_not_wait_for_its_experiments_and_wins_over_them() -> None:
    scene = Scene()
    scene.network.hold(("handshake", ADDRESS, ALPN, None), until=("plaintext", ADDRESS))
    scene.network.hold(("plaintext", ADDRESS), until=("connect", "192.0.2.99", 1))
    finding = await scene.one("tls-handshake")
    assert finding.outcome == "verified"
    assert "experiments" not in finding.evidence
    await scene.network.connect("192.0.2.99", 1)


@pytest.mark.parametrize(
    ("passes", "said"),
    [
        (((),), "without ALPN only; something rejects ALPN"),
        (((), ("http/1.1",)), "without ALPN and with http/1.1 alone; something rejects ALPN for h2"),
        ((("http/1.1",),), "that offer http/1.1 alone; something rejects h2"),
    ],
)
async def test_which_forms_of_alpn_pass_is_told(passes: tuple[tuple[str, ...], ...], said: str) -> None:
    scene = Scene()
    scene.network.hides_from_tls("10.0.0.1", Failure.TLS_RESET)
    for alpn in passes:
        scene.network.handshakes("10.0.0.1", alpn=alpn)
    finding = await scene.one("tls-handshake")
    assert finding.outcome == "alpn-rejected"
    assert said in finding.sentence


async def test_the_experiments_are_evidence() -> None:
    scene = Scene()
    large_packets_lost(scene)
    finding = await scene.one("tls-handshake")
    assert finding.evidence["experiments"] == {
        "plaintext": "go-tls-server",
        "small_segments": "answered",
        "without_alpn": "tls-timeout",
        "with_http1_alone": "tls-timeout",
        "again": ["tls-timeout", "tls-timeout"],
    }


async def test_the_difference_of_the_clocks_is_a_number() -> None:
    scene = Scene()
    server_clock(Failure.CERTIFICATE_NOT_YET_VALID, timedelta(hours=6), **FUTURE)(scene)
    finding = await scene.one("tls-handshake")
    assert finding.evidence["clock_difference_s"] == 6 * 3600
    assert "6 h apart" in finding.sentence


async def test_an_expired_certificate_says_when_it_expired() -> None:
    scene = Scene()
    presents(Failure.CERTIFICATE_EXPIRED, **EXPIRED)(scene)
    finding = await scene.one("tls-handshake")
    assert "expired 3 days ago, at 2026-11-17 12:00:00 UTC" in finding.sentence


async def test_the_configured_authoritys_own_key_is_not_a_rebuilt_one() -> None:
    scene = Scene(target=target(ca_pem=AUTHORITY.pem))
    presents(Failure.CERTIFICATE_UNKNOWN_AUTHORITY, authority_key_id=key_id(AUTHORITY))(scene)
    assert (await scene.one("tls-handshake")).outcome == "certificate-unknown-authority"


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("api.example.com", True),
        ("API.example.com.", True),
        ("node.pool.example.com", True),
        ("a.node.pool.example.com", False),
        ("other.example.com", False),
        ("10.0.0.1", True),
        ("10.0.0.2", False),
        ("2001:db8::1", True),
    ],
)
def test_a_certificate_names_a_server_as_clients_match_it(name: str, fits: bool) -> None:
    known = certificate(dns_names=("api.example.com", "*.pool.example.com"), ip_names=("10.0.0.1", "2001:db8::1"))
    assert names_server(known, name) is fits


async def test_a_box_that_keeps_alpn_is_a_box_all_the_same() -> None:
    scene = Scene()
    intercepted(scene)
    chain = (certificate(issuer="CN=Corp TLS Inspection CA"),)
    failure = Failure.CERTIFICATE_UNKNOWN_AUTHORITY
    scene.network.handshakes(ADDRESS, failure=failure, chain=chain, alpn_selected="h2", client_certificate_requested=False)
    assert (await scene.one("tls-handshake")).outcome == "tls-intercepted"


async def test_an_unknown_authority_costs_one_plain_request_and_no_further_handshakes() -> None:
    scene = Scene()
    stranger(scene)
    await scene.one("tls-handshake")
    assert [key[0] for key in scene.network.done] == ["lookup", "connect", "handshake", "plaintext"]


@pytest.mark.parametrize(
    ("name", "tells"),
    [
        ("api.example.com", True),
        ("8.8.8.8", True),
        ("10.1.2.3", False),
        ("100.64.0.9", False),
        ("127.0.0.1", False),
        ("fd00::1", False),
        ("kubernetes", False),
        ("kubernetes.default.svc.cluster.local", False),
        ("kubernetes.example.com", True),
    ],
)
def test_what_every_cluster_may_have_tells_none_from_another(name: str, tells: bool) -> None:
    assert identifies(name) is tells
