"""The client's URL has http for https."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import plaintext
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="client-misconfigured", acceptable={"bot": ("client-misconfigured",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    said = plaintext(lab.client, lab.lb.address, lab.balancer.port)
    assert said.startswith("HTTP/1.0 400")
    yield Ask(proof=f"the API server answers '{said}' to plain HTTP", server=lab.url.replace("https:", "http:"))
