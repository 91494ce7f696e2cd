"""The name's record leads to an address that no machine has."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="dns-wrong-address",
    acceptable={
        "bot": ("dns-wrong-address", "node-down", "no-route"),
        "bot+load-balancer": ("dns-wrong-address", "vip-not-held"),
        "bot+metrics": ("dns-wrong-address", "vip-not-held"),
    },
    because=(
        "An address that nobody has is the same as one whose machine is off; only who knows the right one can tell. "
        "The balancer answers at another address of the same network, so that neither it nor the way there is gone."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    wrong = lab.spare(draw.between(0, 3))
    with lab.nameserver.saying({lab.names.api: [wrong]}):
        assert lab.nameserver.ask(lab.names.api, source=lab.client) == [wrong]
        yield Ask(proof=f"the name is {wrong}, which nobody has; the balancer at {lab.lb.address} is well")
