"""Real ``redis-server`` processes on loopback ports: one that can be stopped, frozen, given a password or TLS; a primary with
a replica and Sentinels; a cluster of primaries."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_STARTS = 5
_READY_S = 10.0


@dataclass(kw_only=True)
class RedisServer:
    """A running server. ``url`` has the password in it, if there is one."""

    binary: str
    folder: Path
    port: int
    password: str | None
    process: subprocess.Popen[bytes]
    options: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0" if self.password else f"redis://127.0.0.1:{self.port}/0"

    def kill(self) -> None:
        """As if the machine went away, as far as a process can."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Connections stay and are accepted, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def restart(self) -> None:
        """The same port, with the data of the append-only file."""
        self.kill()
        self.process = _spawn(self.binary, self.folder, self.port, self.password, self.options)
        if not _answers(self.port, self.process):
            raise RuntimeError(f"{self.binary} does not come back")


def find_redis() -> str | None:
    """The system's own server, if it has one."""
    return shutil.which("redis-server")


@contextlib.contextmanager
def redis_server(
    folder: Path, *, binary: str, password: str | None = None, options: Sequence[str] = ()
) -> Generator[RedisServer]:
    """Starts a server with its files in this folder and stops it afterwards, whatever was done to it."""
    server = _start(folder, binary, password, tuple(options))
    try:
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def tls_server(folder: Path, *, binary: str, ca: Path, certificate: Path, key: Path, clients: bool) -> Generator[int]:
    """A server with TLS, beside its plain port; yields the TLS port. ``clients``: it asks for their certificates."""
    port = free_port()
    options = ["--tls-port", str(port), "--tls-ca-cert-file", str(ca), "--tls-cert-file", str(certificate)]
    options += ["--tls-key-file", str(key), "--tls-auth-clients", "yes" if clients else "no"]
    with redis_server(folder, binary=binary, options=options):
        yield port


@dataclass(kw_only=True)
class SentinelGroup:
    """A primary, a replica, and three Sentinels that watch them."""

    servers: dict[int, RedisServer]
    sentinels: list[RedisServer]

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(f'127.0.0.1:{item.port}' for item in self.sentinels)}/mymaster/0"

    def primary(self) -> RedisServer:
        answer = command(self.sentinels[-1].port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")
        return self.servers[int(answer.split(b"\r\n")[4])]


@contextlib.contextmanager
def sentinel_group(folder: Path, *, binary: str, down_after_ms: int = 500) -> Generator[SentinelGroup]:
    with contextlib.ExitStack() as stack:
        servers = []
        for name in ("a", "b"):
            (folder / name).mkdir(parents=True)
            options = [] if not servers else ["--replicaof", "127.0.0.1", str(servers[0].port)]
            servers.append(stack.enter_context(redis_server(folder / name, binary=binary, options=options)))
        primary, replica = servers
        until(lambda: b"master_link_status:up" in command(replica.port, "INFO", "replication"))
        sentinels = []
        for name in ("s1", "s2", "s3"):
            (folder / name).mkdir()
            config = folder / name / "sentinel.conf"
            config.write_text(
                f"sentinel monitor mymaster 127.0.0.1 {primary.port} 2\n"
                f"sentinel down-after-milliseconds mymaster {down_after_ms}\n"
                "sentinel failover-timeout mymaster 5000\n"
            )
            sentinels.append(stack.enter_context(_sentinel(folder / name, binary, config)))
        known = b"num-other-sentinels", b"num-slaves"
        for item in sentinels:
            until(lambda port=item.port: _numbers(command(port, "SENTINEL", "MASTER", "mymaster"), known) == [2, 1])
        yield SentinelGroup(servers={item.port: item for item in servers}, sentinels=sentinels)


@contextlib.contextmanager
def redis_cluster(folder: Path, *, binary: str, replicas: int = 0) -> Generator[list[RedisServer]]:
    """Three primaries that share the slots, and so many replicas of the first one. ``redis-cli`` is not needed."""
    with contextlib.ExitStack() as stack:
        nodes = []
        for index in range(3 + replicas):
            (folder / f"n{index}").mkdir(parents=True)
            options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0"]
            options += ["--cluster-port", str(free_port())]
            nodes.append(stack.enter_context(redis_server(folder / f"n{index}", binary=binary, options=options)))
        for node, (first, last) in zip(nodes, ((0, 5460), (5461, 10922), (10923, 16383)), strict=False):
            command(node.port, "CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
            command(node.port, "CLUSTER", "SET-CONFIG-EPOCH", str(nodes.index(node) + 1))
        for node in nodes[1:]:
            bus = node.options[node.options.index("--cluster-port") + 1]
            command(nodes[0].port, "CLUSTER", "MEET", "127.0.0.1", str(node.port), bus)
        for node in nodes:
            until(lambda port=node.port: command(port, "CLUSTER", "NODES").count(b"connected") >= len(nodes))
        for node in nodes[3:]:
            until(lambda port=node.port: b"OK" in command(port, "CLUSTER", "REPLICATE", node_id(nodes[0])))
        for node in nodes:
            until(lambda port=node.port: b"cluster_state:ok" in command(port, "CLUSTER", "INFO"))
        for node in nodes[3:]:
            until(lambda port=node.port: b"master_link_status:up" in command(port, "INFO", "replication"))
        yield nodes


def node_id(node: RedisServer) -> str:
    return command(node.port, "CLUSTER", "MYID").split(b"\r\n")[1].decode()


def command(port: int, *parts: str) -> bytes:
    """The raw answer; for arranging what the product is then shown."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection, connection.makefile("rb") as answer:
        sent = b"".join(b"$%d\r\n%s\r\n" % (len(part.encode()), part.encode()) for part in parts)
        connection.sendall(b"*%d\r\n%s" % (len(parts), sent))
        return _reply(answer)


def _reply(answer: BinaryIO) -> bytes:
    line = answer.readline()
    count = int(line[1:]) if line[:1] in b"$*" else 0
    if line[:1] == b"$" and count >= 0:
        line += answer.read(count + 2)
    elif line[:1] == b"*":
        line += b"".join(_reply(answer) for _ in range(count))
    return line


def until(holds: Callable[[], bool], *, within_s: float = 30.0) -> None:
    limit = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > limit:
            raise RuntimeError("it does not come about")
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _numbers(answer: bytes, names: Sequence[bytes]) -> list[int]:
    """Of a flat list of names and values, these values."""
    parts = answer.split(b"\r\n")
    return [int(parts[parts.index(name) + 2]) if name in parts else -1 for name in names]


@contextlib.contextmanager
def _sentinel(folder: Path, binary: str, config: Path) -> Generator[RedisServer]:
    port = free_port()
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [binary, str(config), "--sentinel", "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    server = RedisServer(binary=binary, folder=folder, port=port, password=None, process=process)
    try:
        if not _answers(port, process):
            raise RuntimeError(f"the Sentinel does not start: {(folder / 'server.log').read_text()[-500:]}")
        yield server
    finally:
        server.kill()


def _start(folder: Path, binary: str, password: str | None, options: tuple[str, ...]) -> RedisServer:
    for _ in range(_STARTS):  # somebody else may take the port between looking and binding
        port = free_port()
        process = _spawn(binary, folder, port, password, options)
        if _answers(port, process):
            return RedisServer(binary=binary, folder=folder, port=port, password=password, process=process, options=options)
        process.kill()
        process.wait()
    raise RuntimeError(f"{binary} does not start: {(folder / 'server.log').read_text()[-500:]}")


def _spawn(binary: str, folder: Path, port: int, password: str | None, options: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    command = [binary, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", "", "--appendonly", "yes"]
    command += ["--appendfsync", "always", "--repl-diskless-sync-delay", "0", *options]
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(
            [*command, *(["--requirepass", password] if password else [])],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    until = time.monotonic() + _READY_S
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            if connection.recv(64).startswith((b"+PONG", b"-NOAUTH")):
                return process.poll() is None
        time.sleep(0.02)
    return False
