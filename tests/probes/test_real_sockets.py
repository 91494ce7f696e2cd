"""The probes over the real network layer, against loopback servers with one fault each."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.clock import SystemClock
from bot.demo.pki import Authority
from bot.demo.server import Behaviour, api_server
from bot.model.finding import Finding
from bot.net.round import RoundNetwork
from tests.ports import free_port
from tests.probes.scene import OwnCredentials, Scene, target

TOKEN = "not-a-real-token"  # what OwnCredentials sends
LADDER = ("dns-lookup", "tcp-connect", "tls-handshake", "apiserver-health", "apiserver-auth")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
async def network() -> AsyncGenerator[RoundNetwork]:
    async with RoundNetwork(clock=SystemClock(), deadline=time.monotonic() + 60) as network:
        yield network


def behaviour(authority: Authority) -> Behaviour:
    return Behaviour(serving=authority.server(["127.0.0.1"]), client_ca=authority.pem, token=TOKEN)


@asynccontextmanager
async def scene_with(behaviour: Behaviour, authority: Authority) -> AsyncGenerator[Scene]:
    async with api_server(behaviour) as port:
        yield scene_at(port, authority)


def scene_at(port: int, authority: Authority) -> Scene:
    url = f"https://127.0.0.1:{port}"
    return Scene(target=target(url, ca_pem=authority.pem), credentials=OwnCredentials(), now=datetime.now(UTC))


async def ladder(scene: Scene, network: RoundNetwork) -> dict[str, Finding]:
    """The one finding of each probe, from one round."""
    found = {}
    for probe in LADDER:
        (found[probe],) = await scene.run(probe, network=network)
    return found


def outcomes(findings: dict[str, Finding]) -> tuple[str, ...]:
    return tuple(findings[probe].outcome for probe in LADDER)


async def test_a_healthy_server_is_fine_on_every_layer_in_four_requests(network: RoundNetwork, authority: Authority) -> None:
    async with scene_with(behaviour(authority), authority) as scene:
        found = await ladder(scene, network)
    assert outcomes(found) == ("address-given", "connected", "verified", "healthy", "accepted")
    assert found["apiserver-health"].evidence["git_version"] == "v1.36.2"
    assert network.requests_made() == 4


async def test_a_closed_port_is_one_problem_and_not_five(network: RoundNetwork, authority: Authority) -> None:
    found = await ladder(scene_at(free_port(), authority), network)
    assert outcomes(found) == ("address-given", "connection-refused", "not-reached", "not-reached", "not-reached")
    assert "refused" in (found["tcp-connect"].raw_error or "")


async def test_a_server_that_never_answers_is_silent_in_tls(network: RoundNetwork, authority: Authority) -> None:
    async with scene_with(replace(behaviour(authority), silent=True), authority) as scene:
        found = await ladder(scene, network)
    assert outcomes(found) == ("address-given", "connected", "tls-silent", "not-reached", "not-reached")
    experiments = found["tls-handshake"].evidence["experiments"]
    assert experiments == {
        "plaintext": "http-timeout",
        "small_segments": "tls-timeout",
        "without_alpn": "tls-timeout",
        "with_http1_alone": "tls-timeout",
        "again": ["tls-timeout", "tls-timeout"],
    }


async def test_behind_an_expired_certificate_the_server_is_still_seen_to_be_healthy(
    network: RoundNetwork, authority: Authority
) -> None:
    now = datetime.now(UTC)
    pair = authority.server(["127.0.0.1"], not_before=now - timedelta(days=366), not_after=now - timedelta(hours=7))
    async with scene_with(replace(behaviour(authority), serving=pair), authority) as scene:
        found = await ladder(scene, network)
    assert outcomes(found) == ("address-given", "connected", "certificate-expired", "healthy", "unverified-peer")
    assert "expired 7 h ago" in found["tls-handshake"].sentence
    assert abs(found["tls-handshake"].evidence["clock_difference_s"]) < 60
    assert found["apiserver-health"].evidence["verified"] is False


async def test_a_certificate_for_another_name_names_both(network: RoundNetwork, authority: Authority) -> None:
    pair = authority.server(["other.example.com"])
    async with scene_with(replace(behaviour(authority), serving=pair), authority) as scene:
        finding = (await ladder(scene, network))["tls-handshake"]
    assert finding.outcome == "certificate-name-mismatch"
    assert "for other.example.com, not for 127.0.0.1" in finding.sentence


@pytest.mark.parametrize(("name", "outcome"), [("kubernetes", "certificate-namesake"), ("another", "certificate-unidentified")])
async def test_an_authority_with_the_known_name_and_another_key_is_told_from_a_stranger(
    network: RoundNetwork, authority: Authority, name: str, outcome: str
) -> None:
    other = Authority(name)
    async with scene_with(replace(behaviour(authority), serving=other.server(["127.0.0.1"])), authority) as scene:
        found = await ladder(scene, network)
    assert found["tls-handshake"].outcome == outcome
    assert found["apiserver-auth"].outcome == "unverified-peer"


async def test_a_wrong_token_is_rejected_while_the_server_answers_others(network: RoundNetwork, authority: Authority) -> None:
    async with scene_with(replace(behaviour(authority), token="another"), authority) as scene:
        found = await ladder(scene, network)
    assert outcomes(found)[2:] == ("verified", "healthy", "token-rejected")
    assert found["apiserver-auth"].evidence["without_credentials"] == 200


async def test_a_failing_etcd_check_is_named(network: RoundNetwork, authority: Authority) -> None:
    async with scene_with(replace(behaviour(authority), failing=("etcd",)), authority) as scene:
        found = await ladder(scene, network)
    assert outcomes(found)[2:] == ("verified", "etcd-check-failing", "acceptance-not-shown")
    assert found["apiserver-health"].evidence["failing_checks"] == ["etcd"]
