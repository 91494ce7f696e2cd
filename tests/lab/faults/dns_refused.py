"""The DNS server refuses to answer."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="dns-server-failing", acceptable={"bot": ("dns-server-failing",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with lab.nameserver.saying(rcode="REFUSED"):
        assert lab.nameserver.ask(lab.names.api, source=lab.client) == ["REFUSED"]
        assert lab.balancer.up
        yield Ask(proof="asked for the name, the DNS server is: REFUSED; the cluster is well")
