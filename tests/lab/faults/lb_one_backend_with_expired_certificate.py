"""One of two API servers has an expired certificate; the balancer does not look at it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._servers import expired
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="serving-certificate-expired",
    acceptable={
        "bot": ("serving-certificate-expired", "lb-backend-down"),
        "bot+metrics": ("serving-certificate-expired",),
    },
    because=(
        "Every second connection meets it: one of those behind is bad, and its certificate says in what. "
        "Prometheus, too, rejects that one and verifies the other."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    dates = expired(draw)
    with api.restarted(serving=lab.authority.server(api.node.serving_names, **dates)):
        lab.balancer.wait_for("UP")
        ended = f"{dates['not_after']:%Y-%m-%d %H:%M}Z"
        yield Ask(proof=f"{api.host.name} serves one that ended at {ended}; the balancer: {lab.balancer.seen()}")
