"""A strict fake Slack, a real store, and one investigation that is told to both."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from bot.adapters.redis.store import RedisStore, connect
from bot.adapters.valkey import embedded
from bot.clock import SystemClock
from bot.ids import investigation_id
from bot.model.events import Delivered, Event, EventType, Trigger
from bot.model.investigation import Investigation, Ref
from bot.model.replay import replay
from bot.ports import Lease
from bot.render.thread import messages
from bot.slack.client import SlackClient
from bot.slack.delivery import SlackDelivery
from bot.slack.pace import Timing
from tests.fakes.slack import FakeSlack, Message
from tests.render.builder import Story

SCALE = 0.1
TIMING = Timing().scaled(SCALE)
CLOCK = SystemClock()


@pytest.fixture(autouse=True)
def plain_tracebacks() -> Iterator[None]:
    """As the product logs them. The default draws every local in a box, which takes longer than an acknowledgement may."""
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, renderer])
    yield
    structlog.reset_defaults()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[RedisStore]:
    async with embedded(tmp_path) as url:
        made = connect(url)
        yield made
        await made.close()


@pytest.fixture
async def slack() -> AsyncGenerator[FakeSlack]:
    async with FakeSlack(time_scale=SCALE) as fake:
        yield fake


@pytest.fixture
async def client(slack: FakeSlack) -> AsyncGenerator[SlackClient]:
    async with SlackClient.open(slack.bot_token, base_url=slack.base_url, timeout_s=2.0) as made:
        yield made


class Told:
    """One investigation whose story is written into the store, as its owner does, and delivered."""

    def __init__(self, store: RedisStore, client: SlackClient, slack: FakeSlack, channel: str) -> None:
        self.store, self.client, self.slack, self.channel = store, client, slack, channel
        self.ref = Ref(cluster="lab", id=investigation_id(CLOCK.now()))
        self.lease = Lease(ref=self.ref, owner="nobody", epoch=0)
        self.undeliverable: list[tuple[str, str]] = []
        self.timing = TIMING
        self._written = 0

    async def open(self, story: Story) -> None:
        opened = self._now(story.events[0])
        opened = opened.model_copy(update={"data": {**opened.data, "thread": {"channel": self.channel, "root_ts": None}}})
        joined = Trigger(kind="slash-command", who="U0")
        event = Event(
            id="trigger-joined/x",
            type=EventType.TRIGGER_JOINED,
            round=0,
            at=CLOCK.now(),
            by="x",
            data=joined.model_dump(mode="json"),
        )
        await self.store.open(opened, event, ref=self.ref)
        await self.own("bot-1")
        self._written = 1

    async def own(self, owner: str) -> None:
        lease = await self.store.acquire(self.ref, owner)
        assert lease is not None
        self.lease = lease

    async def tell(self, story: Story) -> None:
        """Appends what the story says beyond what was written."""
        events = [self._now(event) for event in story.events[self._written :]]
        self._written = len(story.events)
        await self.store.append(self.ref, events, lease=self.lease)

    async def delivered(self, key: str, ts: str) -> None:
        """Notes that this message is there, and shows something old."""
        said = Delivered(message=key, channel=self.channel, ts=ts, digest="").model_dump(mode="json")
        event = Event(
            id=f"delivered/{key}", type=EventType.DELIVERED, round=1, epoch=self.lease.epoch, at=CLOCK.now(), by="x", data=said
        )
        await self.store.append(self.ref, [event], lease=self.lease)

    def _now(self, event: Event) -> Event:
        return event.model_copy(update={"at": CLOCK.now(), "epoch": self.lease.epoch})

    def delivery(self, **more: object) -> SlackDelivery:
        async def undeliverable(investigation: Investigation, why: str) -> None:
            self.undeliverable.append((investigation.ref.id, why))

        parts = {"store": self.store, "slack": self.client, "render": messages, "timing": self.timing, **more}
        return SlackDelivery(clock=CLOCK, on_undeliverable=undeliverable, **parts)

    @contextlib.asynccontextmanager
    async def delivering(self, **more: object) -> AsyncIterator[asyncio.Task[None]]:
        """Delivers in the background; whatever is still going on at the end is cancelled."""
        task = asyncio.create_task(self.delivery(**more).deliver(self.lease), name="delivery under test")
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def deliver_all(self, story: Story) -> None:
        """Opens, tells everything, delivers until it is closed."""
        await self.open(story)
        await self.tell(story)
        async with asyncio.timeout(30):
            await self.delivery().deliver(self.lease)

    async def state(self) -> Investigation:
        state = replay(self.ref, [entry.event for entry in await self.store.read(self.ref)])
        assert state is not None
        return state

    async def events(self, type: EventType) -> list[Event]:
        return [entry.event for entry in await self.store.read(self.ref) if entry.event.type == type]

    def posted(self) -> list[Message]:
        """Everything of this investigation in the channel, oldest first."""
        return [message for message in self.slack.channels[self.channel].messages.values() if not message.deleted]

    def shown(self) -> list[str]:
        return [message.metadata["event_payload"]["message"] for message in self.posted()]

    async def shows_everything(self) -> None:
        """The thread equals what the log says, each message once."""
        state = await self.state()
        wanted = {message.key: message for message in messages(state, now=CLOCK.now())}
        assert sorted(self.shown()) == sorted(wanted)
        for message in self.posted():
            key = message.metadata["event_payload"]["message"]
            assert message.text == wanted[key].text, key
            assert message.blocks == list(wanted[key].blocks), key
        self.slack.assert_clean()


@pytest.fixture
def told(store: RedisStore, client: SlackClient, slack: FakeSlack) -> Told:
    return Told(store, client, slack, slack.incidents)
