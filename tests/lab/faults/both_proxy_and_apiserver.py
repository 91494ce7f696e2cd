"""HTTPS_PROXY in the environment names a proxy that is gone, and the API server that is asked is dead."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="apiserver-not-running",
    acceptable={"bot": ("apiserver-not-running", "proxy-failing", "apiserver-wrong-bind-address")},
    because="Behind the proxy a reset is all that leaves the host.",
    also=("proxy-failing",),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    asked = draw.one_of(*lab.apis)
    port = draw.port()
    proxy = f"http://{lab.router.address}:{port}"
    assert lab.client.dial(lab.router.address, port) == "refused"
    with asked.killed():
        environment = {"HTTPS_PROXY": proxy, "https_proxy": proxy}
        yield Ask(proof=f"nothing listens at {proxy}, nor at {asked.url}", server=asked.url, environment=environment)
