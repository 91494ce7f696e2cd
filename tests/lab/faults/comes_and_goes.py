"""The balancer dies and is started again, every other second: it is refused and well by turns."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._moves import by_turns, meanwhile, soon
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="lb-down",
    acceptable={"bot": ("lb-down", "vip-not-held", "lb-backend-down")},
    because=(
        "From in front, connections are refused and served by turns: a balancer that is started again and again, an address that "
        "moves to and fro, and a balancer that passes packets on to one good and one dead server look the same. An API server "
        "that starts again says for seconds that its start is not done."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    met = set()

    def both() -> bool:
        met.add(lab.client.dial(lab.lb.address, lab.balancer.port))
        return {"connected", "refused"} <= met

    try:
        with meanwhile(by_turns(lab.balancer.kill, lab.balancer.start, every_s=draw.seconds(0.9, 1.1))):
            soon(both, "it is refused and served")
            yield Ask(proof="the client's host was refused and served, a second apart")
    finally:
        lab.balancer.kill()
        lab.balancer.start()
