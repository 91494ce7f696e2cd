"""The address was given to another cluster; the kubeconfig still has the first one's authority and user."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import other_cluster
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="wrong-cluster-answers",
    acceptable={"bot": ("wrong-cluster-answers", "ca-mismatch")},
    because="A cluster that was rebuilt at the same address shows the same: a new key under the same authority's name.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with other_cluster(lab, draw) as (other, _):
        assert other.status("/readyz") == 200
        yield Ask(proof=f"another cluster is ready at {other.url}, with another authority", server=other.url)
