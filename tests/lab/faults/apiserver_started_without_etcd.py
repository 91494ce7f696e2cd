"""The API server is started while etcd is down: it listens, waits for etcd, exits, and is started again. It is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import MUTE, MUTE_BECAUSE
from tests.lab.faults._servers import supervised
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="etcd-unavailable",
    acceptable={
        "bot": MUTE,
        "bot+control-plane": ("etcd-unavailable",),
        "bot+metrics": ("etcd-unavailable",),
    },
    because=MUTE_BECAUSE + " Prometheus sees that nothing listens where etcd should.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    with lab.etcd.killed(), supervised(api, pause_s=draw.seconds(0.5, 2)):
        wait_until(lambda: api.host.listens(api.port), "it listens", within=30)
        assert lab.client.dial(api.host.address, api.port) == "connected"
        yield Ask(proof=f"etcd's process is gone; {api.host.name} listens and says nothing", server=api.url)
