"""The API server gets less memory than it needs and dies of it at each start; it is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import REFUSED, REFUSED_BECAUSE
from tests.lab.faults._servers import Log, supervised
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="apiserver-oom-killed",
    acceptable={"bot": REFUSED, "bot+control-plane": ("apiserver-oom-killed", "apiserver-crash-looping")},
    because=REFUSED_BECAUSE,
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    # What the kernel refuses of the address space, the process cannot have; when it is well it takes more than 1,500 MB.
    api, limit = draw.one_of(*lab.apis), draw.between(700, 1_000) * 1_000_000
    log = Log(api)
    with supervised(api, pause_s=draw.seconds(1, 4), address_space=limit) as seen:
        said = log.wait_for("out of memory", "cannot allocate memory", "failed to reserve")
        wait_until(lambda: seen.exits, "it has exited", within=10)
        yield Ask(proof=f"with {limit} bytes of address space it exits with {seen.exits[0]} and logs: {said}", server=api.url)
