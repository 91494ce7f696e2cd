"""What stands on the way to an API server and meddles: servers in a namespace, run by threads of the test's own process."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

from tests.lab.network import Host

Handle = Callable[[socket.socket], None]
_PATIENCE_S = 20.0


class Box:
    """A TCP server; each connection is handled in a thread of its own. ``seen`` counts them: whether it was met at all."""

    def __init__(self, listener: socket.socket, handle: Handle) -> None:
        self.seen = 0
        self._listener = listener
        self._handle = handle
        self._held: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def place(self) -> str:
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.settimeout(_PATIENCE_S)
                self.seen += 1
                self._held.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self._handle(connection)

    def close(self) -> None:
        for one in (self._listener, *self._held):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(timeout=_PATIENCE_S)


@contextmanager
def box(host: Host, handle: Handle, *, port: int = 0) -> Generator[Box]:
    """A box at the host's own address, at this port or a free one."""
    made = host.here(lambda: Box(socket.create_server((host.address, port), backlog=64), handle))
    try:
        yield made
    finally:
        made.close()


def intercepting(context: ssl.SSLContext, upstream: tuple[str, int]) -> Handle:
    """Ends TLS with a certificate of its own and speaks TLS again to the real server, as inspection proxies do."""
    onwards = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    onwards.check_hostname = False
    onwards.verify_mode = ssl.CERT_NONE

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as inner:
            plain = socket.create_connection(upstream, timeout=_PATIENCE_S)
            with onwards.wrap_socket(plain) as outer:
                passes_on(inner, outer)

    return handle


def refuses_alpn(upstream: tuple[str, int]) -> Handle:
    """Lets handshakes pass but for those that carry ALPN, which it answers with an alert."""
    alert = bytes([21, 3, 3, 0, 2, 2, 120])

    def handle(connection: socket.socket) -> None:
        hello = connection.recv(65536)
        if b"http/1.1" in hello or b"\x02h2" in hello:
            connection.sendall(alert)
            return
        with socket.create_connection(upstream, timeout=_PATIENCE_S) as outer:
            outer.sendall(hello)
            passes_on(connection, outer)

    return handle


def passes_on(one: socket.socket, other: socket.socket) -> None:
    """Both directions, until either side ends."""
    back = threading.Thread(target=_pump, args=(other, one), daemon=True)
    back.start()
    _pump(one, other)
    back.join(timeout=_PATIENCE_S)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
