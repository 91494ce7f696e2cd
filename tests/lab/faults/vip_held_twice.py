"""Two machines hold the virtual address, the balancer and one on which nothing listens; each announces it by turns."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._servers import announcing
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="vip-not-held",
    acceptable={
        "bot": ("vip-not-held", "lb-backend-down", "lb-down"),
        "bot+load-balancer": ("vip-not-held",),
        "bot+metrics": ("vip-not-held",),
    },
    because=(
        "Connections are refused and served by turns: two holders, a balancer that passes packets on to one good and one dead "
        "server, or one that is started again and again. "
        "The statistics, at the machine's own address, say that the balancer runs on and that what is behind it is well."
    ),
)
MISSED = (
    "A round of some seconds may meet one of the two holders only, as the neighbours' caches have it. Refused "
    "throughout, it looks like a balancer that is down; refused at first, like something that has recovered. Runs "
    "that met both named it. Asking the neighbours whose hardware address answers would tell."
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    address, port = lab.spare(draw.between(0, 3)), lab.balancer.port
    has = [f"address add {address}/32 dev eth0"], [f"address del {address}/32 dev eth0"]
    answers = set()

    def both_met() -> bool:
        answers.add(lab.client.dial(address, port))
        return {"connected", "refused"} <= answers

    with (
        lab.lb.changed(*has),
        lab.node.changed(*has),
        lab.nameserver.saying({lab.names.api: [address]}),
        announcing(address, draw.seconds(1.2, 2.5), lab.lb, lab.node),
    ):
        wait_until(both_met, "both have answered", within=20)
        yield Ask(proof=f"{lab.lb.name} and {lab.node.name} both have {address}, and both have answered")
