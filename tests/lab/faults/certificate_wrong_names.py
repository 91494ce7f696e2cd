"""The serving certificate was made anew without the address that clients use."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="serving-certificate-name-mismatch", acceptable={"bot": ("serving-certificate-name-mismatch",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    asked = draw.one_of(*lab.apis)
    names = [name for name in asked.node.serving_names if name != asked.host.address]
    with asked.restarted(serving=lab.authority.server(names)):
        yield Ask(proof=f"{asked.host.name} is ready; its certificate lacks {asked.host.address}", server=asked.url)
