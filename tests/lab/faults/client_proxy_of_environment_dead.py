"""HTTPS_PROXY in the environment names a proxy that is gone; the cluster is well, and clients do not get there."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="proxy-failing",
    acceptable={"bot": ("proxy-failing", "client-misconfigured")},
    because="Whether the proxy is ill, or should not be asked for this server, is the same from before it.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    port = draw.port()
    assert lab.client.dial(lab.router.address, port) == "refused"
    proxy = f"http://{lab.router.address}:{port}"
    yield Ask(
        proof=f"nothing listens at {proxy}; the balancer sees its servers up",
        environment={"HTTPS_PROXY": proxy, "https_proxy": proxy},
    )
