"""What lies on the way and what only a person can look at: rules of a cloud, routes, addresses that float, pods' networks."""

from __future__ import annotations

import pytest

from bot.model.answer import MANUAL, PERSON, Answer
from bot.model.diagnosis import Confidence, CorrelationResult, Verdict
from bot.model.finding import Finding, Status
from tests.diagnosis.facts import AT, TWO, answer, correlation, finding, ladder

REFUSED = ladder("tcp-connect", "connection-refused", addresses=TWO)
SILENT = ladder("tcp-connect", "connect-timeout", addresses=TWO)
EXPIRED = ladder("tls-handshake", "certificate-expired")
NOBODY = ladder("tcp-connect", "host-unreachable")
CLOSED = ladder("tls-handshake", "tls-closed")


def told(step: str, said: Answer) -> Finding:
    """A person's answer to a manual step."""
    status = Status.OK if said is Answer.LOOKS_OK else Status.PROBLEM
    return Finding(
        probe=MANUAL, vantage=PERSON, subject=step, status=status, outcome=said.value, sentence=f"{step}: {said}.", started_at=AT
    )


@pytest.mark.parametrize(
    ("found", "step", "cause"),
    [
        (REFUSED, "certificate-dates", "internal-certificate-expired"),
        (SILENT, "cloud-firewall", "security-group-change"),
        (SILENT, "security-groups", "security-group-change"),
        (SILENT, "route-tables", "route-broken"),
        (SILENT, "allow-list", "authorized-ip-ranges"),
        (NOBODY, "virtual-address", "vip-not-held"),
        (EXPIRED, "certificates-on-disk", "certificate-renewed-not-loaded"),
    ],
)
def test_what_a_person_found_comes_first_and_is_certain(found: list[Finding], step: str, cause: str) -> None:
    said = answer([*found, told(step, Answer.FOUND)])
    assert said.first.id == cause
    assert said.first.confidence is Confidence.HIGH
    assert answer(found).first.confidence is not Confidence.HIGH or answer(found).first.id != cause


@pytest.mark.parametrize(
    ("found", "step", "cause"),
    [
        (REFUSED, "listener", "apiserver-wrong-bind-address"),
        (SILENT, "allow-list", "authorized-ip-ranges"),
        (EXPIRED, "certificates-on-disk", "certificate-renewed-not-loaded"),
    ],
)
def test_what_a_person_found_in_order_is_not_accused_any_more(found: list[Finding], step: str, cause: str) -> None:
    assert cause in answer(found).named
    assert cause not in answer([*found, told(step, Answer.LOOKS_OK)]).named


def test_the_renewed_certificate_takes_the_expired_one_s_place():
    said = answer([*EXPIRED, told("certificates-on-disk", Answer.FOUND)])
    assert said.first.refines == "serving-certificate-expired"
    assert "serving-certificate-expired" not in said.named


def test_a_kubelet_that_lives_and_starts_nothing_is_told_from_one_that_is_down():
    log = told("kubelet-log", Answer.FOUND)
    assert answer([*REFUSED, log, told("kubelet-state", Answer.LOOKS_OK)]).first.id == "static-pod-not-started"
    down = answer([*REFUSED, log, told("kubelet-state", Answer.FOUND)])
    assert down.first.id == "kubelet-down"
    assert "static-pod-not-started" not in down.named


def test_a_service_that_fails_where_the_server_answers_is_the_pod_network():
    said = answer([*ladder(), told("service-address", Answer.FOUND), told("from-a-pod", Answer.LOOKS_OK)])
    broken = next(cause for cause in said.diagnosis.causes if cause.id == "service-network-broken")
    assert broken.score == 6
    assert "network-policy-blocks" not in said.named


def test_a_change_alone_names_what_changed_and_is_not_certain():
    said = answer(SILENT, correlations=[correlation("security-group", CorrelationResult.MATCH)])
    changed = next(cause for cause in said.diagnosis.causes if cause.id == "security-group-change")
    assert changed.confidence is not Confidence.HIGH


def test_a_policy_that_closes_the_gateway_is_named_beside_the_balancer():
    said = answer([*CLOSED, finding("network-policies", "gateway-closed", "ingress/deny-all")])
    assert "network-policy-blocks" in said.named
    assert said.first.id == "lb-no-healthy-backend", "one policy does not say that it is what stops this client"


@pytest.mark.parametrize("outcome", ["nothing-restricted", "none-found"])
def test_without_such_a_policy_none_is_accused(outcome: str) -> None:
    status = Status.OK if outcome == "nothing-restricted" else Status.NOT_APPLICABLE
    said = answer([*CLOSED, finding("network-policies", outcome, "network policies", status=status)])
    assert "network-policy-blocks" not in said.named


def test_memory_is_named_and_not_only_the_loop():
    said = answer([*REFUSED, finding("apiserver-pods", "oom-killed", "kube-system/kube-apiserver-cp1")])
    assert said.first.id == "apiserver-oom-killed"
    assert said.first.refines == "apiserver-crash-looping"


def test_lost_packets_are_no_outage_where_the_server_answers():
    said = answer([*ladder(), finding("connection-quality", "lossy")])
    assert said.diagnosis.verdict is Verdict.HEALTHY
    assert "path-losing-packets" in said.named


def test_lost_first_packets_point_at_the_queue_and_not_at_the_line():
    said = answer([*SILENT, finding("connection-quality", "first-packets-lost")])
    assert "listen-queue-overflow" in said.named
    assert "path-losing-packets" not in said.named


def test_packets_that_vanish_by_their_size_are_certain():
    said = answer([*ladder("tls-handshake", "tls-silent-but-listening"), finding("path-mtu", "black-hole")])
    assert "mtu-black-hole" in said.best


def test_two_certain_findings_of_different_things_are_shown_tied():
    said = answer([*SILENT, told("cloud-firewall", Answer.FOUND), told("route-tables", Answer.FOUND)])
    assert said.best == {"security-group-change", "route-broken"}
    assert said.first.confidence is not Confidence.HIGH


WELL = [
    finding("balancer-statistics", "all-up", "api", status=Status.OK),
    finding("balancer-statistics", "frontend-open", "frontend api", status=Status.OK),
    finding("prometheus-targets", "apiserver-up", "API servers", status=Status.OK),
]
"""The balancer and all behind it, asked at addresses of their own."""


def test_an_address_that_no_machine_has_while_the_balancer_is_well_is_not_held():
    said = answer([*NOBODY, *WELL])
    assert said.best == {"vip-not-held"}
    assert said.first.refines == "lb-down"
    assert "vip-not-held" not in answer(NOBODY).best, "without the balancer's word it may be any machine's address"


def test_connections_that_come_and_go_while_the_balancer_has_all_up_go_to_two_holders():
    found = [*ladder("tcp-connect", "connection-refused"), finding("fresh-connections", "comes-and-goes")]
    assert "vip-not-held" in answer([*found, *WELL]).named[:2]
    assert "vip-not-held" not in answer(found).named
    down = finding("balancer-statistics", "some-down", "api")
    assert "vip-not-held" not in answer([*found, down, *WELL[1:]]).best


@pytest.mark.parametrize("outcome", ["connection-refused", "connection-rejected", "connect-timeout"])
def test_an_address_that_answers_or_is_silent_is_not_called_unheld(outcome: str) -> None:
    said = answer([*ladder("tcp-connect", outcome), *WELL])
    assert "vip-not-held" not in said.best
