"""Everything is well; the clock of the bot's machine is some minutes off."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import wrong_clock
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    off = draw.one_of(1, -1) * draw.ago(timedelta(minutes=1), timedelta(minutes=10))
    assert lab.balancer.up
    proof = f"the client's processes see a clock that is {off.total_seconds():+.0f} s off; the certificates are a day old"
    yield Ask(proof=proof, environment=wrong_clock(off))
