"""A real HAProxy on the loopback interface, before servers that answer, or not, as a test wants it."""

from __future__ import annotations

import itertools
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.lab.processes import Process, wait_until
from tests.ports import free_port
from tests.require import missing

Answer = Callable[[socket.socket], None]


def need_haproxy() -> None:
    for tool in ("haproxy", "setpriv"):
        if shutil.which(tool) is None:
            missing("netns", f"{tool} is not installed")


class Servers:
    """Servers on ports of their own, one thread a connection; all are gone when this is closed."""

    def __init__(self) -> None:
        self._listeners: list[socket.socket] = []
        self._taken: list[socket.socket] = []

    def answering(self, answer: Answer) -> int:
        listener = self._listen(64)
        threading.Thread(target=self._take, args=(listener, answer), daemon=True).start()
        return listener.getsockname()[1]

    def status(self, *codes: int) -> int:
        """HTTP answers with these statuses by turns, one a connection."""
        turns = itertools.cycle(codes)

        def answer(link: socket.socket) -> None:
            link.recv(4096)
            link.sendall(b"HTTP/1.1 %d Said\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % next(turns))
            link.close()

        return self.answering(answer)

    def first(self, code: int) -> int:
        """That status for the first connection, and 200 from then on."""
        once = itertools.chain([code], itertools.repeat(200))

        def answer(link: socket.socket) -> None:
            link.recv(4096)
            link.sendall(b"HTTP/1.1 %d Said\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % next(once))
            link.close()

        return self.answering(answer)

    def saying(self, text: bytes, *, unasked: bool = False) -> int:
        def answer(link: socket.socket) -> None:
            if not unasked:
                link.recv(4096)
            link.sendall(text)
            link.close()

        return self.answering(answer)

    def silent(self) -> int:
        """Takes connections and says nothing."""
        return self.answering(lambda link: None)

    def full(self) -> int:
        """Its queue is full: further connections are met with silence."""
        listener = self._listen(0)
        for _ in range(3):
            link = socket.socket()
            link.setblocking(False)
            with suppress(BlockingIOError):
                link.connect(listener.getsockname())
            self._taken.append(link)
        return listener.getsockname()[1]

    def close(self) -> None:
        for one in (*self._listeners, *self._taken):
            one.close()

    def _listen(self, backlog: int) -> socket.socket:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(backlog)
        self._listeners.append(listener)
        return listener

    def _take(self, listener: socket.socket, answer: Answer) -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            self._taken.append(link)
            threading.Thread(target=self._answer, args=(link, answer), daemon=True).start()

    def _answer(self, link: socket.socket, answer: Answer) -> None:
        with suppress(OSError):
            answer(link)


class Haproxy:
    """One process with a socket that only tells (``level user``), one that tells addresses, too, and a page."""

    def __init__(self, folder: Path, sections: str, *, page: str = "", before: tuple[str, ...] = ()) -> None:
        self.user, self.operator, self.admin = folder / "user.sock", folder / "operator.sock", folder / "admin.sock"
        self.page_port, self.tcp_port = free_port(), free_port()
        config = folder / "haproxy.cfg"
        config.write_text(
            f"global\n  stats socket {self.user} mode 600 level user\n  stats socket {self.operator} mode 600 level operator\n"
            f"  stats socket {self.admin} mode 600 level admin\n  stats socket ipv4@127.0.0.1:{self.tcp_port} level user\n"
            "resolvers nobody\n  nameserver none 127.0.0.1:9\n"
            "defaults\n  mode tcp\n  timeout connect 300ms\n  timeout client 60s\n  timeout server 60s\n  timeout check 300ms\n"
            "  timeout queue 60s\n  default-server inter 100ms fall 1 rise 1\n"
            f"frontend page\n  mode http\n  bind 127.0.0.1:{self.page_port}{page}\n  stats enable\n  stats uri /stats\n{sections}"
        )
        self._process = Process("haproxy", [*before, "haproxy", "-db", "-f", str(config)], log=folder / "haproxy.log")
        wait_until(lambda: bool(self.tell("show info")), "HAProxy tells", within=10, process=self._process)

    def tell(self, command: str) -> str:
        """What the strongest socket answers; empty while nobody does."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(5)
            try:
                link.connect(str(self.admin))
                link.sendall(command.encode() + b"\n")
                return b"".join(iter(lambda: link.recv(65536), b"")).decode()
            except OSError:
                return ""

    def freeze(self) -> None:
        self._process.signal(signal.SIGSTOP)

    def kill(self) -> None:
        self._process.kill()


@contextmanager
def haproxy(folder: Path, sections: str, *, page: str = "", before: tuple[str, ...] = ()) -> Generator[Haproxy]:
    need_haproxy()
    process = Haproxy(folder, sections, page=page, before=before)
    try:
        yield process
    finally:
        process.kill()


@contextmanager
def servers() -> Generator[Servers]:
    opened = Servers()
    try:
        yield opened
    finally:
        opened.close()
