"""The API server is killed and stays down; it is asked directly, without a balancer."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="apiserver-not-running",
    acceptable={"bot": ("apiserver-not-running", "apiserver-wrong-bind-address", "firewall-reject")},
    because="A reset is all that leaves the host, whether nothing listens, it listens elsewhere, or a filter forges the reset.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with lab.api1.killed():
        yield Ask(proof=f"ss on {lab.cp1.name} lists no listener at port {lab.api1.port}", server=lab.api1.url)
