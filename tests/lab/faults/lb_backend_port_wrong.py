"""The balancer was given a port of the control-plane nodes at which nothing listens."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import BEHIND
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="lb-no-healthy-backend",
    acceptable={
        "bot": BEHIND,
        "bot+load-balancer": ("lb-no-healthy-backend", "apiserver-not-running", "apiserver-wrong-bind-address"),
        "bot+load-balancer+metrics": ("lb-no-healthy-backend", "firewall-reject"),
    },
    because=(
        "The balancer is refused: it asks at the wrong port, or nothing listens at the right one. "
        "Prometheus is served by both where they listen."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    port = draw.port()
    servers = {name: f"{place.rpartition(':')[0]}:{port}" for name, place in lab.balancer.servers.items()}
    with lab.balancer.restarted(lab.balancer.config(servers=servers)):
        lab.balancer.wait_for("DOWN", check="L4CON")
        assert all(api.is_ready() for api in lab.apis)
        yield Ask(proof=f"it asks port {port}, and the API servers are ready at {lab.api1.port}; it sees {lab.balancer.seen()}")
