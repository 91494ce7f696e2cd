"""Somebody else's flow is turned away, and an aggregated API has no endpoints; who asks is an administrator."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults import aggregated_api_without_endpoints, overloaded_other_flow
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="overloaded",
    also=("aggregated-api-unavailable",),
    acceptable={"bot": ("overloaded", "aggregated-api-unavailable")},
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with aggregated_api_without_endpoints.fault(lab, draw) as one, overloaded_other_flow.fault(lab, draw) as other:
        yield Ask(proof=f"{one.proof}; {other.proof}", server=other.server)
