"""Restarts as a careful administrator makes them, and as they look while they happen."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.faults._moves import soon
from tests.lab.planes import ApiServer
from tests.lab.topology import Lab


@contextmanager
def drained(lab: Lab, api: ApiServer) -> Generator[None]:
    """The balancer sends this one nothing new until the block is left; what it has may end within two seconds."""
    name = api.node.name
    lab.balancer.tell(f"set server control-plane/{name} state drain")
    try:
        deadline = time.monotonic() + 2
        soon(lambda: lab.balancer.backends()[name].sessions == 0 or time.monotonic() > deadline, "its connections end")
        yield
    finally:
        lab.balancer.tell(f"set server control-plane/{name} state ready")
        lab.balancer.wait_for("UP", name)
