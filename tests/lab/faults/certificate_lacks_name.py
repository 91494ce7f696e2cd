"""The client uses a right name of the API server that its certificate never had."""

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
    name = f"{asked.node.name}.{lab.names.zone}"
    assert name not in asked.node.serving_names
    assert lab.nameserver.ask(name, source=lab.client) == [asked.host.address]
    yield Ask(
        proof=f"{name} is {asked.host.address}, and not among the certificate's names", server=f"https://{name}:{asked.port}"
    )
