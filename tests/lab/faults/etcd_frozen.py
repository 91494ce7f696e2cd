"""etcd is stopped by a signal; the API server stays and is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="etcd-unavailable",
    acceptable={"bot": ("etcd-unavailable",)},
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    with lab.etcd.frozen():
        wait_until(lambda: api.status("/livez/etcd") == 500, "/livez/etcd fails", within=20)
        yield Ask(proof=f"etcd is in state {lab.etcd.process.state}; /livez/etcd of {api.host.name} is 500", server=api.url)
