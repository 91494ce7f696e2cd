"""Network namespaces joined by a veth pair: a client outside and a control-plane host, with real packets between them.

Everything is made by the test and removed by it; leftovers of a killed run are found by name and removed first. Nothing is
changed in the host's own namespace.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.require import missing

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Host:
    """A namespace with an address."""

    namespace: str
    address: str

    def command(self, *argv: str) -> list[str]:
        """The argv that runs in this namespace. nsenter rather than ``ip netns exec``, which remounts /sys."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}", "--", *argv]

    def run(self, *argv: str) -> str:
        done = subprocess.run(self.command(*argv), capture_output=True, text=True, timeout=20, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(argv)} in {self.namespace}: {done.stderr.strip()}")
        return done.stdout

    def listening_socket(self) -> socket.socket:
        """A loopback listener inside this namespace, served by this very process: a socket stays where it was made."""
        return self.here(lambda: socket.create_server(("127.0.0.1", 0)))

    def here(self, make: Callable[[], T]) -> T:
        """What ``make`` returns inside this namespace; sockets and threads that it makes stay there."""
        made: list[T] = []
        failed: list[BaseException] = []

        def enter() -> None:
            # setns moves one thread only; this one ends right after.
            try:
                with Path(f"/run/netns/{self.namespace}").open() as namespace:
                    if _libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
                made.append(make())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return made[0]

    def processes(self) -> list[int]:
        done = subprocess.run(["ip", "netns", "pids", self.namespace], capture_output=True, text=True, timeout=20, check=False)
        return [int(pid) for pid in done.stdout.split()]


@dataclass(frozen=True)
class Network:
    """The client outside and the control-plane host."""

    client: Host
    control_plane: Host


def _ip(*argv: str) -> None:
    subprocess.run(["ip", *argv], check=True, capture_output=True, timeout=20)


def _remove(host: Host) -> None:
    for pid in host.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, 9)
    with suppress(subprocess.CalledProcessError):
        _ip("netns", "del", host.namespace)


def _check(needs: Sequence[str]) -> None:
    if os.geteuid() != 0:
        missing("netns", "network namespaces need root")
    for tool in needs:
        if shutil.which(tool) is None:
            missing("netns", f"{tool} is not installed")


@contextmanager
def namespaces(worker: str = "0") -> Iterator[Network]:
    """Two hosts, 10.77.W.2 (client) and 10.77.W.11 (control plane), and the default routes between them."""
    _check(("ip", "iptables", "nsenter"))
    subnet = f"10.77.{int(worker) + 1}"
    client = Host(f"apidown-lab{worker}-cl", f"{subnet}.2")
    control_plane = Host(f"apidown-lab{worker}-cp", f"{subnet}.11")
    _remove(client)
    _remove(control_plane)
    try:
        for host in (client, control_plane):
            _ip("netns", "add", host.namespace)
        _ip(
            "link",
            "add",
            "eth0",
            "netns",
            client.namespace,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            control_plane.namespace,
        )
        for host, other in ((client, control_plane), (control_plane, client)):
            host.run("ip", "link", "set", "lo", "up")
            host.run("ip", "address", "add", f"{host.address}/24", "dev", "eth0")
            host.run("ip", "link", "set", "eth0", "up")
            host.run("ip", "route", "add", "default", "via", other.address)
        yield Network(client=client, control_plane=control_plane)
    finally:
        _remove(client)
        _remove(control_plane)
