"""The name has two addresses, of which one is nobody's any more."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="dns-wrong-address",
    acceptable={
        "bot": ("dns-wrong-address", "node-down", "lb-backend-down"),
        "bot+load-balancer": ("dns-wrong-address", "vip-not-held", "node-down"),
        "bot+metrics": ("dns-wrong-address", "vip-not-held", "node-down"),
    },
    because=(
        "The dead address may be an old record or a machine that is off; the other one answers either way. "
        "Who watches the balancer sees all behind it well. That nobody answers for the other address is the same when it "
        "floats and no machine holds it."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    dead = lab.spare(draw.between(0, 3))
    both = draw.some_of([dead, lab.lb.address], 2)
    with lab.nameserver.saying({lab.names.api: both}):
        assert sorted(lab.nameserver.ask(lab.names.api, source=lab.client)) == sorted(both)
        yield Ask(proof=f"the name is {' and '.join(both)}; nobody has {dead}")
