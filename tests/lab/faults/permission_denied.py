"""The client's user may not even read /livez: the default roles' bindings are gone; it is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab import tokens
from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import without_default_rights
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="permission-denied", acceptable={"bot": ("permission-denied",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    asked = draw.one_of(*lab.apis)
    one = tokens.account(lab, f"{draw.word()}-{draw.between(1000, 9999)}")
    text = tokens.token(lab, one)
    try:
        assert asked.status("/livez", user=text) == 200
        with without_default_rights(lab, lambda: all(api.status("/livez", user=text) == 403 for api in lab.apis)):
            yield Ask(
                proof=f"{asked.host.name} answers 403 to the user's /livez and 200 to the administrator's",
                server=asked.url,
                user={"token": text},
            )
    finally:
        tokens.remove(lab, one)
