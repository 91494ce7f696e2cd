"""Everything is well for clients; the API servers are restarted behind the balancer, one by one, each drained before."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._moves import meanwhile, soon
from tests.lab.faults._restarts import drained
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    restarts: list[str] = []

    def work(stop: threading.Event) -> None:
        while not stop.is_set():
            for api in lab.apis:
                with drained(lab, api):
                    api.restart()
                    api.wait_ready()
                restarts.append(api.host.name)
                if stop.wait(0.5):
                    return

    try:
        with meanwhile(work):
            soon(lambda: restarts, "the first one is restarted")
            before = len(restarts)
            yield Ask(proof=f"{restarts[0]} was restarted before the question, and others while it was asked")
            soon(lambda: len(restarts) > before, "another one was restarted")
    finally:
        # What a thread started ends with it.
        for api in lab.apis:
            api.restart()
