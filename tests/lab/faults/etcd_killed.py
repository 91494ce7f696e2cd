"""etcd is killed; the API server stays and is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="etcd-unavailable", acceptable={"bot": ("etcd-unavailable",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    asked = draw.one_of(*lab.apis)
    with lab.etcd.killed():
        wait_until(lambda: asked.status("/livez/etcd") == 500, "/livez/etcd fails", within=20)
        yield Ask(proof=f"/livez/etcd of {asked.host.name} is 500, and etcd's process is gone", server=asked.url)
