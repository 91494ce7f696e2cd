"""The client's first DNS server does not know the private zone; the second, the zone's own, does."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import resolved, second_nameserver
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="dns-split-horizon",
    acceptable={"bot": ("dns-split-horizon", "dns-name-not-found")},
    because="The name does not exist for who asks the first server only; both are true.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with second_nameserver(lab, {draw.zone(): [lab.spare()]}) as first:
        files = {"/etc/resolv.conf": f"nameserver {first.host.address}\nnameserver {lab.dns.address}\n"}
        assert first.ask(lab.names.api, source=lab.client) == ["NXDOMAIN"]
        assert resolved(lab, lab.names.api, files) == []
        assert lab.nameserver.ask(lab.names.api, source=lab.client) == [lab.lb.address]
        yield Ask(proof=f"the first DNS server says NXDOMAIN, the second, the zone's own, {lab.lb.address}", files=files)
