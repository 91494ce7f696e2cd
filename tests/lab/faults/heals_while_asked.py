"""The API server is down when the question comes, and is started again two seconds later."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._moves import meanwhile, noticing
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="transient-recovered",
    acceptable={"bot": ("transient-recovered", "healthy", "apiserver-not-running")},
    because=(
        "Who looks on sees it come back within some seconds. Who ends before has rightly seen that nothing listens, and "
        "who asks everything once more at the end rightly finds it well."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    with api.killed(), noticing(lab, api.host, api.port) as begun:

        def heal(stop: threading.Event) -> None:
            wait_until(lambda: begun() or stop.is_set(), "it is asked", within=60)
            if not stop.wait(2):
                api.start()
                # What this thread started ends with it.
                stop.wait(120)

        try:
            with meanwhile(heal):
                yield Ask(proof=f"nothing listens at {api.url}; it is started 2 s after the first packet to it", server=api.url)
        finally:
            api.kill()
