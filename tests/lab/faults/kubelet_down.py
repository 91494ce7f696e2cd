"""A node's kubelet is stopped: its node is not ready any more, and its pods' logs are refused."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

from tests.lab.fault import Ask, Truth
from tests.lab.faults._nodes import KUBELET, log_of, node, pods
from tests.lab.seed import Draw
from tests.lab.topology import Lab

# The host answers at once with a reset, so it is not off; and its lease is old, so it is not a filter that forges the reset.
TRUTH = Truth(cause="kubelet-down", acceptable={"bot": ("kubelet-down",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    role, silent = draw.one_of("node", "cp2"), draw.ago(timedelta(minutes=3), timedelta(hours=2))
    with node(lab, role, silent=silent) as name, pods(lab, "kube-proxy", name) as (pod,):
        said = log_of(lab, pod)
        assert all(status == 500 and f":{KUBELET}" in text and "connection refused" in text for status, text in said), said
        yield Ask(proof=f"the log of {pod} is answered 500: {said[0][1][:300]}")
