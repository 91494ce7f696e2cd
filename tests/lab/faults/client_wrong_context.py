"""The kubeconfig's context joins another real cluster with this one's user."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import other_cluster
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="bot-credentials-rejected",
    acceptable={"bot": ("bot-credentials-rejected", "client-misconfigured")},
    because="The other cluster is well and rejects the user; that the kubeconfig's parts belong to two clusters is why.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with other_cluster(lab, draw) as (other, pki):
        assert other.status("/readyz") == 200
        yield Ask(
            proof=f"another cluster is ready at {other.url}; this one is well too", server=other.url, authority=pki.authority
        )
