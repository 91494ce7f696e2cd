"""The API server's name is gone from its DNS zone."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="dns-name-not-found", acceptable={"bot": ("dns-name-not-found",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with lab.nameserver.saying({lab.names.api: []}):
        said = lab.nameserver.ask(lab.names.api, source=lab.client)
        assert said == ["NXDOMAIN"]
        yield Ask(proof="the zone's own server answers NXDOMAIN")
