"""The API server answers: then it says itself what is wrong, or that nothing is."""

from __future__ import annotations

import pytest

from bot.diagnosis.rank import WRITES
from bot.model.diagnosis import Confidence, Verdict
from bot.model.playbook import Domain
from tests.diagnosis.facts import TWO, answer, climb, finding, ladder


def test_a_clean_ladder_is_healthy_and_says_that_writes_were_not_tried():
    said = answer(ladder(addresses=TWO))
    assert said.diagnosis.verdict is Verdict.HEALTHY
    assert said.triage.domain is Domain.HEALTHY
    assert (said.triage.symptom, said.triage.playbook) == ("answers", "tcp-timeouts")
    assert said.named == ("healthy",)
    assert WRITES in said.diagnosis.not_checked


def test_without_credentials_it_is_still_healthy():
    said = answer(ladder(auth="no-credentials"))
    assert said.diagnosis.verdict is Verdict.HEALTHY
    assert (said.triage.symptom, said.triage.playbook) == (None, None)


@pytest.mark.parametrize("outcome", ["authentication-required", "forbidden", "deadline-capped"])
def test_health_that_was_not_told_is_no_all_clear(outcome):
    said = answer([*ladder(), *climb(TWO[1], "apiserver-health", outcome)])
    assert said.diagnosis.verdict is Verdict.INCONCLUSIVE
    assert "healthy" not in said.named
    assert "not an all-clear" in said.diagnosis.headline


def test_an_address_that_was_not_reached_in_time_is_no_all_clear():
    said = answer([*ladder(), *climb(TWO[1], "tcp-connect", "deadline-capped")])
    assert said.diagnosis.verdict is Verdict.INCONCLUSIVE


def test_a_pod_that_is_not_well_is_no_all_clear():
    said = answer([*ladder(), finding("apiserver-pods", "not-ready", "kube-system/kube-apiserver-cp2")])
    assert said.diagnosis.verdict is Verdict.CAUSE
    assert said.first.id == "lb-backend-down"


def test_a_failing_etcd_check_is_etcd_or_the_way_to_it():
    said = answer(ladder("apiserver-health", "etcd-check-failing", addresses=TWO))
    assert said.triage.domain is Domain.DATASTORE
    assert said.best == {"etcd-unavailable"}
    assert said.first.confidence is Confidence.MEDIUM, "the check does not say why it fails"
    assert not [cause for cause in said.diagnosis.causes if cause.domain is Domain.PROCESS]


@pytest.mark.parametrize(("outcome", "cause"), [("overloaded", "overloaded"), ("checks-failing", "apiserver-checks-failing")])
def test_what_it_says_of_itself_is_believed(outcome, cause):
    said = answer(ladder("apiserver-health", outcome))
    assert said.named == (cause,)
    assert said.first.confidence is Confidence.HIGH


def test_a_server_that_is_just_starting_may_be_in_a_loop():
    said = answer(ladder("apiserver-health", "starting"))
    assert said.first.id == "apiserver-crash-looping"
    assert said.first.confidence is Confidence.MEDIUM
