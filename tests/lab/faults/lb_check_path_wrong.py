"""The balancer checks a path that nobody may ask without credentials, and takes both API servers out."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import BEHIND, BEHIND_BECAUSE
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="lb-health-check-wrong",
    acceptable={
        "bot": BEHIND,
        "bot+load-balancer": ("lb-health-check-wrong",),
        "bot+control-plane": ("lb-no-healthy-backend", "lb-health-check-wrong", "firewall-drop"),
    },
    because=BEHIND_BECAUSE,
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    path = draw.one_of("/", "/status", "/health", "/api", "/metrics")
    with lab.balancer.restarted(lab.balancer.config(check=f"option httpchk GET {path}")):
        lab.balancer.wait_for("DOWN", check="L7STS")
        assert all(api.is_ready() for api in lab.apis)
        yield Ask(proof=f"GET {path} is checked; the balancer's statistics: {lab.balancer.seen()}; both API servers are ready")
