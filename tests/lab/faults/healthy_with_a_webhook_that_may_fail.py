"""Everything is well; a webhook whose service is gone may fail, and says so: writes pass."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._moves import soon
from tests.lab.faults._objects import made
from tests.lab.faults._services import extension_name, hook, written
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    name = extension_name(draw)
    client = {"service": {"name": name, "namespace": "default", "path": "/validate"}, "caBundle": ""}
    with made(lab, hook("Validating", name, client, policy="Ignore")):
        soon(lambda: [status for status, _ in written(lab, name)] == [201, 201], "writes pass at both")
        yield Ask(proof="writes are answered 201 by both API servers")
