"""Hosts: network namespaces that nothing outlives, joined by real veth pairs, with real packet filters.

A namespace has no name: a process anchors it, and the kernel kills that process when the test ends in whatever way. A namespace
without processes is gone, and with it its links, routes and rules. Nothing is changed in the machine's own namespace.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.lab.processes import Process, wait_until
from tests.require import missing

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_marks = itertools.count(1)


class Host:
    """A machine of the lab: a namespace with an address. ``name`` is for people."""

    def __init__(self, name: str, address: str = "") -> None:
        self.name = name
        self.address = address
        self.files: dict[str, Path] = {}
        """What stands at these paths for the processes of this host instead of the machine's own files."""
        own = os.stat("/proc/self/ns/net").st_ino
        self._anchor = Process(name, ["unshare", "--net", "sleep", "infinity"], log=Path(os.devnull))
        self._path = f"/proc/{self._anchor.pid}/ns/net"
        wait_until(lambda: self._inode() not in (None, own), f"the namespace of {name} is there", within=10)
        self._namespace = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        self.inode = os.fstat(self._namespace).st_ino

    def _inode(self) -> int | None:
        with suppress(OSError):
            return os.stat(f"/proc/{self._anchor.pid}/ns/net").st_ino
        return None

    @property
    def anchor(self) -> int:
        return self._anchor.pid

    def command(self, *argv: str, files: Mapping[str, Path] | None = None) -> list[str]:
        """The argv that runs on this host, with its files and these over the machine's own."""
        shown = {**self.files, **(files or {})}
        inner = list(argv)
        for path, source in shown.items():
            inner = ["sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', str(source), path, *inner]
        return ["nsenter", f"--net={self._path}", *(["unshare", "--mount"] if shown else []), "--", *inner]

    def run(self, *argv: str, given: str | None = None) -> str:
        """A short command's output; an AssertionError with its words when it fails."""
        done = subprocess.run(
            ["nsenter", f"--net={self._path}", "--", *argv], capture_output=True, text=True, timeout=20, check=False, input=given
        )
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(argv)} on {self.name}: {done.stderr.strip()}")
        return done.stdout

    def start(self, name: str, *argv: str, log: Path, env: dict[str, str] | None = None) -> Process:
        """A server on this host."""
        return Process(name, self.command(*argv), log=log, env=env)

    def ip(self, *lines: str) -> None:
        """Lines of ``ip``, all in one call."""
        self.run("ip", "-batch", "-", given="\n".join(lines) + "\n")

    def here(self, make: Callable[[], T]) -> T:
        """What ``make`` returns on this host; sockets that it makes stay there, and may be used by any thread."""
        made: list[T] = []
        failed: list[BaseException] = []

        def enter() -> None:
            # setns moves one thread only; this one ends right after.
            try:
                if _libc.setns(self._namespace, _CLONE_NEWNET) != 0:
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

    def listening_socket(self) -> socket.socket:
        """A loopback listener on this host, served by this very process."""
        return self.here(lambda: socket.create_server(("127.0.0.1", 0)))

    def dial(self, address: str, port: int, *, within: float = 0.5) -> str:
        """How one connection from this host ends: connected, refused, silent, or the error's name, such as EHOSTUNREACH."""
        try:
            self.here(lambda: socket.create_connection((address, port), timeout=within)).close()
        except TimeoutError:
            return "silent"
        except ConnectionRefusedError:
            return "refused"
        except OSError as error:
            return _name_of(error)
        return "connected"

    def listens(self, port: int, *, at: str | None = None) -> bool:
        """Whether something listens on this port here, at this local address where one is given."""
        rows = self.run("ss", "-Hltn", f"sport = :{port}").splitlines()
        places = [row.split()[3].rpartition(":")[0].strip("[]") for row in rows]
        return at in places if at is not None else bool(places)

    @contextmanager
    def filter(self, *match: str, jump: Sequence[str], chain: str = "INPUT", table: str = "filter") -> Generator[Rule]:
        """A packet filter's rule, first in its chain, until the block is left. ``jump`` is the target with its options.

        Example: ``host.filter("-p", "tcp", "--dport", "6443", jump=["REJECT", "--reject-with", "tcp-reset"])``.
        """
        rule = Rule(self, table, chain, f"lab-{next(_marks)}")
        argv = (chain, *match, "-m", "comment", "--comment", rule.mark, "-j", *jump)
        self.run("iptables", "-w", "-t", table, "-I", *argv)
        try:
            yield rule
        finally:
            self.run("iptables", "-w", "-t", table, "-D", *argv)

    def rules(self) -> list[str]:
        """The packet filter's rules, as iptables-save writes them; empty on a host that is well."""
        return [line for line in self.run("iptables-save").splitlines() if line.startswith("-A")]

    def shape(self) -> str:
        """Links, addresses, routes and rules: equal before and after a fault that was undone."""
        seen = self.run("ip", "-o", "-4", "-batch", "-", given="link show\naddress show\nroute show table all\n")
        return "\n".join([re.sub(r" qlen \d+", "", seen), *self.rules()])

    @contextmanager
    def changed(self, do: Sequence[str], undo: Sequence[str]) -> Generator[None]:
        """Lines of ``ip`` until the block is left, then those that take them back."""
        self.ip(*do)
        try:
            yield
        finally:
            self.ip(*undo)

    @contextmanager
    def sysctl(self, key: str, value: object) -> Generator[None]:
        """A kernel setting of this host's network until the block is left, such as ``net.core.somaxconn``."""
        before = self.run("sysctl", "-n", key).strip()
        self.run("sysctl", "-qw", f"{key}={value}")
        try:
            yield
        finally:
            self.run("sysctl", "-qw", f"{key}={before}")

    def processes(self) -> list[int]:
        """Everything that runs on this host, its anchor included."""
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and os.stat(entry / "ns/net").st_ino == self.inode:
                    found.append(int(entry.name))
        return found

    def close(self) -> None:
        """Kills what runs here, the anchor last."""
        for pid in self.processes():
            if pid != self._anchor.pid:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._anchor.kill()
        os.close(self._namespace)


@dataclass(frozen=True)
class Rule:
    """One rule in place; ``mark`` is how it is found again."""

    host: Host
    table: str
    chain: str
    mark: str

    @property
    def packets(self) -> int:
        """How many packets it has met."""
        rows = self.host.run("iptables", "-w", "-t", self.table, "-L", self.chain, "-v", "-x", "-n").splitlines()
        return next(int(row.split()[0]) for row in rows if f"/* {self.mark} */" in row)


def _name_of(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error))


def join(one: Host, device: str, other: Host, its_device: str) -> None:
    """A veth pair between two hosts."""
    ends = [
        "link",
        "add",
        device,
        "netns",
        str(one.anchor),
        "type",
        "veth",
        "peer",
        "name",
        its_device,
        "netns",
        str(other.anchor),
    ]
    subprocess.run(["ip", *ends], check=True, capture_output=True, timeout=20)


def need(*tools: str) -> None:
    """Skips the test, saying why, where namespaces or these programs cannot be had."""
    if os.geteuid() != 0:
        missing("netns", "network namespaces need root")
    for tool in ("ip", "iptables", "nsenter", "unshare", "setpriv", "ss", *tools):
        if shutil.which(tool) is None:
            missing("netns", f"{tool} is not installed")


def _forget_soon() -> None:
    """Closed connections whose peer is gone are given up at once: until then the kernel would keep the namespace."""
    Path("/proc/sys/net/ipv4/tcp_orphan_retries").write_text("1")


@contextmanager
def hosts(*names: str) -> Generator[list[Host]]:
    """Hosts with loopback only, gone afterwards."""
    with ExitStack() as stack:
        made = []
        for name in names:
            host = Host(name)
            stack.callback(host.close)
            host.ip("link set lo up")
            host.here(_forget_soon)
            made.append(host)
        yield made


@dataclass(frozen=True)
class Network:
    """The client outside and the control-plane host."""

    client: Host
    control_plane: Host


@contextmanager
def namespaces() -> Iterator[Network]:
    """Two hosts, 10.77.1.2 (client) and 10.77.1.11 (control plane), each the other's default route."""
    need()
    with hosts("client", "control-plane") as (client, control_plane):
        client.address, control_plane.address = "10.77.1.2", "10.77.1.11"
        join(client, "eth0", control_plane, "eth0")
        for host in (client, control_plane):
            host.ip(f"address add {host.address}/24 dev eth0", "link set eth0 up")
        client.ip(f"route add default via {control_plane.address}")
        control_plane.ip(f"route add default via {client.address}")
        yield Network(client=client, control_plane=control_plane)
