"""What a balancer says of its servers, in the verdict: many causes have one symptom, and its own checks tell them apart."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bot.model.diagnosis import Confidence, Verdict
from bot.model.finding import Finding, Status
from bot.probes._shared.backends import STATUS
from tests.diagnosis.facts import Answer, answer, finding, ladder

NODES = ("10.0.0.11:6443", "10.0.0.12:6443")


def said(outcome: str, subject: str) -> Finding:
    return finding("balancer-statistics", outcome, subject, status=STATUS.get(outcome, Status.PROBLEM))


def statistics(*servers: str, frontend: str = "frontend-open") -> list[Finding]:
    """Two servers, the backend and its frontend, as the probe would tell of them."""
    good = [one for one in servers if one in ("server-healthy", "server-accepts")]
    unchecked = servers.count("server-unchecked")
    if unchecked == len(servers):
        rows = [said("server-unchecked", f"kube/cp{number}") for number in range(1, unchecked + 1)]
        return [*rows, said("not-all-checked", "kube"), said(frontend, "frontend api")]
    backend = "all-up" if len(good) == len(servers) else "some-down" if good else "none-up"
    rows = [said(outcome, f"kube/cp{number}") for number, outcome in enumerate(servers, start=1)]
    return [*rows, said(backend, "kube"), said(frontend, "frontend api")]


def nodes(*outcomes: str) -> list[Finding]:
    return [
        finding("control-plane-nodes", outcome, place, status=Status.OK if outcome == "answers" else None)
        for place, outcome in zip(NODES, outcomes, strict=True)
    ]


def behind(findings: Sequence[Finding]) -> Answer:
    """The balancer takes the connection and closes it before TLS."""
    return answer([*ladder("tls-handshake", "tls-closed"), *findings])


@pytest.mark.parametrize(
    ("outcome", "best"),
    [
        ("server-refused", {"apiserver-not-running", "apiserver-wrong-bind-address"}),
        ("server-silent", {"firewall-drop", "node-down"}),
        ("server-no-route", {"node-down"}),
        ("server-tls-silent", {"apiserver-hung", "file-descriptors-exhausted", "etcd-unavailable"}),
        ("server-check-silent", {"apiserver-hung", "etcd-unavailable"}),
        ("server-check-failing", {"etcd-unavailable"}),
        ("server-check-overloaded", {"overloaded"}),
        ("server-check-bad-request", {"lb-health-check-wrong"}),
        ("server-check-not-allowed", {"lb-health-check-wrong"}),
        ("server-check-not-found", {"lb-health-check-wrong"}),
        ("server-in-maintenance", {"lb-servers-taken-out"}),
        ("server-draining", {"lb-servers-taken-out"}),
        ("server-at-other-port", {"lb-no-healthy-backend"}),
        ("server-unresolved", {"lb-no-healthy-backend"}),
        ("server-down", {"lb-no-healthy-backend"}),
    ],
)
def test_what_every_check_meets_is_the_cause_behind_one_symptom(outcome: str, best: set[str]) -> None:
    seen = behind(statistics(outcome, outcome))
    assert seen.best == best
    assert seen.first.confidence is (Confidence.HIGH if best & DECIDED else Confidence.MEDIUM)


DECIDED = {"overloaded", "lb-health-check-wrong", "lb-servers-taken-out"}
"""What the check itself was answered, or what the balancer was told, leaves no other explanation."""


def test_without_the_balancer_s_view_no_cause_behind_it_is_accused() -> None:
    seen = behind([])
    assert seen.best == {"lb-no-healthy-backend"}
    assert not {"apiserver-not-running", "node-down", "etcd-unavailable", "apiserver-hung"} & set(seen.named)


def test_nodes_that_answer_here_and_are_silent_to_the_balancer_are_filtered_between_them() -> None:
    seen = behind([*statistics("server-silent", "server-silent"), *nodes("answers", "answers")])
    assert seen.best == {"firewall-drop"}
    assert "node-down" not in seen.named


def test_nodes_that_are_found_by_nobody_are_off() -> None:
    seen = behind([*statistics("server-silent", "server-silent"), *nodes("unreachable", "unreachable")])
    assert seen.first.id == "node-down"


def test_a_check_that_asks_wrongly_of_nodes_that_are_ready_is_what_is_wrong() -> None:
    seen = behind([*statistics("server-check-not-allowed", "server-check-not-allowed"), *nodes("answers", "answers")])
    assert seen.best == {"lb-health-check-wrong"}
    assert seen.first.confidence is Confidence.HIGH
    assert seen.first.refines == "lb-no-healthy-backend"


def test_checks_that_do_not_connect_are_not_checks_that_ask_wrongly() -> None:
    seen = behind([*statistics("server-at-other-port", "server-at-other-port"), *nodes("answers", "answers")])
    assert seen.best == {"lb-no-healthy-backend"}


def test_etcd_s_check_that_fails_at_the_nodes_is_what_the_balancer_s_check_meets() -> None:
    seen = behind(
        [*statistics("server-check-failing", "server-check-failing"), *nodes("etcd-check-failing", "etcd-check-failing")]
    )
    assert seen.best == {"etcd-unavailable"}


@pytest.mark.parametrize("outcome", ["server-refused", "server-silent", "server-check-failing", "server-in-maintenance"])
def test_one_server_of_two_that_is_down_while_everything_answers_is_no_outage(outcome: str) -> None:
    seen = answer([*ladder(), *statistics("server-healthy", outcome)])
    assert seen.diagnosis.verdict is Verdict.HEALTHY
    assert seen.best == {"healthy"}
    assert set(seen.named) <= {"healthy", "lb-backend-down"}


def test_one_server_of_two_that_is_down_while_connections_fail_by_turns_is_why_they_do() -> None:
    comes = finding("fresh-connections", "comes-and-goes")
    seen = answer([*ladder(), *statistics("server-healthy", "server-refused"), comes])
    assert (seen.diagnosis.verdict, seen.best) == (Verdict.CAUSE, {"lb-backend-down"})


@pytest.mark.parametrize("outcome", ["server-flapping", "server-failing-unchecked"])
def test_a_server_that_comes_and_goes_is_told_beside_an_api_that_answers(outcome: str) -> None:
    seen = answer([*ladder(), *statistics("server-healthy", outcome)])
    assert seen.diagnosis.verdict is Verdict.HEALTHY
    assert seen.named[1] == "lb-backend-down"


def test_a_balancer_whose_statistics_are_refused_as_well_is_gone() -> None:
    seen = answer([*ladder("tcp-connect", "connection-refused"), said("statistics-refused", "lb:8404")])
    assert seen.best == {"lb-down"}


def test_a_balancer_whose_statistics_hang_as_well_hangs() -> None:
    seen = answer([*ladder("tls-handshake", "tls-silent"), said("statistics-silent", "lb:8404")])
    assert seen.best == {"lb-down"}


def test_servers_that_are_all_up_are_not_what_refuses() -> None:
    seen = answer([*ladder("tcp-connect", "connection-refused"), *statistics("server-healthy", "server-healthy")])
    assert seen.best == {"lb-down", "firewall-reject"}
    assert "node-down" not in seen.named


def test_servers_that_are_all_up_are_not_what_is_silent() -> None:
    seen = answer([*ladder("tcp-connect", "connect-timeout"), *statistics("server-healthy", "server-healthy")])
    assert "firewall-drop" in seen.best
    assert not {"node-down", "apiserver-hung"} & seen.best


def test_a_frontend_that_is_full_is_why_handshakes_wait() -> None:
    seen = answer(
        [*ladder("tls-handshake", "tls-silent"), *statistics("server-healthy", "server-healthy", frontend="frontend-full")]
    )
    assert seen.best == {"lb-sessions-exhausted"}


def test_a_balancer_that_checks_nothing_accuses_and_clears_nobody() -> None:
    before, after = behind([]), behind(statistics("server-unchecked", "server-unchecked"))
    assert [(cause.id, cause.score) for cause in before.diagnosis.causes] == [
        (cause.id, cause.score) for cause in after.diagnosis.causes
    ]


@pytest.mark.parametrize("outcome", ["statistics-unreachable", "backend-not-told", "none-configured"])
def test_a_balancer_that_tells_nothing_changes_no_verdict(outcome: str) -> None:
    assert answer([*ladder(), said(outcome, "balancer")]).diagnosis.verdict is Verdict.HEALTHY
    before, after = behind([]), behind([said(outcome, "balancer")])
    assert [(cause.id, cause.score) for cause in before.diagnosis.causes] == [
        (cause.id, cause.score) for cause in after.diagnosis.causes
    ]
