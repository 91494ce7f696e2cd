"""Two hosts and the way between them, for what only a real kernel shows: sizes of packets, loss, long round trips.

On a ``routed`` way a real router forwards, with a narrow link and a packet filter where one is wanted. On a ``long`` way the test
itself carries each packet from one kernel to the other, later or never.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import selectors
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.network import Host, hosts, join, need

_TUN, _NO_HEADER, _SET_INTERFACE = 0x0001, 0x1000, 0x400454CA
_ROOT = Path(__file__).parents[2]
SERVER, CLIENT = "10.78.2.2", "10.78.1.2"


@dataclass(frozen=True)
class Way:
    """``client`` asks, ``server`` is asked; ``router`` is in between, if one is."""

    client: Host
    server: Host
    router: Host | None = None

    def ask(self, *argv: str) -> Any:
        """What a Python module that runs on the client prints, as JSON."""
        return json.loads(self.client.run("env", f"PYTHONPATH={_ROOT}", sys.executable, *argv))

    async def find(self, probe: str, **scene: Any) -> list[dict[str, Any]]:
        """The findings of a probe that runs on the client; ``scene`` as in ``tests.paths.inside``."""
        argv = ("-m", "tests.paths.inside", json.dumps({"probe": probe, **scene}))
        found: list[dict[str, Any]] = await asyncio.to_thread(self.ask, *argv)
        return found


@contextmanager
def routed(*, mtu: int = 1500, told: bool = True) -> Generator[Way]:
    """A way over a router whose far link takes packets of ``mtu`` bytes. ``told`` False: its ICMP messages are dropped."""
    need()
    with hosts("client", "router", "server") as (client, router, server):
        join(client, "eth0", router, "client")
        join(server, "eth0", router, "server")
        client.ip(f"address add {CLIENT}/24 dev eth0", "link set eth0 up", "route add default via 10.78.1.1")
        server.ip(f"address add {SERVER}/24 dev eth0", "link set eth0 up", "route add default via 10.78.2.1")
        router.ip(
            "address add 10.78.1.1/24 dev client",
            "address add 10.78.2.1/24 dev server",
            f"link set server mtu {mtu}",
            "link set client up",
            "link set server up",
        )
        client.address, server.address = CLIENT, SERVER
        router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        with ExitStack() as stack:
            if not told:
                stack.enter_context(router.filter("-p", "icmp", jump=["DROP"], chain="OUTPUT"))
            yield Way(client=client, server=server, router=router)


@contextmanager
def long(*, one_way_s: float = 0.0, lose: Callable[[bytes], bool] = lambda packet: False) -> Generator[Way]:
    """A way on which each packet takes ``one_way_s``, and on which those of the client's are lost that ``lose`` says so of."""
    need()
    with hosts("client", "server") as (client, server), ExitStack() as stack:
        ends = []
        for host, own, other in ((client, CLIENT, SERVER), (server, SERVER, CLIENT)):
            end = host.here(_tunnel)
            stack.callback(os.close, end)
            host.ip(f"address add {own} peer {other} dev far", "link set far up")
            host.address = own
            ends.append(end)
        stopped = threading.Event()
        carrier = threading.Thread(target=_carry, args=(ends[0], ends[1], one_way_s, lose, stopped), daemon=True)
        carrier.start()
        try:
            yield Way(client=client, server=server)
        finally:
            stopped.set()
            carrier.join(timeout=10)


def _tunnel() -> int:
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(end, _SET_INTERFACE, struct.pack("16sH22x", b"far", _TUN | _NO_HEADER))
    return end


def _carry(near: int, far: int, one_way_s: float, lose: Callable[[bytes], bool], stopped: threading.Event) -> None:
    due: deque[tuple[float, int, bytes]] = deque()
    with selectors.DefaultSelector() as ready:
        for end, other in ((near, far), (far, near)):
            ready.register(end, selectors.EVENT_READ, other)
        while not stopped.is_set():
            wait = max(due[0][0] - time.monotonic(), 0) if due else 0.05
            for key, _ in ready.select(min(wait, 0.05)):
                packet = os.read(key.fd, 65_536)
                if key.fd != near or not lose(packet):
                    due.append((time.monotonic() + one_way_s, key.data, packet))
            while due and due[0][0] <= time.monotonic():
                _, end, packet = due.popleft()
                os.write(end, packet)
