"""A private address is a fault of DNS's only where this machine is outside of its network and nothing answers there."""

from __future__ import annotations

import pytest

from bot.model.diagnosis import Confidence
from bot.model.finding import Status
from bot.model.observation import Failure, Reject, Way
from bot.model.target import Target
from tests.diagnosis.facts import answer, finding, ladder
from tests.probes.scene import HOST, PROBES, Scene, target

ROUTER = Reject(offender="192.0.2.254", icmp_type=3, icmp_code=0)
USUAL = Way(interface="eth0", source="10.1.2.3", gateway="10.1.0.1")
USUAL_6 = Way(interface="eth0", source="fd00:1::2", gateway="fe80::1")
VPN = Way(interface="tun0", source="10.9.0.2", gateway="10.9.0.1")
NEIGHBOUR = Way(interface="eth0", source="10.1.2.3")


@pytest.mark.parametrize(
    ("address", "failure", "reject", "way", "outcome", "status"),
    [
        ("10.4.5.6", Failure.CONNECT_TIMEOUT, None, USUAL, "private-unanswered", Status.PROBLEM),
        ("172.20.5.6", Failure.HOST_UNREACHABLE, ROUTER, USUAL, "private-unanswered", Status.PROBLEM),
        ("100.64.5.6", Failure.NETWORK_UNREACHABLE, ROUTER, USUAL, "private-unrouted", Status.PROBLEM),
        ("fd00:2::6", Failure.CONNECT_TIMEOUT, None, USUAL_6, "private-unanswered", Status.PROBLEM),
        ("fd00:1::6", Failure.CONNECT_TIMEOUT, None, USUAL_6, "private-in-reach", Status.OK),
        ("10.4.5.6", None, None, USUAL, "private-in-reach", Status.OK),
        ("10.4.5.6", Failure.CONNECTION_REFUSED, None, USUAL, "private-in-reach", Status.OK),
        ("10.4.5.6", Failure.NETWORK_UNREACHABLE, None, USUAL, "private-in-reach", Status.OK),
        ("10.1.9.9", Failure.CONNECT_TIMEOUT, None, USUAL, "private-in-reach", Status.OK),
        ("10.4.5.6", Failure.CONNECT_TIMEOUT, None, VPN, "private-in-reach", Status.OK),
        ("10.4.5.6", Failure.CONNECT_TIMEOUT, None, NEIGHBOUR, "private-in-reach", Status.OK),
        ("10.4.5.6", Failure.CONNECT_TIMEOUT, None, None, "way-not-told", Status.INCONCLUSIVE),
        ("8.8.8.8", Failure.CONNECT_TIMEOUT, None, USUAL, "public-address", Status.OK),
    ],
)
async def test_who_is_outside_of_the_network(
    address: str, failure: Failure | None, reject: Reject | None, way: Way | None, outcome: str, status: Status
) -> None:
    scene = Scene()
    scene.network.resolves(HOST, address)
    usual = USUAL_6 if ":" in address else USUAL
    scene.network.connects(address, failure=failure, reject=reject, way=way, usual_way=usual)
    found = await scene.one("private-address")
    assert (found.outcome, found.status) == (outcome, status)


@pytest.mark.parametrize("given", [target("https://10.4.5.6:6443"), target(proxy_url="http://proxy.example.com:3128")])
async def test_what_dns_does_not_lead_anywhere_is_not_dnss(given: Target) -> None:
    scene = Scene()
    scene.target = given
    assert (await scene.one("private-address")).outcome == "address-given"


async def test_a_name_without_an_address_has_no_private_one() -> None:
    scene = Scene()
    scene.network.resolves(HOST, failure=Failure.NAME_NOT_FOUND)
    assert (await scene.one("private-address")).outcome == "no-address"


def test_the_outcomes_are_those_above() -> None:
    assert set(PROBES["private-address"].outcomes) == {
        "public-address",
        "private-in-reach",
        "private-unanswered",
        "private-unrouted",
        "address-given",
        "way-not-told",
        "no-address",
    }


def test_a_silent_private_address_is_a_firewalls_or_private() -> None:
    said = answer([*ladder("tcp-connect", "connect-timeout"), finding("private-address", "private-unanswered")])
    assert said.best == {"firewall-drop", "endpoint-private"}
    assert said.first.confidence is Confidence.MEDIUM
    assert said.first.separator is not None


def test_a_private_address_without_a_route_is_the_routes_or_private_and_never_certain() -> None:
    said = answer([*ladder("tcp-connect", "network-unreachable"), finding("private-address", "private-unrouted")])
    assert said.best == {"no-route", "endpoint-private"}
    assert said.first.confidence is Confidence.MEDIUM


def test_a_silent_address_in_reach_is_not_thought_to_be_private() -> None:
    found = finding("private-address", "private-in-reach", status=Status.OK)
    assert "endpoint-private" not in answer([*ladder("tcp-connect", "connect-timeout"), found]).named
