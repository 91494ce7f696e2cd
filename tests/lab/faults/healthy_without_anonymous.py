"""Everything is well; anonymous requests are off, and the balancer only sees whether a port is open."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._moves import all_restarted
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    config = lab.balancer.config(check="", server_options="check")
    with lab.balancer.restarted(config), all_restarted(lab, "--anonymous-auth=false"):
        seen = [(api.status("/readyz"), api.status("/readyz", user="nobody")) for api in lab.apis]
        assert seen == [(200, 401), (200, 401)]
        yield Ask(proof=f"/readyz with and without credentials is {seen}; the balancer's statistics: {lab.balancer.seen()}")
