"""What Prometheus's scrapes and values do to the verdict, with the real causes: what looks alike from outside is told apart."""

from __future__ import annotations

import pytest

from bot.model.diagnosis import Confidence, Diagnosis, Verdict
from bot.model.finding import Finding
from bot.probes._shared import scrapes, signals
from tests.diagnosis.facts import answer, finding, ladder


def scraped(*outcomes: str) -> list[Finding]:
    """The findings of both probes with these outcomes."""
    found = []
    for outcome in outcomes:
        if outcome in scrapes.OUTCOMES:
            status = scrapes.Said(subject="x", outcome=outcome, says="x").status
            found.append(finding("prometheus-targets", outcome, outcome, status=status))
        else:
            status = signals.Said(subject="x", outcome=outcome, says="x").status
            found.append(finding("prometheus-signals", outcome, outcome, status=status))
    return found


def verdict(failing: str, symptom: str, *outcomes: str) -> Diagnosis:
    return answer([*ladder(failing or None, symptom), *scraped(*outcomes)]).diagnosis


def first(found: Diagnosis) -> set[str]:
    return {found.causes[0].id, *found.causes[0].tied_with}


TCP, TLS, HTTP = "tcp-connect", "tls-handshake", "apiserver-health"

TABLE = [
    # Refused by the API server's own address
    (TCP, "connection-refused", ["apiserver-refused", "node-up"], {"apiserver-not-running", "apiserver-wrong-bind-address"}),
    (TCP, "connection-refused", ["apiserver-refused", "etcd-watched-less"], {"apiserver-not-running"}),
    (TCP, "connection-refused", ["apiserver-refused", "etcd-watched-as-before"], {"apiserver-wrong-bind-address"}),
    (TCP, "connection-refused", ["asked-up", "node-up"], {"firewall-reject"}),
    (TCP, "connection-refused", ["apiserver-refused", "processes-gone"], {"apiserver-not-running"}),
    (TCP, "connection-refused", ["apiserver-refused", "processes-alive"], {"apiserver-wrong-bind-address"}),
    # Refused by a balancer's address
    (TCP, "connection-refused", ["apiserver-up", "balancer-gone", "asked-host-up"], {"lb-down"}),
    (TCP, "connection-refused", ["apiserver-up", "balancer-refused"], {"lb-down"}),
    (TCP, "connection-refused", ["apiserver-up", "asked-host-no-route"], {"lb-down"}),
    (TCP, "connection-refused", ["apiserver-up", "balancer-up", "asked-host-up"], {"firewall-reject"}),
    (TCP, "connection-refused", ["apiserver-up"], {"lb-down", "firewall-reject"}),
    # Silence
    (TCP, "connect-timeout", ["asked-up", "node-up"], {"firewall-drop", "authorized-ip-ranges"}),
    (TCP, "connect-timeout", ["apiserver-up", "asked-host-up", "balancer-up"], {"firewall-drop", "authorized-ip-ranges"}),
    (TCP, "connect-timeout", ["apiserver-silent", "node-silent"], {"node-down"}),
    (TCP, "connect-timeout", ["apiserver-no-route", "node-no-route"], {"node-down"}),
    (TCP, "host-unreachable", ["apiserver-no-route", "node-no-route"], {"node-down"}),
    (TCP, "host-unreachable", ["apiserver-up", "asked-host-no-route", "balancer-no-route"], {"lb-down"}),
    (TCP, "connect-timeout", ["apiserver-silent", "node-up"], {"firewall-drop"}),
    (
        TCP,
        "connect-timeout",
        ["apiserver-silent", "node-up", "listen-queue-overflowing"],
        {"listen-queue-overflow", "apiserver-hung"},
    ),
    (TCP, "host-unreachable", ["apiserver-no-route", "node-gone"], {"node-down"}),
    (TCP, "host-unreachable-at-once", ["apiserver-up", "balancer-up", "asked-host-up"], {"no-route"}),
    # A port that is not the API server's
    (TCP, "connection-refused", ["apiserver-at-other-port", "asked-host-up"], {"client-misconfigured"}),
    # A process that says nothing
    (TLS, "tls-silent", ["apiserver-silent", "node-up", "etcd-up", "files-free"], {"apiserver-hung"}),
    (TLS, "tls-silent", ["apiserver-refused", "etcd-refused"], {"etcd-unavailable"}),
    (TLS, "tls-silent", ["apiserver-silent", "node-up", "etcd-refused"], {"etcd-unavailable"}),
    (TLS, "tls-silent", ["asked-up", "files-near-limit", "etcd-up"], {"file-descriptors-exhausted"}),
    (TLS, "tls-silent", ["apiserver-up", "asked-host-up", "balancer-silent", "etcd-up", "files-free"], {"lb-down"}),
    (TLS, "tls-silent", ["asked-up", "files-exhausted", "etcd-up"], {"file-descriptors-exhausted"}),
    # Nobody behind the balancer
    (TLS, "tls-closed", ["apiserver-refused", "processes-gone"], {"apiserver-not-running"}),
    (TLS, "tls-closed", ["apiserver-silent", "node-up", "etcd-up"], {"apiserver-hung"}),
    (TLS, "tls-closed", ["apiserver-refused", "node-up", "etcd-watched-less"], {"apiserver-not-running"}),
    (TLS, "tls-closed", ["apiserver-up", "etcd-refused"], {"etcd-unavailable"}),
    (TLS, "tls-closed", ["apiserver-up", "etcd-silent"], {"etcd-unavailable"}),
    (TLS, "tls-closed", ["apiserver-no-route", "node-no-route"], {"node-down"}),
    # It says so itself
    (HTTP, "etcd-check-failing", ["asked-up", "etcd-refused"], {"etcd-unavailable"}),
    (HTTP, "overloaded", ["apiserver-shedding"], {"overloaded"}),
]


@pytest.mark.parametrize(("failing", "symptom", "outcomes", "wanted"), TABLE)
def test_what_looks_alike_from_outside_is_told_apart(failing: str, symptom: str, outcomes: list[str], wanted: set[str]) -> None:
    assert first(verdict(failing, symptom, *outcomes)) == wanted


DECISIVE = {
    "etcd-refused": "etcd-unavailable",
    "processes-gone": "apiserver-not-running",
    "balancer-gone": "lb-down",
    "node-gone": "node-down",
    "files-exhausted": "file-descriptors-exhausted",
}
"""What leaves nothing to doubt, because two things were seen together."""


@pytest.mark.parametrize(("failing", "symptom", "outcomes", "wanted"), TABLE)
def test_little_is_certain(failing: str, symptom: str, outcomes: list[str], wanted: set[str]) -> None:
    """A second place is strong evidence; what may lie between it and the fault is not known."""
    found, without = verdict(failing, symptom, *outcomes), verdict(failing, symptom)
    certain = {cause.id for cause in without.causes if cause.confidence is Confidence.HIGH}
    high = {cause.id for cause in found.causes if cause.confidence is Confidence.HIGH}
    assert high <= certain | {DECISIVE[one] for one in outcomes if one in DECISIVE}


def test_what_is_certain_is_said_so() -> None:
    for _, symptom, outcomes, _ in TABLE:
        for one in DECISIVE.keys() & {*outcomes}:
            found = verdict(*next((f, s) for f, s, o, _ in TABLE if o is outcomes and s == symptom), *outcomes)
            assert (found.causes[0].id, found.causes[0].confidence) == (DECISIVE[one], Confidence.HIGH), outcomes


@pytest.mark.parametrize("outcome", ["stale", "never-up", "not-told", "no-such-target", "clusters-mixed", "not-answered"])
def test_what_cannot_tell_changes_nothing(outcome: str) -> None:
    before, after = verdict(TCP, "connection-refused"), verdict(TCP, "connection-refused", outcome)
    assert [(cause.id, cause.score) for cause in before.causes] == [(cause.id, cause.score) for cause in after.causes]


@pytest.mark.parametrize(
    "outcome", ["asked-up", "apiserver-up", "apiservers-differ", "others-down", "stale", "not-configured", "never-up"]
)
def test_a_clean_ladder_stays_healthy(outcome: str) -> None:
    assert verdict("", "", outcome).verdict is Verdict.HEALTHY


def test_an_etcd_that_can_be_scraped_does_not_clear_the_api_servers_way_to_it() -> None:
    """Its metrics have a listener of their own: a filter or a certificate between the two is not seen by Prometheus."""
    assert "etcd-unavailable" in first(verdict(HTTP, "etcd-check-failing", "asked-up", "etcd-up"))
