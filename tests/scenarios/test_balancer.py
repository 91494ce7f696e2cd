"""Behind a balancer most faults look alike; from this side only the balancer may be named."""

from __future__ import annotations

import pytest

from bot.model.diagnosis import Confidence
from bot.model.playbook import Domain
from tests.diagnosis.facts import ONE, TWO, answer, climb, ladder


def test_tcp_and_then_the_end_is_a_balancer_without_backends():
    said = answer(ladder("tls-handshake", "tls-closed", addresses=TWO))
    assert said.triage.domain is Domain.LOAD_BALANCER
    assert said.first.id == "lb-no-healthy-backend"
    assert said.first.confidence is Confidence.MEDIUM
    assert said.first.tied_with == ()


def test_no_cause_behind_the_balancer_is_named():
    said = answer(ladder("tls-handshake", "tls-closed", addresses=TWO))
    assert said.named == ("lb-no-healthy-backend",)


@pytest.mark.parametrize(
    ("probe", "outcome"),
    [("tcp-connect", "connection-reset"), ("tls-handshake", "tls-reset"), ("apiserver-health", "server-error")],
)
def test_other_balancers_say_the_same_in_other_ways(probe, outcome):
    said = answer(ladder(probe, outcome))
    assert "lb-no-healthy-backend" in said.best
    assert "apiserver-not-running" not in said.named


@pytest.mark.parametrize("probe", ["tls-handshake", "apiserver-health"])
def test_one_address_that_comes_and_goes_has_a_bad_server_behind_it(probe):
    said = answer(ladder(probe, "comes-and-goes"))
    assert said.triage.domain is Domain.LOAD_BALANCER
    assert said.first.id == "lb-backend-down"
    assert said.first.confidence is Confidence.MEDIUM
    assert "healthy" not in said.named


def test_mixed_addresses_are_a_bad_backend():
    said = answer([*ladder(addresses=ONE), *climb(TWO[1], "tls-handshake", "tls-closed")])
    assert "at 1 of 2 addresses" in said.triage.sentence
    assert "lb-backend-down" in said.best
    assert "healthy" not in said.named
