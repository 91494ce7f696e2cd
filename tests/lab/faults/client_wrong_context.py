"""The kubeconfig's context joins another real cluster with this one's user."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import other_cluster
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="client-misconfigured",
    acceptable={"bot": ("client-misconfigured", "bot-credentials-rejected")},
    because="The other cluster is well and rejects the user, as it would one of its own that was removed.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with other_cluster(lab, draw) as (other, pki):
        assert other.status("/readyz") == 200
        yield Ask(
            proof=f"another cluster is ready at {other.url}; this one is well too", server=other.url, authority=pki.authority
        )
