"""The client's token is none."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="token-rejected", acceptable={"bot": ("token-rejected",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    text = f"{draw.word()}-{draw.word()}-{draw.between(10**8, 10**9)}"
    assert [api.status("/livez", user=text) for api in lab.apis] == [401, 401]
    yield Ask(proof="both API servers answer 401 to it, and 200 without", user={"token": text})
