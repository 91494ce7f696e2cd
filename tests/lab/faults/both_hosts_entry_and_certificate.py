"""An old hosts entry leads past the balancer to one API server, whose certificate expired."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import resolved
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="hosts-file-override",
    acceptable={"bot": ("hosts-file-override", "serving-certificate-expired")},
    also=("serving-certificate-expired",),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    asked = draw.one_of(*lab.apis)
    end = datetime.now(UTC) - draw.ago(timedelta(minutes=5), timedelta(days=30))
    pair = lab.authority.server(asked.node.serving_names, not_before=end - timedelta(days=365), not_after=end)
    entry = {"/etc/hosts": f"127.0.0.1 localhost\n{asked.host.address} {lab.names.api}\n"}
    with asked.restarted(serving=pair):
        assert resolved(lab, lab.names.api, entry) == [asked.host.address]
        over = f"the certificate there ended {end:%Y-%m-%d %H:%M} UTC"
        proof = f"the hosts file says {asked.host.address}, DNS {lab.lb.address}; {over}"
        yield Ask(proof=proof, server=f"https://{lab.names.api}:{asked.port}", files=entry)
