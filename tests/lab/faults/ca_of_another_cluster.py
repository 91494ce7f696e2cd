"""The kubeconfig has another cluster's authority, of another name."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from bot.demo.pki import Authority
from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import handshake
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="ca-mismatch",
    acceptable={
        "bot": ("ca-mismatch", "wrong-cluster-answers"),
        "bot+metrics": ("ca-mismatch",),
    },
    because=(
        "Whether the client's authority or the server is another cluster's cannot be seen from the two alone. "
        "Prometheus verifies the same servers with the cluster's own authority."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    other = Authority(f"{draw.cluster()}-ca")
    seen = handshake(lab.client, lab.lb.address, lab.balancer.port, name=lab.names.api)
    yield Ask(proof=f"the server's certificate is {seen}; the kubeconfig has another authority", authority=other)
