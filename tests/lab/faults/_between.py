"""What stands between a client and the balancer and does no harm: a long way, a forward proxy."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Queue

from tests.lab.boxes import Handle, passes_on
from tests.lab.network import Host

_PATIENCE_S = 20.0


def _dial(host: Host, place: tuple[str, int]) -> socket.socket:
    return host.here(lambda: socket.create_connection(place, timeout=_PATIENCE_S))


def far_away(host: Host, upstream: tuple[str, int], delay_s: float) -> Handle:
    """Passes everything on, each way this much later; connecting itself is not slower."""

    def handle(connection: socket.socket) -> None:
        with _dial(host, upstream) as outer:
            back = threading.Thread(target=_later, args=(outer, connection, delay_s), daemon=True)
            back.start()
            _later(connection, outer, delay_s)
            back.join(timeout=_PATIENCE_S)

    return handle


def _later(source: socket.socket, sink: socket.socket, delay_s: float) -> None:
    waiting: Queue[tuple[float, bytes]] = Queue()

    def send() -> None:
        with suppress(OSError):
            while True:
                due, data = waiting.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    with suppress(OSError):
        while data := source.recv(65536):
            waiting.put((time.monotonic() + delay_s, data))
    waiting.put((time.monotonic() + delay_s, b""))
    sender.join(timeout=_PATIENCE_S)


def forward_proxy(host: Host, resolve: Callable[[str], str]) -> Handle:
    """An HTTP proxy that knows CONNECT and finds names by ``resolve``."""

    def handle(connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            part = connection.recv(4096)
            if not part:
                return
            head += part
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        name, _, port = target.rpartition(":")
        if method != "CONNECT":
            connection.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            return
        with _dial(host, (resolve(name.strip("[]")), int(port))) as outer:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            passes_on(connection, outer)

    return handle
