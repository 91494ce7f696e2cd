"""The API server is restarted with another secure port; the old one is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import REFUSED, REFUSED_BECAUSE
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="apiserver-wrong-bind-address",
    acceptable={"bot": REFUSED, "bot+control-plane": ("apiserver-wrong-bind-address",)},
    because=REFUSED_BECAUSE,
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api, port = draw.one_of(*lab.apis), draw.port()
    with api.restarted(f"--secure-port={port}", port=port):
        assert not api.host.listens(api.port)
        yield Ask(proof=f"/readyz is 200 at port {port} on {api.host.name}; nothing listens at {api.port}", server=api.url)
