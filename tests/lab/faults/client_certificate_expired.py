"""The client's certificate expired."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tests.lab.fault import Ask, Truth
from tests.lab.kubeadm import as_user
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="client-certificate-expired", acceptable={"bot": ("client-certificate-expired",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    end = datetime.now(UTC) - draw.ago(timedelta(minutes=5), timedelta(days=30))
    pair = lab.authority.client(draw.person(), ["system:masters"], not_before=end - timedelta(days=365), not_after=end)
    assert lab.balancer.up
    yield Ask(proof=f"the cluster is well; the client's certificate ended {end:%Y-%m-%d %H:%M} UTC", user=as_user(pair))
