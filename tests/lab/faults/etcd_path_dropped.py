"""A filter drops what one API server sends to etcd, whose other client goes on; the cut-off one is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="firewall-drop",
    acceptable={"bot": ("etcd-unavailable",), "bot+control-plane": ("firewall-drop", "etcd-unavailable")},
    because="The API server says that its check of etcd fails, and not why.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with lab.cp1.filter("-s", lab.cp2.address, "-p", "tcp", "--dport", "2379", jump=["DROP"]) as rule:
        wait_until(lambda: lab.api2.status("/livez/etcd") == 500, "/livez/etcd fails", within=60)
        assert lab.api1.status("/livez/etcd") == 200
        proof = f"{rule.packets} packets dropped; /livez/etcd is 500 at {lab.cp2.name} and 200 at {lab.cp1.name}"
        yield Ask(proof=proof, server=lab.api2.url)
