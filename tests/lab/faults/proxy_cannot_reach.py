"""The proxy on the way answers 502, because its own way onwards is broken."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.boxes import box
from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import connect_proxy
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="proxy-failing",
    acceptable={
        "bot": ("proxy-failing", "apiserver-not-running", "lb-down"),
        "bot+load-balancer": ("proxy-failing",),
        "bot+metrics": ("proxy-failing",),
    },
    because=(
        "502 is a proxy's word both for its own trouble and for a server that refuses. "
        "Who watches the balancer sees it well, and what is behind it."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with box(lab.router, connect_proxy({}, "502 Bad Gateway")) as proxy:
        assert lab.client.dial(lab.lb.address, lab.balancer.port, within=2) == "connected"
        yield Ask(
            proof="the proxy answers 502; the same client connects without it", cluster={"proxy-url": f"http://{proxy.place}"}
        )
        assert proxy.seen
