"""A real ``redis-server`` on a loopback port, for tests that need one they can stop, freeze or give a password."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

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
        self.process = _spawn(self.binary, self.folder, self.port, self.password)
        if not _answers(self.port, self.process):
            raise RuntimeError(f"{self.binary} does not come back")


def find_redis() -> str | None:
    """The system's own server, if it has one."""
    return shutil.which("redis-server")


@contextlib.contextmanager
def redis_server(folder: Path, *, binary: str, password: str | None = None) -> Generator[RedisServer]:
    """Starts a server with its files in this folder and stops it afterwards, whatever was done to it."""
    server = _start(folder, binary, password)
    try:
        yield server
    finally:
        server.kill()


def _start(folder: Path, binary: str, password: str | None) -> RedisServer:
    for _ in range(_STARTS):  # somebody else may take the port between looking and binding
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = _spawn(binary, folder, port, password)
        if _answers(port, process):
            return RedisServer(binary=binary, folder=folder, port=port, password=password, process=process)
        process.kill()
        process.wait()
    raise RuntimeError(f"{binary} does not start: {(folder / 'server.log').read_text()[-500:]}")


def _spawn(binary: str, folder: Path, port: int, password: str | None) -> subprocess.Popen[bytes]:
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", "", "--appendonly", "yes"]
    options += ["--appendfsync", "always"]
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(
            [binary, *options, *(["--requirepass", password] if password else [])],
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
