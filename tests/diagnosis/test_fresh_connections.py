"""What fresh connections do to the verdict, with the real causes: a doubt about the all-clear, and about what is steady."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bot.model.diagnosis import Diagnosis, Verdict
from bot.model.finding import Finding, Status
from tests.diagnosis.facts import answer, finding, ladder

STEADY = ("apiserver-not-running", "apiserver-wrong-bind-address", "firewall-reject", "firewall-drop", "node-down", "no-route")


def fresh(outcome: str, status: Status = Status.PROBLEM) -> Finding:
    return finding("fresh-connections", outcome, status=status)


def diagnosis(findings: Sequence[Finding]) -> Diagnosis:
    return answer(findings).diagnosis


def ids(verdict: Diagnosis) -> list[str]:
    return [cause.id for cause in verdict.causes]


def test_a_clean_ladder_that_is_steady_is_healthy_on_one_more_ground():
    before, after = diagnosis(ladder()), diagnosis([*ladder(), fresh("steady", Status.OK)])
    assert (before.verdict, after.verdict) == (Verdict.HEALTHY, Verdict.HEALTHY)
    assert after.causes[0].score > before.causes[0].score


@pytest.mark.parametrize(
    ("outcome", "cause"),
    [
        ("comes-and-goes", "lb-backend-down"),
        ("recovered", "transient-recovered"),
        ("broke", "apiserver-not-running"),
        ("one-certificate-expired", "serving-certificate-expired"),
        ("one-certificate-not-yet-valid", "serving-certificate-not-yet-valid"),
        ("one-certificate-misnamed", "serving-certificate-name-mismatch"),
        ("one-certificate-untrusted", "ca-mismatch"),
    ],
)
def test_a_clean_ladder_is_not_healthy_where_fresh_connections_say_otherwise(outcome, cause):
    verdict = diagnosis([*ladder(), fresh(outcome)])
    assert verdict.verdict is Verdict.CAUSE
    assert verdict.causes[0].id == cause
    assert "healthy" not in ids(verdict)


@pytest.mark.parametrize("symptom", ["connection-refused", "connect-timeout", "host-unreachable", "connection-rejected"])
@pytest.mark.parametrize("outcome", ["comes-and-goes", "recovered"])
def test_what_works_by_turns_or_again_is_nothing_steady(symptom, outcome):
    verdict = diagnosis([*ladder("tcp-connect", symptom), fresh(outcome)])
    assert verdict.causes[0].id == {"comes-and-goes": "lb-backend-down", "recovered": "transient-recovered"}[outcome]
    assert not set(verdict.causes[0].tied_with) & {*STEADY}


def test_what_failed_at_first_and_answers_is_neither_healthy_nor_an_accusation():
    verdict = diagnosis([*ladder("tcp-connect", "connection-refused"), fresh("recovered")])
    assert (verdict.verdict, ids(verdict)[0]) == (Verdict.CAUSE, "transient-recovered")
    assert "healthy" not in ids(verdict)
    assert "all-clear" not in verdict.headline


def test_what_fails_steadily_says_nothing_that_the_ladder_has_not_said():
    refused = ladder("tcp-connect", "connection-refused")
    assert ids(diagnosis([*refused, fresh("steadily-failing", Status.NOT_APPLICABLE)])) == ids(diagnosis(refused))
