"""Moves that faults of the path, the client, DNS and TLS share: what the lab's hosts cannot do by themselves."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import struct
import subprocess
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.demo.pki import Authority
from tests.lab.boxes import Box, Handle, box, passes_on
from tests.lab.kubeadm import Node, Pki
from tests.lab.nameserver import Nameserver
from tests.lab.network import Host
from tests.lab.planes import ApiServer
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab
from tests.require import missing

_PATIENCE_S = 20.0
HELLO = ("-m", "string", "--algo", "bm", "--hex-string", "|160301|", "--from", "40", "--to", "72")
"""Matches packets that begin with a TLS ClientHello."""


# What is seen from a host.


def handshake(host: Host, address: str, port: int, *, name: str | None = None, alpn: bool = True, within: float = 2) -> str:
    """How an unverified TLS handshake from this host ends: who signed the certificate, or silent, reset, closed, or the alert."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        with (
            host.here(lambda: socket.create_connection((address, port), timeout=within)) as plain,
            context.wrap_socket(plain, server_hostname=name) as tls,
        ):
            shown = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
            return f"signed by {shown.issuer.rfc4514_string()}"
    except TimeoutError:
        return "silent"
    except ConnectionResetError:
        return "reset"
    except ssl.SSLEOFError:
        return "closed"
    except ssl.SSLError as error:
        return error.reason or str(error)


def plaintext(host: Host, address: str, port: int, *, within: float = 2) -> str:
    """The first line that a plain HTTP request from this host is answered with; empty when it is not."""
    with host.here(lambda: socket.create_connection((address, port), timeout=within)) as plain, suppress(OSError):
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return plain.recv(4096).partition(b"\r\n")[0].decode(errors="replace")
    return ""


def resolved(lab: Lab, name: str, files: Mapping[str, str]) -> list[str]:
    """What the client's own resolution gives for a name with these files in place, as every program there gets it."""
    folder = lab.scratch()
    shown = {path: folder / f"file{index}" for index, path in enumerate(files)}
    for path, source in shown.items():
        source.write_text(files[path])
    argv = lab.client.command("getent", "ahostsv4", name, files=shown)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    return sorted({line.split()[0] for line in done.stdout.splitlines()})


# The way.


def to_balancer(lab: Lab, *more: str) -> tuple[str, ...]:
    """Matches what clients send to the balancer."""
    return ("-d", lab.lb.address, "-p", "tcp", "--dport", str(lab.balancer.port), *more)


@contextmanager
def on_the_way(lab: Lab, handle: Handle) -> Generator[Box]:
    """A box that the router leads the client's connections to the balancer through; clients notice nothing of it."""
    with (
        box(lab.router, handle) as made,
        lab.router.filter(
            "-i", "client", *to_balancer(lab), jump=["DNAT", "--to-destination", made.place], chain="PREROUTING", table="nat"
        ),
    ):
        yield made


@contextmanager
def small_packets(lab: Lab, mtu: int) -> Generator[None]:
    """Between client and balancer the router forwards packets of at most this size, and says so by ICMP."""
    ways = [f"{lab.client.address}/32 dev client", f"{lab.lb.address}/32 dev br0"]
    try:
        with lab.router.changed([f"route add {way} mtu lock {mtu}" for way in ways], [f"route del {way}" for way in ways]):
            yield
    finally:
        # What they learned of the path's size outlives it.
        for host in (lab.client, lab.lb):
            host.ip("route flush cache")


def elsewhere(lab: Lab, draw: Draw) -> ipaddress.IPv4Network:
    """A private /16 that no machine of the lab is in, and that no route leads to."""
    taken = ipaddress.IPv4Network(f"{lab.names.servers.network_address}/16", strict=False)
    for _ in range(100):
        found = draw.network()
        if not found.overlaps(taken):
            return found
    raise AssertionError("no other network was drawn")


# Boxes.


def closes_alpn_by_reset(upstream: tuple[str, int]) -> Handle:
    """Lets handshakes pass but for those that carry ALPN, which it resets."""

    def handle(connection: socket.socket) -> None:
        hello = connection.recv(65536)
        if b"http/1.1" in hello or b"\x02h2" in hello:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        _relay(connection, upstream, hello)

    return handle


def speaks_first(banner: bytes) -> Handle:
    """A server of another protocol, which greets."""

    def handle(connection: socket.socket) -> None:
        connection.sendall(banner)
        connection.recv(65536)
        connection.sendall(b"Invalid protocol identification string.\r\n")

    return handle


def web_server(page: str, context: ssl.SSLContext | None = None) -> Handle:
    """A web server that is no API server, with TLS where a context is given. It answers everything with one page."""
    body = page.encode()

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) if context else connection as inner:
            said = b""
            while part := inner.recv(65536):
                said += part
                # A line that begins with no letter is no request, TLS among others: that is answered at once.
                if b"\r\n\r\n" in said or not said[:1].isalpha():
                    break
            status = "404 Not Found" if said.startswith((b"GET ", b"HEAD ", b"POST ")) else "400 Bad Request"
            head = f"HTTP/1.1 {status}\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"
            inner.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)

    return handle


def connect_proxy(places: Mapping[str, str], answer: str | None = None) -> Handle:
    """An HTTP proxy for CONNECT. ``places`` are addresses by name; ``answer`` is a status line that it refuses with."""

    def handle(connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            part = connection.recv(65536)
            if not part:
                return
            head += part
        found = re.match(rb"CONNECT ([^ :]+):([0-9]+) ", head)
        if answer is not None or found is None:
            connection.sendall(
                f"HTTP/1.1 {answer or '400 Bad Request'}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )
            return
        name = found[1].decode()
        upstream = places.get(name, name), int(found[2])
        _relay(connection, upstream, before=b"HTTP/1.1 200 Connection established\r\n\r\n")

    return handle


def _relay(connection: socket.socket, upstream: tuple[str, int], first: bytes = b"", *, before: bytes = b"") -> None:
    """Joins both; ``first`` was read already, ``before`` is told the client once the server is connected."""
    with socket.create_connection(upstream, timeout=_PATIENCE_S) as outer:
        connection.sendall(before)
        outer.sendall(first)
        passes_on(connection, outer)


# DNS.


@contextmanager
def second_nameserver(lab: Lab, records: Mapping[str, Sequence[str]]) -> Generator[Nameserver]:
    """Another DNS server, on the worker's host."""
    made = Nameserver(lab.node, records)
    try:
        yield made
    finally:
        made.stop()


# TLS and credentials.


class Intermediate(Authority):
    """An authority that another one signed."""

    def __init__(self, root: Authority, name: str) -> None:
        super().__init__(name)
        now = datetime.now(UTC)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(root._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=300))
            .not_valid_after(now + timedelta(days=1500))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(_public(root)), critical=False)
            .sign(root._key, hashes.SHA256())
        )


def _public(root: Authority) -> ec.EllipticCurvePublicKey:
    return root._key.public_key()


@contextmanager
def other_cluster(lab: Lab, draw: Draw) -> Generator[tuple[ApiServer, Pki]]:
    """Another cluster's API server, on the worker's host, at the port that the balancer has; authorities and data are its own."""
    pki = Pki(etcd=lab.pki.etcd)
    folder = lab.scratch()
    node = Node(folder / "kubernetes", draw.host("cp"), lab.node.address, (f"api.{draw.zone()}",))
    node.write_pki(pki)
    api = ApiServer(node, lab.node, folder, port=lab.balancer.port, etcd=lab.etcd, pki=pki)
    api.start(f"--etcd-prefix=/{draw.word()}-{draw.between(1000, 9999)}")
    try:
        api.wait_ready()
        yield api, pki
    finally:
        api.kill()


@contextmanager
def without_default_rights(lab: Lab, denied: Callable[[], bool]) -> Generator[None]:
    """Takes from users without roles what every cluster lets them read: health, version and the list of APIs."""
    place = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    names = ("system:public-info-viewer", "system:discovery")
    before = {name: lab.api1.ask(f"{place}/{name}").json for name in names}
    try:
        for name in names:
            assert lab.api1.ask(f"{place}/{name}", "DELETE").status == 200
        wait_until(denied, "they are denied", within=20)
        yield
    finally:
        for one in before.values():
            one["metadata"] = {key: one["metadata"][key] for key in ("name", "annotations", "labels")}
            assert lab.api1.ask(place, "POST", one).status == 201


def wrong_clock(offset: timedelta) -> dict[str, str]:
    """The environment in which a process sees a clock that is this much ahead, or behind."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        missing("lab", "libfaketime is not installed")
    # The monotonic clock moves along: with FAKETIME_DONT_FAKE_MONOTONIC timed waits do not end in time.
    return {"LD_PRELOAD": str(found[0]), "FAKETIME": f"{offset.total_seconds():+.0f}"}
