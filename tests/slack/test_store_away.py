"""What a thread gets to see of an owner whose store is away: the whole story once, or nothing once there is a successor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from bot.errors import LeaseLost
from bot.model.events import Event, EventType
from bot.model.investigation import Ref
from bot.ports import Entry, Lease, Standing
from bot.slack.client import SlackClient
from bot.slack.readback import metadata
from tests.render import scenarios


class HeldAlone:
    """A ``ports.OwnLog`` that had these events when the store went away, and keeps what comes."""

    def __init__(self, events: Sequence[Event], standing: Standing) -> None:
        self._entries = [Entry(position=str(index), event=event) for index, event in enumerate(events, 1)]
        self._beat = asyncio.Event()
        self._standing = standing

    def standing(self) -> Standing:
        return self._standing

    def stop(self) -> None:
        self._standing = Standing(durable=False, wait_s=3600.0)

    def may_post(self) -> None:
        self._standing = Standing(durable=False)

    async def append(self, ref: Ref, events: Sequence[Event], *, lease: Lease | None = None) -> int:
        known = {entry.event.id for entry in self._entries}
        new = [event for event in events if event.id not in known]
        self._entries += [Entry(position=str(len(self._entries) + n), event=event) for n, event in enumerate(new, 1)]
        self._beat.set()
        self._beat = asyncio.Event()
        return len(new)

    async def read(self, ref: Ref, *, after: str = "0") -> list[Entry]:
        return self._entries[int(after) :]

    async def follow(self, ref: Ref, *, after: str = "0") -> AsyncGenerator[Entry]:
        index = int(after)
        while True:
            for entry in self._entries[index:]:
                index += 1
                yield entry
            await self._beat.wait()


async def story_of(told) -> list[Event]:
    story = scenarios.tie()
    if story.state.concluded is None:
        story.conclude()
    story.close()
    await told.open(story)
    await told.tell(story)
    return [entry.event for entry in await told.store.read(told.ref)]


async def test_the_thread_is_told_all_of_it_and_each_message_once(told):
    log = HeldAlone(await story_of(told), Standing(durable=False))
    told.slack.fail("chat.postMessage", "reset_after", times=2)
    async with asyncio.timeout(60):
        await told.delivery().deliver(told.lease, log)
    assert len(set(told.shown())) == len(told.shown())
    assert told.shown()[0] == "root"
    assert "verdict/1" in told.shown()
    told.slack.assert_clean()


async def test_nothing_is_posted_while_a_successor_may_be_about_to(told):
    log = HeldAlone(await story_of(told), Standing(durable=False, wait_s=3600.0))
    task = asyncio.create_task(told.delivery().deliver(told.lease, log))
    for _ in range(50):
        await asyncio.sleep(0.01)
    assert told.posted() == []
    log.may_post()
    async with asyncio.timeout(60):
        await task
    assert told.shown()[0] == "root"


class StoppedWhilePlanning(HeldAlone):
    """The process is stopped, for longer than the lease lasts, in the middle of noting its first plan."""

    async def append(self, ref: Ref, events: Sequence[Event], *, lease: Lease | None = None) -> int:
        if any(event.type == EventType.DELIVERY_PLANNED for event in events):
            self.stop()
        return await super().append(ref, events, lease=lease)


async def test_an_owner_that_was_stopped_between_planning_and_posting_posts_nothing(told):
    log = StoppedWhilePlanning(await story_of(told), Standing())
    task = asyncio.create_task(told.delivery().deliver(told.lease, log))
    async with asyncio.timeout(60):
        while log.standing().durable:
            await asyncio.sleep(0.01)
    for _ in range(50):
        await asyncio.sleep(0.01)
    assert told.posted() == []
    log.may_post()
    async with asyncio.timeout(60):
        while not told.posted():
            await asyncio.sleep(0.01)
    assert told.shown()[0] == "root"
    task.cancel()
    await asyncio.wait([task])


async def test_an_owner_whose_successor_has_posted_says_nothing_more(told):
    events = await story_of(told)
    predecessor = told.lease
    await told.store.release(predecessor)
    await told.own("bot-2")
    async with asyncio.timeout(60):
        await told.delivery().deliver(told.lease)
    before = [(message.ts, message.text) for message in told.posted()]
    with pytest.raises(LeaseLost, match="another replica has posted"):
        async with asyncio.timeout(60):
            await told.delivery().deliver(predecessor, HeldAlone(events, Standing(durable=False)))
    assert [(message.ts, message.text) for message in told.posted()] == before


class StoppedBeforeSending(SlackClient):
    """The process is stopped, for longer than the lease lasts, after it decided on its first edit and before it is sent."""

    log: HeldAlone

    async def update(self, *args, **more):
        self.log.stop()
        return await super().update(*args, **more)


async def test_an_edit_that_was_decided_on_before_the_owner_was_stopped_is_not_sent_after_it(told):
    await story_of(told)
    root = await told.client.post(told.channel, text="old", metadata=metadata(told.ref, "root", 1))
    await told.delivered("root", str(root.data["ts"]))
    log = HeldAlone([entry.event for entry in await told.store.read(told.ref)], Standing())
    client = StoppedBeforeSending(told.client.web, told.client._session)
    client.log = log
    task = asyncio.create_task(told.delivery(slack=client).deliver(told.lease, log))
    async with asyncio.timeout(60):
        while log.standing().durable:
            await asyncio.sleep(0.01)
    for _ in range(50):
        await asyncio.sleep(0.01)
    assert told.slack.called("chat.update") == []
    assert told.posted()[0].text == "old"
    task.cancel()
    await asyncio.wait([task])


async def test_what_was_posted_while_the_store_was_away_is_taken_over_and_not_posted_again(told):
    events = await story_of(told)
    async with asyncio.timeout(60):
        await told.delivery().deliver(told.lease, HeldAlone(events, Standing(durable=False)))
    before = [(message.ts, key) for message, key in zip(told.posted(), told.shown(), strict=True)]
    await told.store.release(told.lease)
    await told.own("bot-2")
    async with asyncio.timeout(60):
        await told.delivery().deliver(told.lease)
    assert [(message.ts, key) for message, key in zip(told.posted(), told.shown(), strict=True)] == before
    await told.shows_everything()


async def test_a_slack_that_does_not_let_a_successor_read_delays_it_but_a_little(told):
    await story_of(told)
    told.slack.fail("conversations.history", "error", error="missing_scope", times=99)
    told.slack.fail("conversations.replies", "5xx", times=99)
    await told.store.release(told.lease)
    await told.own("bot-2")
    async with asyncio.timeout(60):
        await told.delivery().deliver(told.lease)
    await told.shows_everything()
