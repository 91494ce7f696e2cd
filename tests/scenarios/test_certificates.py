"""The certificate is read even when it does not verify, so each flaw has its own verdict."""

from __future__ import annotations

import pytest

from bot.model.diagnosis import Confidence
from bot.model.playbook import Domain
from tests.diagnosis.facts import TWO, answer, finding, ladder

OWN = {
    "certificate-expired": "serving-certificate-expired",
    "certificate-not-yet-valid": "serving-certificate-not-yet-valid",
    "certificate-name-mismatch": "serving-certificate-name-mismatch",
    "certificate-unknown-authority": "ca-mismatch",
    "certificate-authority-rebuilt": "ca-mismatch",
    "clocks-disagree": "clock-skew",
    "tls-intercepted": "tls-intercepted",
}


@pytest.mark.parametrize(("outcome", "cause"), OWN.items())
def test_each_flaw_names_its_own_cause_with_certainty(outcome, cause):
    said = answer(ladder("tls-handshake", outcome, addresses=TWO))
    assert said.triage.domain is Domain.TLS
    assert said.triage.symptom == outcome
    assert said.first.id == cause
    assert said.first.confidence is Confidence.HIGH
    assert not [one for one in said.diagnosis.causes if one.domain in (Domain.PROCESS, Domain.AUTH, Domain.HEALTHY)]


def test_a_certificate_wrong_by_this_clock_only_is_not_called_expired():
    assert "serving-certificate-expired" not in answer(ladder("tls-handshake", "clocks-disagree")).named


@pytest.mark.parametrize("outcome", OWN)
def test_the_certificate_of_what_is_no_api_server_is_not_the_fault(outcome):
    found = [one for one in ladder("tls-handshake", outcome) if one.probe != "apiserver-health"]
    said = answer([*found, finding("apiserver-health", "not-an-apiserver")])
    assert said.best & {"client-misconfigured", "dns-wrong-address"}
    assert "serving-certificate" not in said.text
    assert "ca-mismatch" not in said.named
    assert said.first.confidence is not Confidence.HIGH


@pytest.mark.parametrize("outcome", ["certificate-expired", "certificate-not-yet-valid"])
def test_a_wrong_clock_is_thought_of_only_where_the_server_s_own_differs(outcome):
    assert "clock-skew" not in answer(ladder("tls-handshake", outcome)).named


def test_renewal_says_that_the_static_pod_must_be_restarted():
    steps = " ".join(f"{step.say} {step.run}" for step in answer(ladder("tls-handshake", "certificate-expired")).first.next)
    assert "kubeadm certs renew" in steps
    assert "restarting the kubelet does not" in steps


def test_a_namesake_at_an_address_is_this_cluster_rebuilt_or_another_one():
    said = answer([one for one in ladder("tls-handshake", "certificate-namesake") if one.probe != "dns-lookup"])
    assert said.best == {"wrong-cluster-answers", "ca-mismatch"}
    assert said.first.confidence is Confidence.MEDIUM
    assert said.first.separator is not None


def test_an_authority_that_nobody_knows_at_an_address_is_not_certain():
    said = answer(ladder("tls-handshake", "certificate-unidentified"))
    assert (said.first.id, said.first.confidence, said.first.tied_with) == ("ca-mismatch", Confidence.MEDIUM, ())
    assert "wrong-cluster-answers" in said.named


def test_another_cluster_is_thought_of_when_the_authority_differs():
    said = answer(ladder("tls-handshake", "certificate-authority-rebuilt"))
    assert "wrong-cluster-answers" in said.named
    assert "tls-intercepted" not in said.named
