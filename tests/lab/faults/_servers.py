"""Moves that several faults about processes, etcd and the balancer share: supervision, stuttering, held connections, logs."""

from __future__ import annotations

import signal
import socket
import ssl
import threading
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TypedDict

from bot.demo.pki import Pair
from tests.lab.network import Host
from tests.lab.planes import ApiServer, Server
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

MOST_STARTS = 60
MOST_CONNECTIONS = 1500


class Supervised:
    """An API server that something starts again and again; ``exits`` are the codes of its lives so far."""

    def __init__(self) -> None:
        self.exits: list[int] = []
        self.served = 0
        self.stop = threading.Event()


@contextmanager
def supervised(
    api: ApiServer,
    *flags: str,
    pause_s: float,
    lives_s: float | None = None,
    address_space: int | None = None,
) -> Generator[Supervised]:
    """Started anew whenever it has exited and ``pause_s`` are over, as a kubelet does; well again after the block is left.

    ``lives_s`` after its first answer it is killed; when that is left out it ends by itself. ``address_space`` is its limit.
    """
    seen = Supervised()
    serving = _serving(api)
    api.kill()
    thread = threading.Thread(target=_supervise, args=(api, flags, serving, pause_s, lives_s, address_space, seen))
    thread.start()
    try:
        yield seen
    finally:
        seen.stop.set()
        thread.join(timeout=30)
        api.restart()


def _supervise(
    api: ApiServer,
    flags: tuple[str, ...],
    serving: Pair,
    pause_s: float,
    lives_s: float | None,
    address_space: int | None,
    seen: Supervised,
) -> None:
    for _ in range(MOST_STARTS):
        api.start(*flags, serving=serving, address_space=address_space)
        process = api.process
        while lives_s is not None and process.running and not seen.stop.wait(0.05):
            if api.status("/livez/ping", timeout=1) == 200:
                seen.served += 1
                seen.stop.wait(lives_s)
                break
        while lives_s is None and process.running and not seen.stop.wait(0.05):
            pass
        process.kill()
        seen.exits.append(process.exit_code or 0)
        if seen.stop.wait(pause_s):
            return


def _serving(api: ApiServer) -> Pair:
    """The certificate that it has now: a restart changes nothing about it."""
    folder = api.node.pki
    return Pair(certificate=(folder / "apiserver.crt").read_text(), key=(folder / "apiserver.key").read_text())


@contextmanager
def restarted_both(lab: Lab, *flags: str) -> Generator[None]:
    """Both API servers with further flags, started at the same time, ready by their own word."""
    with ExitStack() as stack:
        for api in lab.apis:
            stack.enter_context(api.restarted(*flags, ready=False))
        for api in lab.apis:
            api.wait_ready()
        yield


@contextmanager
def stuttering(server: Server, *, stopped_s: float, running_s: float, most: int = 400) -> Generator[None]:
    """Stopped and let run by turns until the block is left, as on a disk or a machine that gives it too little."""
    over = threading.Event()
    process = server.process

    def turns() -> None:
        for _ in range(most):
            process.signal(signal.SIGSTOP)
            over.wait(stopped_s)
            process.signal(signal.SIGCONT)
            if over.wait(running_s):
                return

    thread = threading.Thread(target=turns)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=30)
        server.thaw()


@contextmanager
def held(source: Host, address: str, port: int, count: int) -> Generator[list[socket.socket]]:
    """That many connections begun, and kept open without a word until the block is left."""
    assert count <= MOST_CONNECTIONS

    def begin() -> list[socket.socket]:
        made = []
        for _ in range(count):
            one = socket.socket()
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect((address, port))
            made.append(one)
        return made

    made = source.here(begin)
    try:
        yield made
    finally:
        for one in made:
            one.close()


class Log:
    """What a server logs from now on."""

    def __init__(self, server: Server) -> None:
        self._path = server.log
        self._from = server.log.stat().st_size if server.log.exists() else 0

    def lines(self, *words: str) -> Iterator[str]:
        """The new lines that have one of these texts."""
        with self._path.open("rb") as file:
            file.seek(self._from)
            for line in file.read().decode(errors="replace").splitlines():
                if any(word in line for word in words):
                    yield line

    def wait_for(self, *words: str, within: float = 40) -> str:
        """The end of the first such line."""
        wait_until(lambda: any(self.lines(*words)), f"its log says {' or '.join(words)}", within=within)
        return next(self.lines(*words)).strip()[-200:]


class Dates(TypedDict):
    """When a certificate begins and ends."""

    not_before: datetime
    not_after: datetime


def expired(draw: Draw) -> Dates:
    """The dates of a certificate that ran out some hours ago, a year after it began."""
    end = datetime.now(UTC) - draw.ago(timedelta(minutes=20), timedelta(days=3))
    return {"not_before": end - timedelta(days=365), "not_after": end}


def entered(host: Host, address: str) -> str:
    """What the neighbour table of ``host`` says of an address, such as FAILED."""
    rows = host.run("ip", "neigh", "show", address).split()
    return rows[-1] if rows else ""


@contextmanager
def unplugged(lab: Lab, *roles: str) -> Generator[None]:
    """These machines off: their ports at the switch have no link, and nobody remembers their addresses."""
    addresses = [lab.hosts[role].address for role in roles]
    watchers = [lab.router, *(lab.hosts[role] for role in ("lb", "node") if role not in roles)]
    with lab.router.changed([f"link set {role} down" for role in roles], [f"link set {role} up" for role in roles]):
        for watcher in watchers:
            device = "br0" if watcher is lab.router else "eth0"
            for address in addresses:
                with suppress(AssertionError):
                    watcher.run("ip", "neigh", "del", address, "dev", device)
        yield


@contextmanager
def announcing(address: str, every_s: float, *holders: Host, most: int = 600) -> Generator[None]:
    """These machines say by turns, to all on their network, that they have this address; until the block is left.

    Linux believes another one a second after the last change at the earliest, so ``every_s`` is more than that.
    """
    over = threading.Event()
    lines = [(host.here(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)), host) for host in holders]
    frames = []
    for line, host in lines:
        line.bind(("eth0", 0))
        hardware = bytes.fromhex(host.run("ip", "-o", "link", "show", "eth0").partition("link/ether ")[2][:17].replace(":", ""))
        # Ethernet to all; ARP, a request about the sender's own address.
        head = b"\xff" * 6 + hardware + b"\x08\x06" + b"\x00\x01\x08\x00\x06\x04\x00\x01"
        own = socket.inet_aton(address)
        frames.append((line, head + hardware + own + b"\x00" * 6 + own))

    def turns() -> None:
        for _ in range(most):
            for line, frame in frames:
                line.send(frame)
                if over.wait(every_s):
                    return

    thread = threading.Thread(target=turns)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=10)
        for line, _ in lines:
            line.close()


@contextmanager
def slow_readers(lab: Lab, api: ApiServer, count: int) -> Generator[list[ssl.SSLSocket]]:
    """That many clients ask for something large and do not read it: each keeps its request in flight for a minute."""
    assert count <= MOST_CONNECTIONS
    folder = lab.scratch()
    context = ssl.create_default_context(cadata=lab.authority.pem)
    context.load_cert_chain(*lab.authority.client("reader", ["system:masters"]).write(folder, "reader"))

    def begin() -> socket.socket:
        one = socket.socket()
        one.settimeout(10)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect((api.host.address, api.port))
        return one

    made = []
    try:
        for _ in range(count):
            made.append(context.wrap_socket(lab.node.here(begin), server_hostname=api.host.address))
            made[-1].sendall(f"GET /openapi/v2 HTTP/1.1\r\nHost: {api.host.address}\r\n\r\n".encode())
        yield made
    finally:
        for one in made:
            one.close()
