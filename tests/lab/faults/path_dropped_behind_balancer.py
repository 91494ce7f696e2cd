"""Both control-plane nodes drop what the balancer sends; the balancer takes them out."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="firewall-drop",
    acceptable={
        "bot": ("lb-no-healthy-backend",),
        "bot+load-balancer": ("firewall-drop", "node-down"),
        "bot+load-balancer+metrics": ("firewall-drop",),
    },
    because=(
        "The balancer accepts and closes: nothing behind it is seen from in front of it. "
        "Its statistics say that they are silent to it; Prometheus, on another machine, is served by both."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with ExitStack() as stack:
        for api in lab.apis:
            match = ("-s", lab.lb.address, "-p", "tcp", "--dport", str(api.port))
            stack.enter_context(api.host.filter(*match, jump=["DROP"]))
        lab.balancer.wait_for("DOWN", check="L4TOUT", within=30)
        assert all(api.status("/readyz") == 200 for api in lab.apis)
        yield Ask(proof=f"both are ready on their own hosts; the balancer's statistics: {lab.balancer.seen()}")
