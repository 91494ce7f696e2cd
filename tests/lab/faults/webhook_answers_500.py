"""A fail-closed mutating webhook answers 500 to everything: writes fail at once."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._moves import soon
from tests.lab.faults._objects import made
from tests.lab.faults._services import broken, extension_name, hook, served, writing
from tests.lab.seed import Draw
from tests.lab.topology import Lab

# Its service has an endpoint, so objects look well. The metrics count the calls that failed, by webhook, to whom may read them.
TRUTH = Truth(cause="admission-webhook-failing", acceptable={"bot": ("admission-webhook-failing",)})
WORDS = "has prevented the request"


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    name = extension_name(draw)
    with served(lab, draw, name, lambda path, body: (500, "panic: index out of range")) as (found, _):
        client = {"service": {**found.reference, "path": "/mutate"}, "caBundle": found.authority}
        with made(lab, hook("Mutating", name, client)), writing(lab, name):
            soon(lambda: broken(lab, name, WORDS), "writes fail at both")
            yield Ask(proof=broken(lab, name, WORDS))
