"""A fail-closed validating webhook takes connections and never answers: writes fail when its time is over."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.boxes import box
from tests.lab.fault import Ask, Truth
from tests.lab.faults._moves import soon
from tests.lab.faults._objects import made
from tests.lab.faults._services import broken, extension_name, hook, service, writing
from tests.lab.seed import Draw
from tests.lab.topology import Lab

# Its service has an endpoint, so objects look well. The metrics count the calls that failed, by webhook, to whom may read them.
TRUTH = Truth(cause="admission-webhook-failing", acceptable={"bot": ("admission-webhook-failing",)})
WORDS = "context deadline exceeded"


def mute_listener(connection: socket.socket) -> None:
    """Takes whatever comes, and says nothing until the caller has enough."""
    while connection.recv(65536):
        pass


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    name = extension_name(draw)
    with box(lab.node, mute_listener) as mute:
        host, _, port = mute.place.rpartition(":")
        with service(lab, draw, name, target=(host, int(port))) as found:
            client = {"service": {**found.reference, "path": "/validate"}, "caBundle": found.authority}
            with made(lab, hook("Validating", name, client, seconds=draw.between(1, 3))), writing(lab, name):
                soon(lambda: broken(lab, name, WORDS), "writes fail at both")
                yield Ask(proof=f"{broken(lab, name, WORDS)}; it took {mute.seen} connections")
