"""The clock of the bot's machine is more than a year ahead; everything is well."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import wrong_clock
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="clock-skew", acceptable={"bot": ("clock-skew",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    ahead = draw.ago(timedelta(days=370), timedelta(days=900))
    assert lab.balancer.up
    yield Ask(
        proof=f"the client's processes see a clock that is {ahead.days} days ahead; the servers' is right",
        environment=wrong_clock(ahead),
    )
