"""The balancer is killed; the API servers behind it are well."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import REFUSED, REFUSED_BECAUSE
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="lb-down",
    acceptable={
        "bot": REFUSED,
        "bot+load-balancer": ("lb-down",),
        "bot+control-plane": ("lb-down", "firewall-reject"),
        "bot+metrics": ("lb-down",),
    },
    because=REFUSED_BECAUSE + " Prometheus sees that it does not run, and that its machine and what is behind it do.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with lab.balancer.killed():
        assert not lab.lb.listens(lab.balancer.port)
        assert all(api.is_ready() for api in lab.apis)
        yield Ask(proof=f"nothing listens at port {lab.balancer.port} of {lab.lb.name}; both API servers are ready")
