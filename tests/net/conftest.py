"""What the network's tests share: a round with plenty of time, and an authority."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator

import pytest

from bot.clock import SystemClock
from bot.net.round import RoundNetwork
from tests.pki import Authority


@pytest.fixture
async def network() -> AsyncGenerator[RoundNetwork]:
    async with RoundNetwork(clock=SystemClock(), deadline=time.monotonic() + 60) as network:
        yield network


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()
