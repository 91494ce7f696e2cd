"""Everything is well; the proxy that the kubeconfig names is the only way out, and it works."""

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
    direct = ("-s", lab.client.address, "-d", lab.lb.address)
    way = forward_proxy(lab.client2, lambda name: known.get(name, name))
    with box(lab.client2, way) as proxy, lab.router.filter(*direct, jump=["DROP"], chain="FORWARD"):
        assert lab.client.dial(lab.lb.address, lab.balancer.port) == "silent"
        assert lab.client2.dial(lab.lb.address, lab.balancer.port) == "connected"
        yield Ask(proof=f"the balancer's statistics: {lab.balancer.seen()}", cluster={"proxy-url": f"http://{proxy.place}"})
