"""Idle connections have taken all open files that the API server may have; it is asked directly."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import MUTE, MUTE_BECAUSE
from tests.lab.faults._servers import Log, held
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="file-descriptors-exhausted",
    acceptable={
        "bot": MUTE,
        "bot+control-plane": ("file-descriptors-exhausted",),
        "bot+metrics": ("file-descriptors-exhausted",),
    },
    because=(
        MUTE_BECAUSE
        + " Prometheus keeps its connection, on which the API server itself says how many files it has open, and may have."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api, limit = draw.one_of(*lab.apis), draw.between(220, 300)
    with api.restarted(open_files=limit), ExitStack() as stack:
        # It served for a while, to those who watch it too, before it ran out.
        used = len(os.listdir(f"/proc/{api.process.pid}/fd"))
        log = Log(api)
        with held(lab.node, api.host.address, api.port, int(0.95 * limit) - used):
            lab.scraped()
            stack.enter_context(held(lab.node, api.host.address, api.port, 4 * limit))
            said = log.wait_for("too many open files", within=20)
            yield Ask(proof=f"with {limit} open files allowed, its log says: {said}", server=api.url)
