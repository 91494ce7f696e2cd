"""The API server is restarted and listens on 127.0.0.1 only; it is asked directly."""

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
    api = draw.one_of(*lab.apis)
    with api.restarted("--bind-address=127.0.0.1"):
        assert api.host.listens(api.port, at="127.0.0.1")
        assert lab.client.dial(api.host.address, api.port) == "refused"
        yield Ask(proof=f"/readyz is 200 at 127.0.0.1:{api.port} on {api.host.name}, its only listener", server=api.url)
