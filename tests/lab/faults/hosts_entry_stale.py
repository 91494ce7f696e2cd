"""An old entry in the client's hosts file hides the name's DNS record."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import resolved
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="hosts-file-override", acceptable={"bot": ("hosts-file-override",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    wrong = lab.spare(draw.between(0, 3))
    entry = {"/etc/hosts": f"127.0.0.1 localhost\n{wrong} {lab.names.api}\n"}
    assert resolved(lab, lab.names.api, entry) == [wrong]
    assert lab.nameserver.ask(lab.names.api, source=lab.client) == [lab.lb.address]
    yield Ask(proof=f"the hosts file says {wrong}, the zone's DNS server {lab.lb.address}", files=entry)
