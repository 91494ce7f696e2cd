"""The store as the bot will use it: the configured server, or the embedded one started where its files are."""

from __future__ import annotations

from contextlib import AsyncExitStack

from bot.adapters.redis.store import connect
from bot.adapters.valkey import embedded
from bot.doctor import judge
from bot.doctor.lines import Line
from bot.doctor.machine import problem
from bot.errors import ApidownError
from bot.model.finding import Status
from bot.settings import Settings


async def look(settings: Settings) -> list[Line]:
    """Its lines; a running bot's embedded store is shared, not disturbed."""
    lines = []
    if settings.redis_password and not settings.redis_url:
        said = "APIDOWN_REDIS_PASSWORD is set and APIDOWN_REDIS_URL is not, so the embedded store is used."
        remedy = "set APIDOWN_REDIS_URL, or leave both out"
        lines.append(Line(check="store password", status=Status.PROBLEM, sentence=said, remedy=remedy))
    try:
        async with AsyncExitStack() as stack:
            url = settings.store_url or await stack.enter_async_context(embedded(settings.state_dir))
            store = connect(url, name="apidown-doctor")
            stack.push_async_callback(store.close)
            return lines + judge.store(store.place, await store.facts())
    except ApidownError as error:
        found = problem("store", error, remedy="correct APIDOWN_REDIS_URL, or leave it out for the embedded store")
        return [*lines, found.model_copy(update={"sentence": found.sentence.removeprefix("store ")})]
