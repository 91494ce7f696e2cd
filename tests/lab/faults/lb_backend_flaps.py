"""One of two API servers cannot be reached by the balancer every other second; it takes it out and in again."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._moves import meanwhile, soon
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="lb-backend-down",
    warned_by=("balancer-statistics",),
    acceptable={
        "bot": ("lb-backend-down", "healthy"),
        "bot+load-balancer": ("lb-backend-down",),
    },
    because=(
        "The balancer sends what fails to the other server: most times nobody in front of it notices anything. "
        "Its statistics show the changes. They break nothing yet: healthy with a warning of them is right."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    match = ("-s", lab.lb.address, "-p", "tcp", "--dport", str(api.port))
    seen: list[str] = []

    def flapping(stop: threading.Event) -> None:
        while not stop.is_set():
            with api.host.filter(*match, jump=["REJECT", "--reject-with", "tcp-reset"]):
                stop.wait(1)
            stop.wait(1)

    def note() -> bool:
        row = lab.balancer.backends().get(api.node.name)
        if row and (not seen or seen[-1] != row.status):
            seen.append(row.status)
        return len(seen) >= 5

    with meanwhile(flapping):
        soon(note, "the balancer sees it go and come back")
        yield Ask(proof=f"the balancer saw {api.node.name} {', '.join(seen)}")
