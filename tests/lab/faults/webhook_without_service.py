"""A fail-closed validating webhook points to a service that does not exist: writes fail at once, reads are well."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._moves import soon
from tests.lab.faults._objects import made
from tests.lab.faults._services import broken, extension_name, hook, writing
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="admission-webhook-failing", acceptable={"bot": ("admission-webhook-failing",)})
WORDS = "not found"


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    name = extension_name(draw)
    client = {"service": {"name": name, "namespace": "default", "path": "/validate"}, "caBundle": ""}
    with made(lab, hook("Validating", name, client)), writing(lab, name):
        soon(lambda: broken(lab, name, WORDS), "writes fail at both")
        yield Ask(proof=broken(lab, name, WORDS))
