"""The client's service account was deleted; its token has not expired."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab import tokens
from tests.lab.fault import Ask, Truth
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="token-rejected",
    acceptable={"bot": ("token-rejected", "bot-credentials-rejected")},
    because="What is wrong with the token is in the API server's log only.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    one = tokens.account(lab, f"{draw.word()}-{draw.between(1000, 9999)}")
    text = tokens.token(lab, one)
    tokens.remove(lab, one)
    wait_until(lambda: all(api.status("/livez", user=text) == 401 for api in lab.apis), "the token is rejected", within=20)
    yield Ask(proof="both API servers answer 401 to the token of an account that is gone", user={"token": text})
