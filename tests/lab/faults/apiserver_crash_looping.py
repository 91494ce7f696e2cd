"""The API server comes up, dies soon after, and is started again, over and over; it is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._servers import supervised
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="apiserver-crash-looping",
    acceptable={
        "bot": ("apiserver-crash-looping", "apiserver-oom-killed", "apiserver-not-running"),
        "bot+control-plane": ("apiserver-crash-looping",),
        "bot+metrics": ("apiserver-crash-looping", "apiserver-oom-killed"),
    },
    because=(
        "What ends it each time is not seen from outside; and a short look may fall into one of the pauses. "
        "Prometheus sees one start after the other."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    with supervised(api, lives_s=draw.seconds(1, 3), pause_s=draw.seconds(1, 2.5)) as seen:
        wait_until(lambda: len(seen.exits) >= 2, "it has died twice", within=60)
        proof = f"on {api.host.name} it has served {seen.served} times and died {len(seen.exits)} times"
        yield Ask(proof=proof, server=api.url)
