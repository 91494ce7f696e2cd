"""A fake Slack, and the SDK's own client talking to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack import FakeSlack


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as fake:
        yield fake


@pytest.fixture
def client(slack: FakeSlack) -> AsyncWebClient:
    """A client that never retries by itself."""
    return AsyncWebClient(slack.bot_token, base_url=slack.base_url, retry_handlers=[])
