"""Everything is well; the name has an IPv6 address, too, and the client has no IPv6."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    prefix = f"fd{draw.between(10, 99)}:{draw.between(1000, 4999)}:1"
    port = lab.balancer.port
    config = lab.balancer.config().replace(f"bind :{port}", f"bind :::{port} v4v6")
    with (
        lab.lb.changed([f"address add {prefix}::2/64 dev eth0 nodad"], [f"address del {prefix}::2/64 dev eth0"]),
        lab.router.changed([f"address add {prefix}::1/64 dev br0 nodad"], [f"address del {prefix}::1/64 dev br0"]),
        lab.balancer.restarted(config),
        lab.nameserver.saying({lab.names.api: [lab.lb.address, f"{prefix}::2"]}),
    ):
        lab.balancer.wait_for("UP")
        assert lab.router.dial(f"{prefix}::2", port, within=2) == "connected"
        assert lab.client.dial(f"{prefix}::2", port) == "ENETUNREACH"
        yield Ask(proof=f"the balancer takes connections at {prefix}::2, too; the client has IPv4 only")
