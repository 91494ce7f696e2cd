"""A desk on the embedded store. Leases are short, so that a dead owner is succeeded while the test waits."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bot.adapters.redis.store import connect
from bot.adapters.valkey import embedded
from tests.engine.desk import Desk


@pytest.fixture
async def store_url(tmp_path: Path) -> AsyncGenerator[str]:
    async with embedded(tmp_path) as url:
        yield url


@pytest.fixture
async def desk(store_url: str) -> AsyncGenerator[Desk]:
    store = connect(store_url, lease_s=1.0)
    yield Desk(store=store)
    await store.close()
