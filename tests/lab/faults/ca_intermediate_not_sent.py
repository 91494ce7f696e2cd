"""The serving certificate is signed by an intermediate authority that the server does not send along."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import Intermediate, handshake
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="ca-mismatch", acceptable={"bot": ("ca-mismatch",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    asked = draw.one_of(*lab.apis)
    middle = Intermediate(lab.authority, f"{draw.cluster()} issuing CA {draw.between(1, 9)}")
    with asked.restarted(serving=middle.server(asked.node.serving_names)):
        seen = handshake(lab.client, asked.host.address, asked.port)
        yield Ask(proof=f"{asked.host.name} is ready; it sends its certificate alone, {seen}", server=asked.url)
