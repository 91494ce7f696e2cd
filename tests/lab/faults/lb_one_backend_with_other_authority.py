"""One of two API servers has a certificate that another authority of the same name signed, as after half a rebuild."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from bot.demo.pki import Authority
from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="ca-mismatch",
    acceptable={
        "bot": ("ca-mismatch", "wrong-cluster-answers", "lb-backend-down"),
        "bot+metrics": ("ca-mismatch", "wrong-cluster-answers"),
    },
    because=(
        "Every second connection meets it: half a rebuild and a stranger among those behind look the same. "
        "Prometheus, too, rejects that one and verifies the other."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    with api.restarted(serving=Authority().server(api.node.serving_names)):
        lab.balancer.wait_for("UP")
        yield Ask(proof=f"the authority of {api.host.name}'s certificate is another one; the balancer: {lab.balancer.seen()}")
