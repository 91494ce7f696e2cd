"""The bot itself has no network: then nothing is said of the cluster."""

from __future__ import annotations

import pytest

from bot.model.diagnosis import Confidence, Verdict
from bot.model.playbook import Domain
from tests.diagnosis.facts import ONE, OUTSIDE, answer, climb, finding, ladder


@pytest.mark.parametrize("control", ["controls-unreachable", "no-network"])
@pytest.mark.parametrize("outcome", ["connect-timeout", "network-unreachable", "host-unreachable", "connection-refused"])
def test_a_cut_off_bot_accuses_nobody(control, outcome):
    found = [
        finding("negative-control", control, "controls"),
        finding("dns-lookup", "resolver-timeout", "api.prod.example"),
        *climb(ONE[0], "tcp-connect", outcome),
    ]
    said = answer(found)
    assert said.named == ("prober-cut-off",)
    assert said.first.confidence is Confidence.HIGH
    assert said.triage.domain is Domain.CLIENT
    assert said.triage.symptom == control
    assert said.triage.playbook is None


def test_controls_that_fail_while_the_target_answers_are_bad_controls():
    said = answer([finding("negative-control", "controls-unreachable", "controls"), *ladder()[1:]])
    assert said.diagnosis.verdict is Verdict.HEALTHY
    assert "prober-cut-off" not in said.named


def test_another_vantage_point_still_counts():
    found = [finding("negative-control", "controls-unreachable", "controls"), *climb(ONE[0], "tcp-connect", "connect-timeout")]
    said = answer([*found, *ladder("tcp-connect", "connection-refused", vantage=OUTSIDE)])
    assert said.triage.symptom == "connection-refused"
    assert "apiserver-not-running" in said.named
    assert "firewall-drop" not in said.named


def test_nothing_looked_at_is_inconclusive():
    said = answer([])
    assert said.diagnosis.verdict is Verdict.INCONCLUSIVE
    assert said.triage.domain is None
    assert "not an all-clear" in said.diagnosis.headline
