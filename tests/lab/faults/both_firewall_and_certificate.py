"""Of the name's two API servers a firewall rejects the one, and the other one's certificate expired."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="firewall-reject",
    acceptable={"bot": ("firewall-reject", "serving-certificate-expired")},
    also=("serving-certificate-expired",),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    rejected, expired = draw.some_of(lab.apis, 2)
    end = datetime.now(UTC) - draw.ago(timedelta(minutes=5), timedelta(days=30))
    pair = lab.authority.server(expired.node.serving_names, not_before=end - timedelta(days=365), not_after=end)
    match = ("-d", rejected.host.address, "-p", "tcp", "--dport", str(rejected.port))
    with (
        expired.restarted(serving=pair),
        lab.router.filter(*match, jump=["REJECT", "--reject-with", "icmp-admin-prohibited"], chain="FORWARD") as rule,
        lab.nameserver.saying({lab.names.api: [rejected.host.address, expired.host.address]}),
    ):
        assert lab.client.dial(rejected.host.address, rejected.port) == "EHOSTUNREACH"
        over = f"{expired.host.name}'s certificate ended {end:%Y-%m-%d %H:%M} UTC"
        proof = f"{rule.packets} packets for {rejected.host.name} were rejected; {over}"
        yield Ask(proof=proof, server=f"https://{lab.names.api}:{expired.port}")
