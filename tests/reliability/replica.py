"""A replica of the bot that dies at a chosen point: ``python -m tests.reliability.replica '<json>'``.

It is production's ``serve`` with its settings from the environment. Only the store and the Slack client are subclasses that
count what passes through them and send this process SIGKILL at the n-th occurrence. Nothing is cleaned up, as in a crash.

The order is {"deaths": [{"point", "nth", "note", "after"}, …], "lease_s", "renew_every_s", "scan_every_s", "watch_s",
"timeout_s"}. ``note`` is a file that is made at the moment of death: the replica that makes it dies, and no other does. A
death counts only once the notes of those before it are there; ``after`` are the notes of all ends before it, those that a
signal from outside brings included.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bot.adapters.redis import failures
from bot.adapters.redis.link import link_to
from bot.adapters.redis.store import RedisStore
from bot.app import Parts, serve
from bot.logs import configure
from bot.model.base import Json
from bot.model.events import Event, EventType
from bot.model.investigation import Ref
from bot.ports import Lease
from bot.redact import Redactor
from bot.settings import Settings
from bot.slack.client import SlackClient
from bot.slack.errors import Result
from bot.slack.last_look import Still
from bot.store_url import StoreUrl

POINTS = (
    "before-append",
    "after-append",
    "after-planned",
    "before-post",
    "after-post",
    "after-delivered",
    "after-finding",
    "after-verdict",
)
_AFTER = {
    EventType.DELIVERY_PLANNED: "after-planned",
    EventType.DELIVERED: "after-delivered",
    EventType.FINDING_RECORDED: "after-finding",
    EventType.DIAGNOSED: "after-verdict",
}


@dataclass(kw_only=True)
class Death:
    point: str
    nth: int
    note: str
    after: list[str]


@dataclass
class Fate:
    """The deaths that are ahead, in their order."""

    deaths: list[Death]
    _counts: dict[str, int] = field(default_factory=dict)

    def passes(self, point: str) -> None:
        ahead = next((death for death in self.deaths if not os.path.exists(death.note)), None)
        if ahead is None or ahead.point != point or not all(os.path.exists(note) for note in ahead.after):
            return
        self._counts[ahead.note] = self._counts.get(ahead.note, 0) + 1
        if self._counts[ahead.note] < ahead.nth:
            return
        with contextlib.suppress(FileExistsError):
            note = os.open(ahead.note, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            os.write(note, str(time.monotonic()).encode())
            os.kill(os.getpid(), signal.SIGKILL)


class MortalStore(RedisStore):
    """Counts an owner's appends, and what was in them. One call may hold several events; each counts."""

    fate = Fate([])

    async def append(self, ref: Ref, events: Sequence[Event], *, lease: Lease | None = None) -> int:
        if lease is None:
            return await super().append(ref, events)
        self.fate.passes("before-append")
        added = await super().append(ref, events, lease=lease)
        self.fate.passes("after-append")
        for event in events:
            if event.type in _AFTER:
                self.fate.passes(_AFTER[EventType(event.type)])
        return added


class MortalSlack(SlackClient):
    """Counts posts: before they are sent, and after Slack answered that they are done."""

    fate = Fate([])

    async def post(
        self,
        channel: str,
        *,
        text: str,
        blocks: Sequence[Json] = (),
        thread_ts: str | None = None,
        broadcast: bool = False,
        metadata: Json | None = None,
        still: Still | None = None,
    ) -> Result:
        self.fate.passes("before-post")
        result = await super().post(
            channel, text=text, blocks=blocks, thread_ts=thread_ts, broadcast=broadcast, metadata=metadata, still=still
        )
        if result.ok:
            self.fate.passes("after-post")
        return result


def parts(order: dict[str, Any]) -> Parts:
    """What this replica is made of."""
    fate = Fate([Death(**death) for death in order["deaths"]])

    def open_store(url: str) -> RedisStore:
        patience_s = min(4.0, order["lease_s"] * 0.4)
        parsed = StoreUrl.parse(url)
        link = link_to(parsed, patience_s=patience_s, name="apidown")
        store = MortalStore(link, place=failures.Place.of(parsed), lease_s=order["lease_s"], patience_s=patience_s)
        store.fate = fate
        return store

    @asynccontextmanager
    async def open_slack(token: str, base_url: str) -> AsyncGenerator[SlackClient]:
        async with MortalSlack.open(token, base_url=base_url, timeout_s=order["timeout_s"]) as slack:
            assert isinstance(slack, MortalSlack)
            slack.fate = fate
            yield slack

    return Parts(
        open_store=open_store,
        open_slack=open_slack,
        watch=timedelta(seconds=order["watch_s"]),
        lease_s=order["lease_s"],
        renew_every_s=order["renew_every_s"],
        scan_every_s=order["scan_every_s"],
    )


async def _until_terminated(settings: Settings, order: dict[str, Any]) -> None:
    serving = asyncio.create_task(serve(settings, parts(order)), name="serve")
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def main() -> None:
    settings = Settings.read()
    configure(settings.log_level, settings.log_format, Redactor(settings.secrets()))
    asyncio.run(_until_terminated(settings, json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
