"""DNS fails before anything is connected to; the API server is then not accused."""

from __future__ import annotations

import pytest

from bot.model.diagnosis import Confidence
from bot.model.playbook import Domain
from bot.model.target import Target
from tests.diagnosis.facts import CLUSTER, ONE, answer, climb, finding, ladder


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
    assert said.best == {"wrong-cluster-answers", "dns-wrong-address"}
    assert said.first.confidence is Confidence.MEDIUM


def test_dns_servers_that_disagree_are_named_and_not_the_missing_name():
    said = answer(ladder("dns-lookup", "nameservers-disagree"))
    assert (said.first.id, said.first.confidence) == ("dns-split-horizon", Confidence.HIGH)
    assert "dns-name-not-found" not in said.named


def test_plain_http_to_the_https_port_is_the_client_s_and_certain():
    said = answer(ladder("apiserver-health", "https-expected"))
    assert (said.named, said.first.confidence) == (("client-misconfigured",), Confidence.HIGH)


BEHIND_A_PROXY = CLUSTER.model_copy(
    update={"target": Target.from_url("https://localhost:6443", proxy_url="http://me:secret@proxy.example.com:3128")}
)


def test_a_proxy_that_cannot_reach_what_is_reached_without_it_is_what_fails():
    said = answer(ladder("tcp-connect", "proxy-gateway-only"), cluster=BEHIND_A_PROXY)
    assert (said.first.id, said.first.confidence) == ("proxy-failing", Confidence.HIGH)
    assert not {"apiserver-not-running", "firewall-drop"} & set(said.named)


def test_a_proxy_without_an_address_is_blamed_and_not_the_server_s_name():
    found = [
        finding("dns-lookup", "proxy-name-not-found", "proxy.example.com"),
        *climb("localhost:6443", "tcp-connect", "proxy-failed"),
    ]
    said = answer(found, cluster=BEHIND_A_PROXY)
    assert said.named == ("proxy-failing",)
    assert said.first.confidence is Confidence.HIGH
    assert "proxy.example.com" in said.triage.sentence
    assert "--proxy 'http://proxy.example.com:3128'" in said.text
    assert "secret" not in said.text


def test_a_proxy_that_refuses_is_blamed_before_the_url():
    said = answer(climb("localhost:6443", "tcp-connect", "proxy-failed"), cluster=BEHIND_A_PROXY)
    assert said.named == ("proxy-failing",)
    assert "The proxy proxy.example.com:3128 " in said.triage.sentence


@pytest.mark.parametrize("outcome", ["resolver-failing", "resolver-timeout"])
def test_a_dns_server_that_fails_is_not_the_proxy_s_fault(outcome):
    found = [finding("dns-lookup", outcome, "proxy.example.com"), *climb("localhost:6443", "tcp-connect", "proxy-failed")]
    said = answer(found, cluster=BEHIND_A_PROXY)
    assert said.first.id == "dns-server-failing"
    assert "dig +time=2 +tries=1 proxy.example.com" in said.text
