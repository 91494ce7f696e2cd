"""Health over HTTP, on a real socket, with a real store to lose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from structlog.testing import capture_logs

from bot.adapters.redis.store import connect
from bot.errors import ConfigError, Unavailable
from bot.web.health import Check, health_routes
from bot.web.server import MOST_CONNECTIONS, serve_http
from tests.fakes.redis_server import find_redis, redis_server
from tests.require import missing


async def fine() -> None:
    return


async def broken() -> None:
    raise Unavailable("no connection to Slack is open", where="slack", next="look at it")


async def silent() -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def serving(checks: Mapping[str, Check], **more: float) -> AsyncGenerator[str]:
    with capture_logs() as logged:
        task = asyncio.create_task(serve_http("127.0.0.1", 0, health_routes(checks), **more), name="http")
        async with asyncio.timeout(10):
            while not logged:
                await asyncio.sleep(0.01)
    try:
        yield logged[0]["at"][0]
    finally:
        task.cancel()
        await asyncio.wait([task])


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def test_alive_needs_nothing_and_ready_needs_everything() -> None:
    async with serving({"store": fine, "slack": broken}) as url:
        assert await get(f"{url}/livez") == (200, "ok\n")
        assert await get(f"{url}/readyz") == (503, "[+]store ok\n[-]slack no connection to Slack is open\n")
    async with serving({"store": fine}) as url:
        assert await get(f"{url}/readyz") == (200, "[+]store ok\n")
        assert (await get(f"{url}/anything"))[0] == 404


async def test_a_check_that_does_not_answer_is_not_waited_for() -> None:
    async with serving({"store": silent, "slack": fine}) as url:
        assert await get(f"{url}/readyz") == (503, "[-]store did not answer within 2 s\n[+]slack ok\n")


async def test_readiness_tells_when_the_store_goes_and_when_it_is_back(tmp_path: Path) -> None:
    binary = find_redis()
    if binary is None:
        missing("redis", "there is no redis-server on PATH")
    with redis_server(tmp_path, binary=binary) as server:
        store = connect(server.url, patience_s=0.5)
        async with serving({"store": store.ping}) as url:
            assert (await get(f"{url}/readyz"))[0] == 200
            server.freeze()
            status, text = await get(f"{url}/readyz")
            assert (status, text[:9]) == (503, "[-]store ")
            await asyncio.to_thread(server.restart)
            assert (await get(f"{url}/readyz"))[0] == 200
            server.kill()
            status, text = await get(f"{url}/readyz")
            assert (status, text[:9]) == (503, "[-]store ")
            assert (await get(f"{url}/livez"))[0] == 200
        await store.close()


@asynccontextmanager
async def lines_to(url: str, said: bytes, count: int = 1) -> AsyncGenerator[list[asyncio.StreamReader]]:
    """Connections on which this is said, and nothing more."""
    place = urlsplit(url)
    lines = [await asyncio.open_connection(place.hostname, place.port) for _ in range(count)]
    try:
        for _, writer in lines:
            writer.write(said)
        yield [reader for reader, _ in lines]
    finally:
        for _, writer in lines:
            writer.close()


@pytest.mark.parametrize("said", [b"", b"POST /livez HTTP/1.1\r\nHost: ", b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_a_connection_on_which_nothing_is_asked_is_closed(said: bytes) -> None:
    async with serving({}, idle_s=0.2) as url, lines_to(url, said) as [reader], asyncio.timeout(10):
        assert (await reader.read()).startswith(b"HTTP/1.1 200" if said.startswith(b"GET") else b"")


async def test_whoever_asks_now_is_answered_however_many_others_only_stay() -> None:
    async with serving({}) as url, lines_to(url, b"POST /we", MOST_CONNECTIONS + 20) as stay, asyncio.timeout(30):
        assert await get(f"{url}/livez") == (200, "ok\n")
        assert [await reader.read() for reader in stay[:20]] == [b""] * 20
        assert not stay[-1].at_eof()


async def test_what_is_not_http_is_refused_and_logged_without_its_bytes(caplog: pytest.LogCaptureFixture) -> None:
    async with serving({}) as url:
        with capture_logs() as logged:
            async with lines_to(url, b"GET / HTTP/1.1\r\nAuthorization: a\x00secret\r\n\r\n") as [reader]:
                answer = await reader.readline()
    assert b"400" in answer
    assert logged == [{"event": "http-garbage", "log_level": "info", "what": "BadHttpMessage"}]
    assert caplog.text == ""


async def test_a_port_that_is_taken_is_said_with_the_setting() -> None:
    async with serving({}) as url:
        port = urlsplit(url).port
        assert port is not None
        with pytest.raises(ConfigError, match="health and webhooks cannot be served there") as refusal:
            await serve_http("127.0.0.1", port, [])
    assert refusal.value.where == f"127.0.0.1:{port}"
    assert "APIDOWN_HEALTH_PORT" in refusal.value.next
