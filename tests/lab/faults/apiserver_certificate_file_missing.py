"""The file that a flag of the API server names as its certificate is not there, so that it exits at once."""

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
    path = api.node.pki / f"apiserver-{draw.word()}.crt"
    log = Log(api)
    with supervised(api, f"--tls-cert-file={path}", pause_s=draw.seconds(1, 4)) as seen:
        said = log.wait_for("no such file or directory")
        wait_until(lambda: seen.exits, "it has exited", within=10)
        yield Ask(proof=f"it exits with {seen.exits[0]} and logs: {said}", server=api.url)
