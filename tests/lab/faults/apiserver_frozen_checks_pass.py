"""One of two API servers is stopped by a signal, and checks that only connect go on calling it up."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="apiserver-hung",
    acceptable={
        "bot": ("lb-backend-down", "apiserver-hung"),
        "bot+load-balancer": ("apiserver-hung", "file-descriptors-exhausted", "lb-backend-down"),
        "bot+control-plane": ("apiserver-hung",),
    },
    because=(
        "Every second connection is silent after TCP: one of those behind is not there or says nothing, and the "
        "balancer does not know."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    # A check that only connects.
    with lab.balancer.restarted(lab.balancer.config(check="", server_options="check")), api.frozen():
        lab.balancer.wait_for("UP", check="L4OK")
        yield Ask(proof=f"{api.host.name} is in state T; the balancer's statistics: {lab.balancer.seen()}")
