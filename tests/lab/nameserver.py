"""A DNS server of the lab, over UDP and TCP at port 53, that can lie, fail and be silent."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.lab.network import Host

_PATIENCE_S = 10.0


class Nameserver:
    """Answers with authority for every name of ``records``, and NXDOMAIN for the rest.

    ``rcode`` answers everything with this code; ``silent`` nothing at all; ``asked`` are the questions so far. Changes hold
    from the next question on.
    """

    def __init__(self, host: Host, records: Mapping[str, Sequence[str]]) -> None:
        self.host = host
        self.records: dict[str, tuple[str, ...]] = {name.lower(): tuple(found) for name, found in records.items()}
        self.rcode: str | None = None
        self.silent = False
        self.asked: list[str] = []
        self._usual = dict(self.records)
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._running = False
        self.start()

    def start(self) -> None:
        """Listens; nothing when it does already."""
        if self._running:
            return
        udp = self.host.here(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind((self.host.address, 53))
        tcp = self.host.here(lambda: socket.create_server((self.host.address, 53)))
        self._sockets = [udp, tcp]
        self._threads = [
            threading.Thread(target=self._serve_udp, args=(udp,), daemon=True),
            threading.Thread(target=self._serve_tcp, args=(tcp,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        self._running = True

    def stop(self) -> None:
        """Listens no more: its host answers that the port is unreachable."""
        for one in self._sockets:
            # Closing does not wake a thread that waits in a read; shutting down does.
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(timeout=_PATIENCE_S)
        self._running = False

    @contextmanager
    def stopped(self) -> Generator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def saying(
        self, records: Mapping[str, Sequence[str]] | None = None, *, rcode: str | None = None, silent: bool = False
    ) -> Generator[None]:
        """Until the block is left: these records over the usual (an empty list removes a name), this code, or silence."""
        changed = {**self._usual, **{name.lower(): tuple(found) for name, found in (records or {}).items()}}
        self.records = {name: found for name, found in changed.items() if found}
        self.rcode, self.silent = rcode, silent
        try:
            yield
        finally:
            self.reset()

    def reset(self) -> None:
        self.records, self.rcode, self.silent = dict(self._usual), None, False

    def ask(self, name: str, *, source: Host, within: float = 2) -> list[str]:
        """The addresses that it gives ``source`` for a name; the answer code where it gives none; ``["silent"]``."""
        sock = source.here(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        with sock:
            sock.settimeout(within)
            sock.connect((self.host.address, 53))
            try:
                sock.send(dns.message.make_query(name, "A").to_wire())
                answer = dns.message.from_wire(sock.recv(4096))
            except TimeoutError:
                return ["silent"]
            except ConnectionRefusedError:
                return ["refused"]
        found = [item.to_text() for rrset in answer.answer for item in rrset if rrset.rdtype == dns.rdatatype.A]
        return found or [dns.rcode.to_text(answer.rcode())]

    def answer(self, wire: bytes) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append(name)
        if self.silent:
            return None
        said = dns.message.make_response(query, recursion_available=True)
        said.flags |= dns.flags.AA
        if self.rcode is not None:
            said.set_rcode(dns.rcode.from_text(self.rcode))
        elif name not in self.records:
            said.set_rcode(dns.rcode.NXDOMAIN)
        elif question.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            wanted = dns.rdatatype.to_text(question.rdtype)
            if found := [address for address in self.records[name] if (":" in address) == (wanted == "AAAA")]:
                said.answer.append(dns.rrset.from_text_list(question.name, 30, "IN", wanted, found))
        return said.to_wire()

    def _serve_udp(self, sock: socket.socket) -> None:
        with suppress(OSError):
            while True:
                wire, peer = sock.recvfrom(4096)
                if not wire:
                    return
                with suppress(dns.exception.DNSException):
                    if said := self.answer(wire):
                        sock.sendto(said, peer)

    def _serve_tcp(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, dns.exception.DNSException):
            connection.settimeout(_PATIENCE_S)
            (length,) = struct.unpack("!H", _exactly(connection, 2))
            said = self.answer(_exactly(connection, length))
            if said is None:
                connection.recv(1)
            else:
                connection.sendall(struct.pack("!H", len(said)) + said)


def _exactly(connection: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        part = connection.recv(count - len(got))
        if not part:
            raise ConnectionResetError
        got += part
    return got
