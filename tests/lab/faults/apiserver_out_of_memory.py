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
    api, limit = draw.one_of(*lab.apis), draw.between(1_250, 1_400) * 1_000_000

    def squeeze(pid: int) -> None:
        # A limit of the address space: what the kernel refuses, the process cannot have.
        api.host.run("prlimit", f"--pid={pid}", f"--as={limit}")

    log = Log(api)
    with supervised(api, pause_s=draw.seconds(1, 4), each=squeeze) as seen:
        said = log.wait_for("out of memory", "cannot allocate memory", "failed to reserve")
        wait_until(lambda: seen.exits, "it has exited", within=10)
        yield Ask(proof=f"with {limit} bytes of address space it exits with {seen.exits[0]} and logs: {said}", server=api.url)
