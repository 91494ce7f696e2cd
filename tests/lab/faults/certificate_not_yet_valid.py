"""The serving certificate's validity begins in the future; the API server is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="serving-certificate-not-yet-valid", acceptable={"bot": ("serving-certificate-not-yet-valid",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    asked = draw.one_of(*lab.apis)
    begin = datetime.now(UTC) + draw.ago(timedelta(hours=1), timedelta(days=30))
    pair = lab.authority.server(asked.node.serving_names, not_before=begin, not_after=begin + timedelta(days=365))
    with asked.restarted(serving=pair):
        yield Ask(proof=f"{asked.host.name} is ready with a certificate from {begin:%Y-%m-%d %H:%M} UTC on", server=asked.url)
