"""Nothing listens on the port, seen from outside: a reset, and nothing that says who sent it."""

from __future__ import annotations

import pytest

from bot.model.diagnosis import Confidence, CorrelationResult, Verdict
from bot.model.playbook import Domain
from bot.model.target import Cluster, Target
from tests.diagnosis.facts import ONE, OUTSIDE, THREE, TWO, answer, climb, correlation, finding, ladder

REFUSED = ladder("tcp-connect", "connection-refused", addresses=TWO)


def test_the_process_leads_and_is_honestly_tied():
    said = answer(REFUSED)
    assert said.triage.domain is Domain.PROCESS
    assert said.triage.symptom == said.triage.playbook == "connection-refused"
    assert "at both addresses" in said.triage.sentence
    assert said.diagnosis.verdict is Verdict.CAUSE
    assert said.first.id == "apiserver-not-running"
    assert said.best == {"apiserver-not-running", "apiserver-wrong-bind-address", "firewall-reject"}
    assert "lb-down" in said.named, "nothing shows a balancer, and nothing excludes one"
    assert said.first.confidence is Confidence.MEDIUM


def test_one_check_separates_the_tie_and_runs_as_it_stands():
    separator = answer(REFUSED).first.separator
    assert separator is not None
    assert set(separator.between) == {"apiserver-not-running", "apiserver-wrong-bind-address", "firewall-reject"}
    assert separator.run == r"ss -ltnp | grep -E ':6443\b|kube-apiserver'"


def test_nothing_is_said_of_silence_tls_or_credentials():
    said = answer(REFUSED)
    assert not {"firewall-drop", "node-down", "apiserver-hung", "etcd-unavailable", "serving-certificate-expired"} & set(
        said.named
    )
    assert all(cause.confidence is not Confidence.HIGH for cause in said.diagnosis.causes)


def test_one_of_three_addresses_is_said_so_and_may_be_one_bad_backend():
    said = answer([*ladder(addresses=THREE[:2]), *climb(THREE[2], "tcp-connect", "connection-refused")])
    assert "at 1 of 3 addresses" in said.triage.sentence
    assert said.first.id == "lb-backend-down"
    assert "apiserver-not-running" in said.best
    assert "lb-down" not in said.named
    assert "healthy" not in said.named


def test_a_manifest_changed_before_makes_the_finer_cause_the_heading_s_place():
    said = answer(REFUSED, correlations=[correlation("static-pod-manifest", CorrelationResult.MATCH)])
    assert "apiserver-bad-configuration" in said.best
    assert "apiserver-not-running" not in said.named
    bad = next(cause for cause in said.diagnosis.causes if cause.id == "apiserver-bad-configuration")
    assert bad.refines == "apiserver-not-running"


def test_pods_that_crash_in_a_loop_are_named_as_such():
    pods = finding("apiserver-pods", "crash-looping", "kube-system/kube-apiserver-cp1")
    said = answer([*ladder(addresses=ONE), *climb(TWO[1], "tcp-connect", "connection-refused"), pods])
    assert said.first.id == "apiserver-crash-looping"
    assert "apiserver-not-running" not in said.named


def test_an_icmp_error_is_a_rejecting_firewall_and_no_process():
    said = answer(ladder("tcp-connect", "connection-rejected", addresses=TWO))
    assert said.first.id == "firewall-reject"
    assert said.first.confidence is Confidence.HIGH
    assert said.triage.domain is Domain.PATH
    assert not [cause for cause in said.diagnosis.causes if cause.domain is Domain.PROCESS]


def test_a_port_that_is_open_from_outside_is_no_dead_process():
    said = answer([*ladder("tcp-connect", "connection-refused"), *ladder(vantage=OUTSIDE)])
    assert "apiserver-not-running" not in said.named
    assert said.first.id == "firewall-reject"


def pasted(url: str) -> Cluster:
    return Cluster(name="url-1", target=Target.from_url(url), configured=False)


@pytest.mark.parametrize("url", ["http://localhost:8080", "https://localhost:8080", "http://127.0.0.1"])
def test_the_port_that_clients_ask_without_a_configuration_is_the_client_s_fault(url):
    said = answer([*REFUSED, finding("cluster-endpoint", "local-endpoint", url)], cluster=pasted(url))
    assert said.first.id == "client-misconfigured"
    assert said.first.tied_with == ()
    assert said.triage.domain is Domain.CLIENT
    assert "process" not in said.triage.sentence


def test_a_dead_port_of_this_machine_may_be_a_local_cluster_s_process():
    url = "https://127.0.0.1:6443"
    said = answer([*REFUSED, finding("cluster-endpoint", "endpoint-not-compared", url)], cluster=pasted(url))
    assert "apiserver-not-running" in said.best
    assert "client-misconfigured" not in said.named
    assert said.triage.domain is Domain.PROCESS
