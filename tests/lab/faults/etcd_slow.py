"""etcd gets a tenth of its time: everything answers, and whatever needs etcd takes long."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._servers import stuttering
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="etcd-slow",
    acceptable={"bot": ("etcd-slow",)},
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    def create() -> float:
        name = f"slow-{draw.between(1, 10**9)}"
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        begun = time.monotonic()
        lab.api1.ask("/api/v1/namespaces/default/configmaps", "POST", body)
        took = time.monotonic() - begun
        lab.api1.ask(f"/api/v1/namespaces/default/configmaps/{name}", "DELETE")
        return took

    usual = create()
    cycle = draw.seconds(0.5, 0.9)
    with stuttering(lab.etcd, stopped_s=0.9 * cycle, running_s=0.1 * cycle):
        slow = [0.0]
        wait_until(lambda: slow.append(create()) or max(slow) > 0.25, "writes are slow", within=30)
        yield Ask(proof=f"a ConfigMap takes {max(slow):.2f} s to make, {usual:.3f} s before; etcd runs a tenth of each {cycle} s")
