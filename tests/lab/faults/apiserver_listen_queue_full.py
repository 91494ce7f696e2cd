"""The API server is stopped and the queue of connections that it should accept is full; it is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import SILENT, SILENT_BECAUSE
from tests.lab.faults._servers import held
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="listen-queue-overflow",
    acceptable={
        "bot": SILENT,
        "bot+control-plane": ("listen-queue-overflow", "apiserver-hung"),
        "bot+metrics": ("listen-queue-overflow", "apiserver-hung"),
    },
    because=SILENT_BECAUSE + " Prometheus sees the machine on, and its count of overflowing queues rise.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api, room = draw.one_of(*lab.apis), draw.between(4, 16)
    with (
        api.host.sysctl("net.core.somaxconn", room),
        api.restarted(),
        api.frozen(),
        held(lab.node, api.host.address, api.port, 2 * room),
    ):
        wait_until(lambda: lab.client.dial(api.host.address, api.port) == "silent", "no more are accepted", within=10)
        dropped = api.host.run("nstat", "-az", "TcpExtListenOverflows").split()[-2]
        queue = api.host.run("ss", "-Hltn", f"sport = :{api.port}").split()[1:3]
        yield Ask(proof=f"{queue[0]} connections wait where {queue[1]} may; {dropped} were dropped for it", server=api.url)
