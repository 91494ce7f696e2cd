"""Real stores: the suite of the store runs over the embedded server and over the system's own Redis."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from bot.adapters.redis.store import RedisStore, connect
from bot.adapters.valkey import embedded
from tests.fakes.redis_server import RedisServer, find_redis, redis_server


@pytest.fixture(params=["embedded", "redis-server"])
async def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[str]:
    """A fresh, empty store of each kind."""
    if request.param == "embedded":
        async with embedded(tmp_path) as url:
            yield url
        return
    binary = find_redis()
    if binary is None:
        pytest.skip("there is no redis-server on PATH")
    with redis_server(tmp_path, binary=binary) as server:
        yield server.url


@pytest.fixture
async def store(store_url: str) -> AsyncGenerator[RedisStore]:
    """One replica's connection."""
    made = connect(store_url)
    yield made
    await made.close()


@pytest.fixture
async def other(store_url: str) -> AsyncGenerator[RedisStore]:
    """Another replica's."""
    made = connect(store_url)
    yield made
    await made.close()


@pytest.fixture
def server(tmp_path: Path) -> Generator[RedisServer]:
    """A Redis that can be killed, frozen and restarted."""
    binary = find_redis()
    if binary is None:
        pytest.skip("there is no redis-server on PATH")
    with redis_server(tmp_path, binary=binary) as running:
        yield running
