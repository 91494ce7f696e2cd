"""The API server is stopped by a signal; the kernel still accepts its connections. It is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import MUTE, MUTE_BECAUSE
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="apiserver-hung",
    acceptable={
        "bot": MUTE,
        "bot+control-plane": ("apiserver-hung",),
        "bot+metrics": ("apiserver-hung", "file-descriptors-exhausted"),
    },
    because=MUTE_BECAUSE + " Prometheus sees that etcd is well and serves the other one.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    with api.frozen():
        assert lab.client.dial(api.host.address, api.port) == "connected"
        yield Ask(proof=f"the process on {api.host.name} is in state {api.process.state}, and its port is open", server=api.url)
