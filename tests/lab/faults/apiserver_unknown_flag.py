"""A flag of the API server is misspelt: it exits at once, however often it is started. It is asked directly."""

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
    cause="apiserver-bad-configuration",
    acceptable={"bot": REFUSED, "bot+control-plane": ("apiserver-bad-configuration",)},
    because=REFUSED_BECAUSE,
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    flag = draw.one_of("audit-log-maxage-days", "etcd-server", "authorisation-mode", "enable-admission-plugin-list", "tls-cert")
    log = Log(api)
    with supervised(api, f"--{flag}={draw.word()}", pause_s=draw.seconds(1, 4)) as seen:
        said = log.wait_for(f"unknown flag: --{flag}")
        wait_until(lambda: seen.exits, "it has exited", within=10)
        yield Ask(proof=f"it exits with {seen.exits[0]} and logs: {said}", server=api.url)
