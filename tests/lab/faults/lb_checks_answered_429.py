"""Both API servers are overloaded, without priority and fairness: the checks are answered 429, and both are taken out."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import BEHIND, BEHIND_BECAUSE
from tests.lab.faults._servers import restarted_both, slow_readers
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="overloaded",
    acceptable={"bot": BEHIND, "bot+load-balancer": ("overloaded",)},
    because=BEHIND_BECAUSE,
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    flags = ("--enable-priority-and-fairness=false", "--max-requests-inflight=1", "--max-mutating-requests-inflight=1")
    with restarted_both(lab, *flags), ExitStack() as readers:
        for api in lab.apis:
            readers.enter_context(slow_readers(lab, api, draw.between(3, 6)))
        lab.balancer.wait_for("DOWN", check="L7STS")
        statuses = [api.status("/readyz", user="nobody") for api in lab.apis]
        assert statuses == [429, 429]
        yield Ask(proof=f"/readyz without credentials is {statuses}; the balancer's statistics: {lab.balancer.seen()}")
