"""The balancer is dead; and the certificate of both API servers has expired, which nobody can see for that."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import REFUSED, REFUSED_BECAUSE
from tests.lab.faults._servers import expired
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="lb-down",
    acceptable={
        "bot": REFUSED,
        "bot+metrics": ("lb-down", "serving-certificate-expired"),
    },
    because=REFUSED_BECAUSE + " Prometheus sees both.",
    also=("serving-certificate-expired",),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    dates = expired(draw)
    with lab.balancer.killed(), ExitStack() as stack:
        for api in lab.apis:
            stack.enter_context(api.restarted(serving=lab.authority.server(api.node.serving_names, **dates)))
        assert not lab.lb.listens(lab.balancer.port)
        yield Ask(proof=f"nothing listens on {lab.lb.name}; both certificates ended at {dates['not_after']:%Y-%m-%d %H:%M}Z")
