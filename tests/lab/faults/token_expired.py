"""The client's service account token expired."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

from tests.lab import tokens
from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="token-rejected", acceptable={"bot": ("token-rejected",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    one = tokens.account(lab, f"{draw.word()}-{draw.between(1000, 9999)}")
    try:
        text = tokens.token(lab, one, valid_in=-timedelta(days=2), expires_in=-draw.ago(timedelta(minutes=5), timedelta(days=1)))
        assert [api.status("/livez", user=text) for api in lab.apis] == [401, 401]
        yield Ask(proof="both API servers answer 401 to the token, and 200 without", user={"token": text})
    finally:
        tokens.remove(lab, one)
