"""The API server is restarted on a starved machine, and is asked while its start-up checks fail; it is ready seconds later."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._moves import meanwhile, noticing, soon
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="transient-recovered",
    acceptable={"bot": ("transient-recovered", "healthy", "apiserver-checks-failing")},
    because=(
        "At first it answers and names start-up checks that are not done, which is what it says too when one never gets done. "
        "Seconds later it is well, and whether it was ever down was not seen."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)

    def hooks() -> bool:
        if api.status("/readyz", timeout=2) != 500:
            return False
        return "[-]poststarthook" in api.ask("/readyz?verbose", timeout=5).text

    with noticing(lab, api.host, api.port) as begun:

        def starve(stop: threading.Event) -> None:
            asked_for = 0.0
            while not stop.is_set() and asked_for < draw.between(3, 4):
                api.process.signal(signal.SIGSTOP)
                stop.wait(0.18)
                api.process.signal(signal.SIGCONT)
                stop.wait(0.02)
                asked_for += 0.2 if begun() else 0.0

        api.restart()
        try:
            soon(hooks, "it says that its start is not done")
            with meanwhile(starve):
                assert hooks()
                yield Ask(
                    proof=f"/readyz of {api.host.name} names post-start hooks that are not done", server=api.url, at_once=True
                )
        finally:
            api.thaw()
