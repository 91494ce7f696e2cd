"""Everything is well, with a serving certificate of an intermediate authority that is sent along."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from bot.demo.pki import Pair
from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import Intermediate, handshake
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    asked = draw.one_of(*lab.apis)
    middle = Intermediate(lab.authority, f"{draw.cluster()} issuing CA {draw.between(1, 9)}")
    leaf = middle.server(asked.node.serving_names)
    with asked.restarted(serving=Pair(certificate=leaf.certificate + middle.pem, key=leaf.key)):
        seen = handshake(lab.client, asked.host.address, asked.port)
        yield Ask(proof=f"{asked.host.name} is ready; it sends its certificate, {seen}, and that one's", server=asked.url)
