"""The API server is up and does not let somebody in: whom that concerns is said no wider than it was seen."""

from __future__ import annotations

import pytest

from bot.model.diagnosis import Confidence
from bot.model.playbook import Domain
from tests.diagnosis.facts import answer, finding, ladder


def test_401_with_and_200_without_is_the_bot_s_own_credentials():
    said = answer(ladder("apiserver-auth", "credentials-rejected"))
    assert said.triage.domain is Domain.AUTH
    assert said.first.id == "bot-credentials-rejected"
    assert said.first.confidence is Confidence.HIGH
    assert "healthy" not in said.named


@pytest.mark.parametrize(
    ("outcome", "cause"), [("token-expired", "token-rejected"), ("client-certificate-expired", "client-certificate-expired")]
)
def test_a_date_in_the_credentials_is_the_finer_cause(outcome, cause):
    said = answer(ladder("apiserver-auth", outcome))
    assert said.named == (cause,)
    assert said.first.refines == "bot-credentials-rejected"
    assert said.first.confidence is Confidence.HIGH


def test_a_server_that_takes_no_strangers_wants_credentials_that_nobody_gave():
    found = [*ladder("apiserver-health", "authentication-required")[:-1], finding("apiserver-auth", "credentials-missing")]
    said = answer(found)
    assert (said.first.id, said.first.confidence) == ("bot-credentials-rejected", Confidence.HIGH)


def test_403_with_a_name_is_permission():
    said = answer(ladder("apiserver-auth", "permission-denied"))
    assert said.named == ("permission-denied",)


def test_401_both_ways_is_the_bot_s_own_credentials_with_less_certainty():
    said = answer(ladder("apiserver-auth", "authentication-refused"))
    assert said.named == ("bot-credentials-rejected",)
    assert said.first.confidence is Confidence.MEDIUM


def test_a_token_that_is_rejected_is_not_called_a_certificate_nor_the_other_way_round():
    token = answer(ladder("apiserver-auth", "token-rejected"))
    assert (token.named, token.first.confidence) == (("token-rejected",), Confidence.HIGH)
    assert answer(ladder("apiserver-auth", "credentials-rejected")).named == ("bot-credentials-rejected",)
