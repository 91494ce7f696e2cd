"""Everything is well; the client's user has no roles but those that everybody has."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.kubeadm import as_user
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    pair = lab.authority.client(draw.person(), [draw.word()])
    assert lab.balancer.up
    yield Ask(proof=f"the balancer's statistics: {lab.balancer.seen()}", user=as_user(pair))
