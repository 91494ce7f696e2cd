"""A fail-closed webhook has no service, and etcd gets a tenth of its time."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults import webhook_without_service
from tests.lab.faults._moves import slowed
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="etcd-slow",
    also=("admission-webhook-failing",),
    acceptable={"bot": ("etcd-slow", "admission-webhook-failing")},
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    def read() -> float:
        begun = time.monotonic()
        # Without a resource version it is read from etcd.
        lab.api1.ask("/api/v1/namespaces/default", timeout=30)
        return time.monotonic() - begun

    usual, cycle = read(), draw.seconds(0.5, 0.9)
    with webhook_without_service.fault(lab, draw) as ask, slowed(lab.etcd, asleep_s=0.9 * cycle, awake_s=0.1 * cycle):
        wait_until(lambda: read() > 0.2, "reads from etcd are slow", within=30)
        # Over two turns: right after a slow one etcd is awake.
        end = time.monotonic() + 2 * cycle
        slow = max(read() for _ in iter(lambda: time.monotonic() < end, False))
        yield Ask(proof=f"{ask.proof}; a namespace takes up to {slow:.2f} s to read, {usual:.3f} s before")
