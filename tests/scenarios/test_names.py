"""DNS fails before anything is connected to; the API server is then not accused."""

from __future__ import annotations

import pytest

from bot.model.diagnosis import Confidence
from bot.model.playbook import Domain
from tests.diagnosis.facts import ONE, answer, climb, finding, ladder


@pytest.mark.parametrize(
    ("outcome", "cause"),
    [
        ("name-not-found", "dns-name-not-found"),
        ("name-has-no-address", "dns-name-not-found"),
        ("resolver-failing", "dns-server-failing"),
        ("resolver-timeout", "dns-server-failing"),
    ],
)
def test_each_dns_fault_stays_with_dns(outcome, cause):
    said = answer(ladder("dns-lookup", outcome))
    assert said.triage.domain is Domain.DNS
    assert said.triage.symptom == outcome
    assert said.first.id == cause
    assert not [one for one in said.diagnosis.causes if one.domain not in (Domain.DNS, Domain.CLIENT)]


def test_an_override_that_leads_to_a_dead_address_explains_the_refusal():
    found = [finding("dns-lookup", "answers-differ", "api.prod.example"), *climb(ONE[0], "tcp-connect", "connection-refused")]
    said = answer(found)
    assert said.triage.symptom == "connection-refused"
    assert said.first.id == "hosts-file-override"
    assert "apiserver-not-running" in said.named


def test_an_override_that_works_is_no_clean_ladder():
    said = answer(ladder("dns-lookup", "answers-differ"))
    assert said.first.id == "hosts-file-override"
    assert said.first.confidence is not Confidence.HIGH
    assert "healthy" not in said.named


def test_something_else_at_the_address_is_a_wrong_url_or_a_wrong_record():
    said = answer(ladder("apiserver-health", "not-an-apiserver"))
    assert said.best == {"client-misconfigured", "dns-wrong-address"}


def test_another_server_at_the_address_is_told_from_a_rebuilt_cluster():
    said = answer(ladder("tls-handshake", "certificate-foreign"))
    assert said.first.id == "wrong-cluster-answers"
    assert said.best == {"wrong-cluster-answers", "dns-wrong-address", "ca-mismatch"}
    assert said.first.confidence is Confidence.MEDIUM


def test_plain_http_to_the_https_port_is_the_client_s_and_certain():
    said = answer(ladder("apiserver-health", "https-expected"))
    assert (said.named, said.first.confidence) == (("client-misconfigured",), Confidence.HIGH)
