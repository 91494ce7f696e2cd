"""Everything is well, with a service account's token."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab import tokens
from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    one = tokens.account(lab, f"{draw.word()}-{draw.between(1000, 9999)}")
    try:
        text = tokens.token(lab, one)
        assert [api.status("/livez", user=text) for api in lab.apis] == [200, 200]
        yield Ask(proof="both API servers answer 200 to the token", user={"token": text})
    finally:
        tokens.remove(lab, one)
