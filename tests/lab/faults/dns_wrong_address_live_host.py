"""The name's record leads to a machine on which no API server runs."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="dns-wrong-address",
    acceptable={
        "bot": ("dns-wrong-address", "apiserver-not-running", "lb-down"),
        "bot+load-balancer": ("dns-wrong-address", "vip-not-held"),
        "bot+metrics": ("dns-wrong-address",),
    },
    because=(
        "A machine that refuses may be the right one whose server is gone; only who knows the right address can tell. "
        "The balancer is well at another address; Prometheus knows this one as a machine of another kind."
    ),
)
MISSED = (
    "The host refuses as one refuses whose API server is gone. Which address is right nobody said, so that the name leads "
    "elsewhere is not named first. Configured nodes, or the answers of an earlier day, would tell."
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    wrong = lab.node.address
    with lab.nameserver.saying({lab.names.api: [wrong]}):
        assert lab.nameserver.ask(lab.names.api, source=lab.client) == [wrong]
        assert lab.client.dial(wrong, lab.balancer.port) == "refused"
        yield Ask(proof=f"the name is {wrong}, a worker; the balancer at {lab.lb.address} is well")
