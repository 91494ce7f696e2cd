"""The clock of the bot's machine is some hours behind, and the serving certificate was renewed since."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import wrong_clock
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="clock-skew", acceptable={"bot": ("clock-skew",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    asked = draw.one_of(*lab.apis)
    behind = draw.ago(timedelta(hours=2), timedelta(hours=20))
    pair = lab.authority.server(asked.node.serving_names, not_before=datetime.now(UTC) - timedelta(minutes=30))
    with asked.restarted(serving=pair):
        proof = f"{asked.host.name} is ready with a certificate of half an hour ago; the client's clock is {behind} behind"
        yield Ask(proof=proof, server=asked.url, environment=wrong_clock(-behind))
