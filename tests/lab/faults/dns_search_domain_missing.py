"""The client's URL has a short name, and its resolver lacks the search domain that completes it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import resolved
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="dns-name-not-found",
    acceptable={"bot": ("dns-name-not-found", "client-misconfigured")},
    because="The short name does not exist as it is asked; whether the URL or the search domain is wrong only their owner knows.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    short = lab.names.api.partition(".")[0]
    files = {"/etc/resolv.conf": f"nameserver {lab.dns.address}\nsearch {draw.word()}.{draw.zone()}\n"}
    assert resolved(lab, short, files) == []
    assert resolved(lab, lab.names.api, files) == [lab.lb.address]
    yield Ask(proof=f"{short} is no name there, {lab.names.api} is", server=f"https://{short}:{lab.balancer.port}", files=files)
