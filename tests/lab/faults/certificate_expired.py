"""The serving certificate expired; the API server is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="serving-certificate-expired", acceptable={"bot": ("serving-certificate-expired",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    asked = draw.one_of(*lab.apis)
    end = datetime.now(UTC) - draw.ago(timedelta(minutes=5), timedelta(days=30))
    pair = lab.authority.server(asked.node.serving_names, not_before=end - timedelta(days=365), not_after=end)
    with asked.restarted(serving=pair):
        yield Ask(
            proof=f"{asked.host.name} is ready on 127.0.0.1 with a certificate that ended {end:%Y-%m-%d %H:%M} UTC",
            server=asked.url,
        )
