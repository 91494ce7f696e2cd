"""The client's first DNS server has another address for the name than the zone's own server."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import resolved, second_nameserver
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="dns-split-horizon",
    acceptable={"bot": ("dns-split-horizon", "dns-wrong-address")},
    because="That the first server's answer is meant for other clients, and not only old, is not in it.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    wrong = lab.spare(draw.between(0, 3))
    with second_nameserver(lab, {lab.names.api: [wrong]}) as first:
        files = {"/etc/resolv.conf": f"nameserver {first.host.address}\nnameserver {lab.dns.address}\n"}
        assert resolved(lab, lab.names.api, files) == [wrong]
        assert lab.nameserver.ask(lab.names.api, source=lab.client) == [lab.lb.address]
        yield Ask(proof=f"the first DNS server says {wrong}, the second, the zone's own, {lab.lb.address}", files=files)
