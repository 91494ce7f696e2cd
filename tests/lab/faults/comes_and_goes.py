"""The balancer dies and is started again, every other second: it is refused and well by turns."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._moves import by_turns, meanwhile, noticing, soon
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="lb-down",
    acceptable={
        "bot": ("lb-down", "vip-not-held", "lb-backend-down"),
        "bot+load-balancer": ("lb-down", "vip-not-held"),
        "bot+metrics": ("lb-down",),
    },
    because=(
        "From in front, connections are refused and served by turns: a balancer that is started again and again, an address that "
        "moves to and fro, and a balancer that passes packets on to one good and one dead server look the same. An API server "
        "that starts again says for seconds that its start is not done. "
        "Its statistics say that what is behind it is well; Prometheus sees the balancer itself go and "
        "come, on a machine that is on."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    met = set()

    def both() -> bool:
        met.add(lab.client.dial(lab.lb.address, lab.balancer.port))
        return {"connected", "refused"} <= met

    turns = by_turns(lab.balancer.kill, lab.balancer.start, every_s=draw.seconds(0.9, 1.1))

    def from_the_first_packet_on(stop: threading.Event) -> None:
        wait_until(lambda: begun() or stop.is_set(), "it is asked", within=60)
        stop.wait(0.5)
        lab.balancer.start()
        stop.wait(1)
        turns(stop)

    try:
        with meanwhile(turns):
            soon(both, "it is refused and served")
        # The question begins in a second when it is refused, so that two runs see the same.
        lab.balancer.kill()
        with noticing(lab, lab.lb, lab.balancer.port) as begun, meanwhile(from_the_first_packet_on):
            yield Ask(
                proof="the client's host was refused and served, a second apart; it goes on half a second after the first packet"
            )
    finally:
        lab.balancer.kill()
        lab.balancer.start()
