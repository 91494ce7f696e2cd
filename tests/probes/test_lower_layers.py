"""Controls, name and TCP: every outcome has a scene that leads to it, and each address is judged by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.model.finding import Status
from bot.model.observation import Failure, Reject, Way
from bot.model.target import Endpoint
from bot.probes._shared.names import search_domains, system_nameservers
from tests.probes.scene import ADDRESS, HOST, PLACE, PROBES, Scene, target

Arrange = Callable[[Scene], object]

CONTROL = Endpoint(host="192.0.2.10", port=443)
OTHER = Endpoint(host="192.0.2.11", port=443)
DNS = "10.0.0.53"
SECOND = "10.0.0.54"


def with_controls(scene: Scene, failure: Failure | None, other: Failure | None = None) -> None:
    scene.controls = (CONTROL, OTHER)
    scene.network.connects(CONTROL.host, port=443, failure=failure)
    scene.network.connects(OTHER.host, port=443, failure=other)


def same(failure: Failure) -> Arrange:
    return lambda scene: with_controls(scene, failure, failure)


CONTROLS: list[tuple[str, Status, Arrange]] = [
    ("controls-reachable", Status.OK, lambda scene: with_controls(scene, Failure.CONNECT_TIMEOUT, None)),
    ("controls-unreachable", Status.PROBLEM, same(Failure.CONNECT_TIMEOUT)),
    ("controls-unreachable", Status.INCONCLUSIVE, same(Failure.DEADLINE_CAPPED)),
    ("no-network", Status.PROBLEM, same(Failure.NETWORK_UNREACHABLE)),
    ("no-controls", Status.NOT_CHECKED, lambda scene: None),
]


@pytest.mark.parametrize(("outcome", "status", "arrange"), CONTROLS)
async def test_controls(outcome: str, status: Status, arrange: Arrange) -> None:
    scene = Scene()
    arrange(scene)
    finding = await scene.one("negative-control")
    assert (finding.outcome, finding.status, finding.subject) == (outcome, status, "controls")


def system_fails(failure: Failure, direct: Failure, **given: object) -> Arrange:
    def arrange(scene: Scene) -> None:
        scene.network.resolves(HOST, failure=failure)
        scene.network.resolves(HOST, server=DNS, failure=direct, **given)

    return arrange


def hosts_entry(scene: Scene) -> None:
    scene.network.resolves(HOST, "10.9.9.9")
    scene.network.resolves(HOST, "10.0.0.1", "10.0.0.2", server=DNS)


def zone_not_linked(scene: Scene) -> None:
    scene.network.resolves(HOST, failure=Failure.NAME_NOT_FOUND)
    scene.network.resolves(HOST, server=DNS, failure=Failure.NAME_NOT_FOUND)
    scene.network.resolves(HOST, "10.0.0.1", server=SECOND)


def unknown_to_all(scene: Scene) -> None:
    for server in (None, DNS, SECOND):
        scene.network.resolves(HOST, server=server, failure=Failure.NAME_NOT_FOUND)


def another_view(scene: Scene, own: Failure | None = Failure.CONNECT_TIMEOUT, others: Failure | None = None) -> None:
    for server in (None, DNS):
        scene.network.resolves(HOST, "10.9.9.9", server=server)
    scene.network.resolves(HOST, "10.0.0.1", server=SECOND)
    scene.network.connects("10.9.9.9", failure=own)
    scene.network.connects("10.0.0.1", failure=others)


def hosts_entry_before_all(scene: Scene) -> None:
    hosts_entry(scene)
    scene.network.resolves(HOST, "10.0.0.1", server=SECOND)


def by_address(scene: Scene) -> None:
    scene.target = target("https://10.0.0.1:6443")


def behind_proxy(**scripted: Any) -> Arrange:
    def arrange(scene: Scene) -> None:
        scene.target = target(proxy_url="http://user:secret@proxy.example.com:3128")
        for server in (None, DNS):
            scene.network.resolves("proxy.example.com", server=server, **scripted)

    return arrange


NAMES: list[tuple[str, Status, Arrange]] = [
    ("resolved", Status.OK, lambda scene: scene.network.resolves(HOST, "10.0.0.1")),
    ("address-given", Status.NOT_APPLICABLE, by_address),
    ("name-not-found", Status.PROBLEM, system_fails(Failure.NAME_NOT_FOUND, Failure.NAME_NOT_FOUND)),
    ("name-not-found", Status.PROBLEM, system_fails(Failure.RESOLVER_FAILING, Failure.NAME_NOT_FOUND)),
    ("name-has-no-address", Status.PROBLEM, system_fails(Failure.NAME_HAS_NO_ADDRESS, Failure.NAME_HAS_NO_ADDRESS)),
    ("proxy-name-not-found", Status.PROBLEM, behind_proxy(failure=Failure.NAME_NOT_FOUND)),
    ("resolver-failing", Status.PROBLEM, system_fails(Failure.RESOLVER_FAILING, Failure.RESOLVER_FAILING, rcode="SERVFAIL")),
    ("resolver-timeout", Status.PROBLEM, system_fails(Failure.RESOLVER_FAILING, Failure.RESOLVER_TIMEOUT)),
    ("answers-differ", Status.PROBLEM, hosts_entry),
    ("nameservers-disagree", Status.PROBLEM, zone_not_linked),
    ("nameservers-disagree", Status.PROBLEM, another_view),
    ("resolved", Status.OK, lambda scene: another_view(scene, own=None)),
    ("resolved", Status.OK, lambda scene: another_view(scene, others=Failure.CONNECT_TIMEOUT)),
    ("answers-differ", Status.PROBLEM, hosts_entry_before_all),
    ("name-not-found", Status.PROBLEM, unknown_to_all),
    ("local-failure", Status.ERROR, system_fails(Failure.LOCAL_FAILURE, Failure.LOCAL_FAILURE)),
    ("deadline-capped", Status.INCONCLUSIVE, system_fails(Failure.DEADLINE_CAPPED, Failure.DEADLINE_CAPPED)),
]


@pytest.mark.parametrize(("outcome", "status", "arrange"), NAMES)
async def test_names(outcome: str, status: Status, arrange: Arrange) -> None:
    scene = Scene()
    arrange(scene)
    finding = await scene.one("dns-lookup", server=f"{DNS}, {SECOND}")
    assert (finding.outcome, finding.status, finding.subject) == (outcome, status, (scene.target.proxy or scene.target).host)


async def test_a_round_robin_that_shares_an_address_is_no_difference() -> None:
    scene = Scene()
    scene.network.resolves(HOST, "10.0.0.1", "10.0.0.2")
    scene.network.resolves(HOST, "10.0.0.2", "10.0.0.3", server=DNS)
    assert (await scene.one("dns-lookup", server=DNS)).outcome == "resolved"


async def test_the_dns_servers_code_is_evidence() -> None:
    scene = Scene()
    system_fails(Failure.RESOLVER_FAILING, Failure.RESOLVER_FAILING, rcode="SERVFAIL", raw_error="answered SERVFAIL")(scene)
    finding = await scene.one("dns-lookup", server=DNS)
    assert finding.evidence["rcode"] == "SERVFAIL"
    assert finding.raw_error == "answered SERVFAIL"
    assert "(SERVFAIL)" in finding.sentence


@pytest.mark.parametrize("failure", [Failure.NAME_NOT_FOUND, Failure.NAME_HAS_NO_ADDRESS])
async def test_a_proxy_without_an_address_is_not_the_server_s_name_that_is_missing(failure: Failure) -> None:
    scene = Scene()
    behind_proxy(failure=failure)(scene)
    finding = await scene.one("dns-lookup", server=DNS)
    assert (finding.status, finding.outcome, finding.subject) == (Status.PROBLEM, "proxy-name-not-found", "proxy.example.com")
    assert f"the name of the proxy that leads to {HOST}" in finding.sentence


def test_the_dns_servers_to_compare_with_come_from_the_machine_s_configuration(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("search example.test\nnameserver fd00::53\nnameserver 10.0.0.53\n")
    assert system_nameservers(str(path)) == ("fd00::53", "10.0.0.53")
    assert system_nameservers(str(tmp_path / "missing")) == ()
    path.write_text("".join(f"nameserver 10.0.0.{number}\n" for number in (1, 1, 2, 3, 4)))
    assert system_nameservers(str(path)) == ("10.0.0.1", "10.0.0.2", "10.0.0.3")


async def test_behind_a_proxy_its_name_is_the_one_that_must_resolve() -> None:
    scene = Scene(target=target(proxy_url="http://proxy.example.com:3128"))
    scene.network.resolves(HOST, failure=Failure.NAME_NOT_FOUND)
    finding = await scene.one("dns-lookup")
    assert (finding.subject, finding.outcome) == ("proxy.example.com", "resolved")


def test_search_domains_come_from_the_machine_s_configuration(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 10.0.0.53\nsearch corp.example.com example.com\n")
    assert search_domains(str(path)) == ("corp.example.com", "example.com")
    assert search_domains(str(tmp_path / "missing")) == ()


async def test_a_name_that_leads_nowhere_is_said_to_stand_for_another() -> None:
    scene = Scene()
    for server in (None, "10.0.0.53"):
        aliases = ("lb-1.example.net",) if server else ()
        scene.network.resolves("api.example.com", server=server, failure=Failure.NAME_NOT_FOUND, aliases=aliases)
    finding = await scene.one("dns-lookup", server="10.0.0.53")
    assert finding.outcome == "name-not-found"
    assert finding.sentence == "The name api.example.com stands for lb-1.example.net, which does not exist."
    assert finding.evidence["aliases"] == ["lb-1.example.net"]


async def test_what_a_name_stands_for_is_told_where_all_is_well() -> None:
    scene = Scene()
    scene.network.resolves("api.example.com", "10.0.0.1", server="10.0.0.53", aliases=("lb-1.example.net",), ttl_s=60)
    finding = await scene.one("dns-lookup", server="10.0.0.53")
    assert "api.example.com stands for lb-1.example.net and resolves to 10.0.0.1" in finding.sentence
    assert finding.evidence["ttl_s"] == 60


async def test_a_configured_dns_server_is_asked_as_well() -> None:
    scene = Scene(resolvers=("192.0.2.53",))
    for server in (None, "10.0.0.53"):
        scene.network.resolves("api.example.com", server=server, failure=Failure.NAME_NOT_FOUND)
    scene.network.resolves("api.example.com", "10.0.0.7", server="192.0.2.53")
    finding = await scene.one("dns-lookup", server="10.0.0.53")
    assert finding.outcome == "nameservers-disagree"
    assert "192.0.2.53, another DNS server, says 10.0.0.7" in finding.sentence


async def test_a_name_without_a_dot_is_said_to_need_a_search_domain() -> None:
    scene = Scene(target=target("https://api:6443"))
    scene.network.resolves("api", failure=Failure.NAME_NOT_FOUND)
    finding = await scene.one("dns-lookup", server="10.0.0.53")
    assert finding.outcome == "name-not-found"
    assert "api has no dot; this machine" in finding.sentence or "no search domain" in finding.sentence


def fails(failure: Failure, **given: object) -> Arrange:
    return lambda scene: scene.network.connects(ADDRESS, failure=failure, **given)


def rejected(scene: Scene) -> None:
    reject = Reject(offender="10.0.0.254", icmp_type=3, icmp_code=13)
    scene.network.connects(ADDRESS, failure=Failure.CONNECTION_REJECTED, reject=reject)


def router_says_no(scene: Scene) -> None:
    reject = Reject(offender="10.0.0.254", icmp_type=3, icmp_code=0)
    scene.network.connects(ADDRESS, failure=Failure.NETWORK_UNREACHABLE, reject=reject)


def router_knows_no_host(scene: Scene) -> None:
    reject = Reject(offender="10.0.0.254", icmp_type=3, icmp_code=1)
    scene.network.connects(ADDRESS, failure=Failure.HOST_UNREACHABLE, reject=reject, duration_s=0.002)


def through_proxy(failure: Failure, raw_error: str) -> Arrange:
    def arrange(scene: Scene) -> None:
        scene.target = target(proxy_url="http://proxy.example.com:3128")
        scene.network.handshakes(HOST, failure=failure, raw_error=raw_error)

    return arrange


def without_ipv6(scene: Scene) -> None:
    scene.network.resolves(HOST, ADDRESS, "2001:db8::1")
    scene.network.connects("2001:db8::1", failure=Failure.NO_ADDRESS_FAMILY)


def past_proxy(failure: Failure | None) -> Arrange:
    """The proxy cannot connect, and neither can this machine; without a failure it knows no address to try."""

    def arrange(scene: Scene) -> None:
        through_proxy(Failure.PROXY_GATEWAY, "it answers 'HTTP/1.1 502 Bad Gateway'")(scene)
        scene.network.connects(ADDRESS, failure=failure)
        if failure is None:
            scene.network.resolves(HOST, failure=Failure.NAME_NOT_FOUND)

    return arrange


TCP: list[tuple[str, Status, Arrange]] = [
    ("connected", Status.OK, lambda scene: None),
    ("connection-refused", Status.PROBLEM, fails(Failure.CONNECTION_REFUSED)),
    ("connection-rejected", Status.PROBLEM, rejected),
    ("connect-timeout", Status.PROBLEM, fails(Failure.CONNECT_TIMEOUT, duration_s=4.0)),
    ("host-unreachable", Status.PROBLEM, fails(Failure.HOST_UNREACHABLE, duration_s=3.06)),
    ("host-unreachable-at-once", Status.PROBLEM, router_knows_no_host),
    ("local-route-refuses", Status.PROBLEM, fails(Failure.LOCAL_ROUTE_REFUSES)),
    ("network-unreachable", Status.PROBLEM, router_says_no),
    ("no-local-route", Status.PROBLEM, fails(Failure.NETWORK_UNREACHABLE)),
    ("no-local-route", Status.PROBLEM, fails(Failure.NO_ADDRESS_FAMILY)),
    ("no-address-family", Status.NOT_APPLICABLE, without_ipv6),
    ("connection-reset", Status.PROBLEM, fails(Failure.CONNECTION_RESET)),
    ("local-failure", Status.ERROR, fails(Failure.LOCAL_FAILURE, raw_error="too many open files")),
    ("address-forbidden", Status.NOT_CHECKED, fails(Failure.ADDRESS_FORBIDDEN, raw_error="it is a loopback address")),
    ("proxy-failed", Status.PROBLEM, through_proxy(Failure.PROXY_FAILED, "it answers 'HTTP/1.1 403 Forbidden'")),
    ("proxy-gateway-only", Status.PROBLEM, through_proxy(Failure.PROXY_GATEWAY, "it answers 'HTTP/1.1 502 Bad Gateway'")),
    ("proxy-gateway", Status.PROBLEM, past_proxy(Failure.CONNECTION_REFUSED)),
    ("proxy-gateway", Status.PROBLEM, past_proxy(None)),
    ("deadline-capped", Status.INCONCLUSIVE, fails(Failure.DEADLINE_CAPPED, capped=True)),
    ("no-address", Status.NOT_APPLICABLE, lambda scene: scene.network.resolves(HOST, failure=Failure.NAME_NOT_FOUND)),
]


@pytest.mark.parametrize(("outcome", "status", "arrange"), TCP)
async def test_connecting(outcome: str, status: Status, arrange: Arrange) -> None:
    scene = Scene()
    arrange(scene)
    findings = await scene.run("tcp-connect")
    assert (outcome, status) in [(finding.outcome, finding.status) for finding in findings]
    assert all(finding.outcome in (outcome, "connected") for finding in findings)


async def test_a_neighbour_that_was_looked_for_is_told_from_a_way_that_does_not_exist() -> None:
    scene = Scene()
    reject = Reject(offender="10.0.0.254", icmp_type=3, icmp_code=1)
    scene.network.connects(ADDRESS, failure=Failure.HOST_UNREACHABLE, reject=reject, duration_s=3.06)
    assert (await scene.one("tcp-connect")).outcome == "host-unreachable"


async def test_whence_a_connection_was_tried_is_told_although_it_failed() -> None:
    scene = Scene()
    scene.network.connects(ADDRESS, failure=Failure.CONNECT_TIMEOUT, way=Way(interface="tun0", source="10.8.0.2"))
    evidence = (await scene.one("tcp-connect")).evidence
    assert (evidence["local_address"], evidence["interface"]) == ("10.8.0.2", "tun0")


async def test_a_rejection_names_who_rejects_and_how() -> None:
    scene = Scene()
    rejected(scene)
    finding = await scene.one("tcp-connect")
    assert finding.evidence.items() >= {"offender": "10.0.0.254", "icmp_type": 3, "icmp_code": 13}.items()
    assert "10.0.0.254 sends an ICMP error (administratively prohibited)" in finding.sentence


async def test_a_host_that_rejects_by_itself_is_called_so() -> None:
    scene = Scene()
    reject = Reject(offender=ADDRESS, icmp_type=3, icmp_code=3)
    scene.network.connects(ADDRESS, failure=Failure.CONNECTION_REJECTED, reject=reject)
    assert "that host itself sends an ICMP error (port unreachable)" in (await scene.one("tcp-connect")).sentence


async def test_a_dns_server_that_is_not_there_has_not_answered_with_a_failure() -> None:
    scene = Scene()
    system_fails(Failure.RESOLVER_FAILING, Failure.RESOLVER_FAILING, raw_error="Connection refused")(scene)
    sentence = (await scene.one("dns-lookup", server=DNS)).sentence
    assert sentence == f"Nothing answers DNS at {DNS}, so {HOST} does not resolve: Connection refused."


async def test_each_address_has_its_own_finding_and_the_quick_one_does_not_wait() -> None:
    scene = Scene()
    scene.network.resolves(HOST, "10.0.0.1", "2001:db8::1")
    scene.network.connects("10.0.0.1", failure=Failure.CONNECTION_REFUSED)
    scene.network.hold(("connect", "10.0.0.1", 6443), until=("connect", "192.0.2.99", 1))
    probe = PROBES["tcp-connect"]
    context = scene.context("tcp-connect", {})
    findings = probe.run(context, probe.validate({}))
    first = await anext(findings)
    assert (first.subject, first.outcome) == ("[2001:db8::1]:6443", "connected")
    await scene.network.connect("192.0.2.99", 1)
    second = await anext(findings)
    assert (second.subject, second.outcome) == (PLACE, "connection-refused")
    await findings.aclose()


async def test_a_probe_that_is_abandoned_ends_without_an_error() -> None:
    scene = Scene()
    scene.network.resolves(HOST, "10.0.0.1", "10.0.0.2")
    scene.network.hold(("connect", "10.0.0.2", 6443), until=("connect", "192.0.2.99", 1))
    probe = PROBES["tcp-connect"]
    findings = probe.run(scene.context("tcp-connect", {}), probe.validate({}))
    await anext(findings)
    await findings.aclose()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("tcp-connect ")]
    await scene.network.connect("192.0.2.99", 1)


async def test_a_defect_at_one_address_costs_no_other_finding() -> None:
    scene = Scene()
    scene.network.resolves(HOST, "10.0.0.1", "10.0.0.2")
    scene.network.connects("10.0.0.1", duration_s="not a number")
    probe = PROBES["tcp-connect"]
    findings = probe.run(scene.context("tcp-connect", {}), probe.validate({}))
    assert (await anext(findings)).subject == "10.0.0.2:6443"
    with pytest.raises(ValueError, match="duration_s"):
        await anext(findings)


@pytest.mark.parametrize(("probe", "table"), [("negative-control", CONTROLS), ("dns-lookup", NAMES), ("tcp-connect", TCP)])
def test_every_declared_outcome_has_a_scene(probe: str, table: list[tuple[str, Status, Arrange]]) -> None:
    assert {outcome for outcome, _, _ in table} == set(PROBES[probe].outcomes)
