"""The name's record leads to another cluster's API server."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import other_cluster
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="wrong-cluster-answers",
    acceptable={"bot": ("wrong-cluster-answers", "dns-wrong-address")},
    because="Both are true: another cluster answers, because the name has the wrong address.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with other_cluster(lab, draw) as (other, _), lab.nameserver.saying({lab.names.api: [other.host.address]}):
        assert lab.nameserver.ask(lab.names.api, source=lab.client) == [other.host.address]
        yield Ask(proof=f"the name is {other.host.address}, where another cluster is ready: {other.status('/readyz')}")
