"""The serving certificate expired, and so did the client's token."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tests.lab import tokens
from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="serving-certificate-expired",
    acceptable={"bot": ("serving-certificate-expired", "token-rejected")},
    also=("token-rejected",),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    asked = draw.one_of(*lab.apis)
    end = datetime.now(UTC) - draw.ago(timedelta(minutes=5), timedelta(days=30))
    pair = lab.authority.server(asked.node.serving_names, not_before=end - timedelta(days=365), not_after=end)
    one = tokens.account(lab, f"{draw.word()}-{draw.between(1000, 9999)}")
    try:
        text = tokens.token(lab, one, valid_in=-timedelta(days=2), expires_in=-draw.ago(timedelta(minutes=5), timedelta(days=1)))
        with asked.restarted(serving=pair):
            assert asked.status("/livez", user=text) == 401
            proof = f"{asked.host.name} shows a certificate that ended {end:%Y-%m-%d %H:%M} UTC, and answers 401 to the token"
            yield Ask(proof=proof, server=asked.url, user={"token": text})
    finally:
        lab.api1.wait_ready()
        tokens.remove(lab, one)
