"""The proxy on the way forbids the connection to the API server."""

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
    acceptable={"bot": ("proxy-failing", "client-misconfigured")},
    because="Whether the proxy is ill, or should not be asked for this server, is the same from before it.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with box(lab.router, connect_proxy({}, "403 Forbidden")) as proxy:
        yield Ask(proof="the proxy answers every CONNECT with 403 Forbidden", cluster={"proxy-url": f"http://{proxy.place}"})
        assert proxy.seen
