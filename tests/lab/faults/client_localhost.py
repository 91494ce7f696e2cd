"""The client has no kubeconfig and asks localhost:8080, as kubectl does then."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="client-misconfigured", acceptable={"bot": ("client-misconfigured",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    assert lab.client.dial("127.0.0.1", 8080) == "refused"
    assert lab.balancer.up
    yield Ask(proof="the cluster is well; nothing listens at the client's own port 8080", server="http://localhost:8080")
