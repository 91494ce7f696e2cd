"""Everything is well; the kubeconfig names a proxy, which works, beside a direct way that works too."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.boxes import box
from tests.lab.fault import Ask, Truth
from tests.lab.faults._between import forward_proxy
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    known = {lab.names.api: lab.lb.address}
    with box(lab.client2, forward_proxy(lab.client2, lambda name: known.get(name, name))) as proxy:
        yield Ask(proof=f"the balancer's statistics: {lab.balancer.seen()}", cluster={"proxy-url": f"http://{proxy.place}"})
