"""The kubeconfig's proxy is not there: its port refuses."""

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
    yield Ask(proof="nothing listens at the proxy's port", cluster={"proxy-url": f"http://{lab.router.address}:{port}"})
