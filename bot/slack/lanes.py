"""The two lanes of one thread: one posts what is missing, one edits what is old.

Slack counts posts and edits apart, and the verdict in the root must not wait behind a step's reply, so they work side by
side. Within a lane there is one call at a time, which keeps the order. What comes next is decided when a slot opens, with
everything that is complete by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import accumulate

import structlog

from bot.clock import Clock
from bot.errors import LeaseLost
from bot.ids import event_id
from bot.model.events import Delivered, DeliveryFailed, DeliveryPlanned, EventType
from bot.model.investigation import State
from bot.model.message import Message
from bot.ports import Lease
from bot.slack.client import SlackClient
from bot.slack.errors import Kind, Result
from bot.slack.last_look import Still
from bot.slack.ledger import Ledger
from bot.slack.outbox import ROOT, STATUS, Edit, Outbox
from bot.slack.pace import Pace, Timing
from bot.slack.patience import Patience, Undeliverable
from bot.slack.readback import ReadBack, metadata

# Bytes of event ids in a planning event: what surely fits beside the rest of it.
_ROOM_FOR_IDS = 8_192
# A thread that people keep deleting is not posted over and over.
_MOST_ROOTS = 3

log = structlog.get_logger()


class Lanes:
    """One thread's delivery. Both lanes end when the investigation is closed and shown; either raises Undeliverable when
    Slack can take no more, and LeaseLost when another replica delivers now."""

    def __init__(
        self,
        *,
        slack: SlackClient,
        ledger: Ledger,
        lease: Lease,
        pace: Pace,
        queue: asyncio.Lock,
        clock: Clock,
        timing: Timing,
    ) -> None:
        thread = ledger.state.opened.thread
        if thread is None:
            raise ValueError("an investigation without a thread has nothing to deliver")
        self._slack = slack
        self._ledger = ledger
        self._ref = lease.ref
        self._epoch = lease.epoch
        self._pace = pace
        self._queue = queue
        self._timing = timing
        self._channel = thread.channel
        self._parent = thread.root_ts
        self._outbox = Outbox(ledger.state)
        self._posting = Patience(clock, timing)
        self._editing = Patience(clock, timing)
        self._read_back = ReadBack(slack, lease.ref, channel=self._channel, opened_at=ledger.state.opened_at, timing=timing)
        self._roots = 0

    # Posts

    async def post_missing(self) -> None:
        await self._look_back()
        while True:
            if self._next_post() is None:
                # Not before the edits are done: one that Slack refuses for good asks for a post in its place.
                if self._complete():
                    return
                await self._ledger.changed()
                continue
            message = await self._slot()
            if message is not None:
                await self._deliver(message)

    async def _look_back(self) -> None:
        """Takes over what a predecessor posted without noting it: it may have gone on while the store was away."""
        if self._epoch <= 1:
            return
        if ROOT not in self._outbox.posted and self._parent is None:
            await self._adopt(await self._read_back.posted(thread_ts=None))
        thread = self._parent or (self._outbox.posted[ROOT].ts if ROOT in self._outbox.posted else None)
        if thread is not None:
            await self._adopt(await self._read_back.posted(thread_ts=thread))

    async def _adopt(self, found: Mapping[str, str]) -> None:
        for key, ts in found.items():
            if key not in self._outbox.posted:
                log.info("slack-post-adopted", investigation=str(self._ref), message=key)
                await self._delivered(key, ts, "")

    def _next_post(self) -> Message | None:
        return self._outbox.next_post(self._ledger.wanted())

    def _complete(self) -> bool:
        return self._outbox.complete(self._ledger.wanted(), self._ledger.state)

    async def _slot(self) -> Message | None:
        """Waits for the channel's next slot and takes it for what is most important then."""
        async with self._queue:
            wait = self._pace.wait_post(self._channel)
            while wait > 0:
                await asyncio.sleep(wait)
                wait = self._pace.wait_post(self._channel)
            message = self._next_post()
            if message is not None:
                self._pace.take_post(self._channel)
        return message

    async def _ours(self, patience: Patience) -> bool:
        """Whether this is certainly our thread. While the store is away only the thread itself can tell: whoever came after
        us has posted with a higher epoch by the time that we go on, and then LeaseLost is raised."""
        while (standing := self._ledger.standing()).wait_s > 0:
            await self._ledger.changed(within=min(standing.wait_s, self._timing.read_back_pause_s))
        if standing.durable:
            return True
        thread = self._parent or (self._outbox.posted[ROOT].ts if ROOT in self._outbox.posted else None)
        if await self._read_back.newest_epoch(thread_ts=thread, patience=patience) > self._epoch:
            raise LeaseLost(f"another replica has posted in the thread of investigation {self._ref}")
        return False

    def _still(self, *, ours: bool) -> Still | None:
        """What is certainly ours now must be so when it is sent."""
        return (lambda: self._ledger.standing().durable) if ours else None

    async def _deliver(self, message: Message) -> None:
        key = message.key
        ours = await self._ours(self._posting)
        if not ours:
            self._outbox.uncertain.setdefault(key, "")
        if key in self._outbox.uncertain:
            ts = await self._read_back.find(key, thread_ts=self._thread_of(key), patience=self._posting)
            if ts is not None:
                await self._delivered(key, ts, self._outbox.uncertain[key])
                return
            del self._outbox.uncertain[key]
        if key not in self._outbox.planned:
            planned = DeliveryPlanned(message=key, events=_fitting(message.events))
            await self._ledger.note(event_id(EventType.DELIVERY_PLANNED, key), EventType.DELIVERY_PLANNED, planned)
            self._outbox.planned.add(key)
        if key != ROOT and self._parent is None and ROOT not in self._outbox.posted:
            return  # the other lane found the thread gone; a new root comes first
        if ours and not self._ledger.standing().durable:
            return  # planning took so long that it may not be ours any more
        # Planning took a moment too: what is posted is what is true now.
        await self._post(next((fresh for fresh in self._ledger.wanted() if fresh.key == _drawn_as(key)), message), key, ours=ours)

    async def _post(self, message: Message, key: str, *, ours: bool) -> None:
        state = self._ledger.state
        result = await self._slack.post(
            self._channel,
            text=message.text,
            blocks=() if key in self._outbox.plain else message.blocks,
            thread_ts=self._thread_of(key),
            broadcast=message.broadcast,
            metadata=metadata(self._ref, key, self._epoch),
            still=self._still(ours=ours),
        )
        digest = message.digest
        if result.ok:
            self._posting.reset()
            await self._delivered(key, str(result.data["ts"]), digest)
            if _drawn_as(key) == ROOT:
                self._outbox.root_shows(state)
        elif result.kind is Kind.RETRY_AFTER:
            self._pace.hold_posts(self._channel, self._posting.next(result))
        elif result.kind is Kind.AWAY:
            log.warning("slack-away", investigation=str(self._ref), message=key, error=result.error)
            await self._posting.wait(result)
        elif result.kind is Kind.AMBIGUOUS:
            log.warning("slack-post-in-doubt", investigation=str(self._ref), message=key, error=result.error)
            self._outbox.uncertain[key] = digest
            self._posting.next(result)
            await asyncio.sleep(self._timing.read_back_pause_s)
        elif result.kind is Kind.CONTENT:
            await self._content_refused(key, result)
        elif result.kind is Kind.RECREATE:
            self._thread_is_gone(key, result)
        else:
            raise Undeliverable(result, key=key)

    def _thread_of(self, key: str) -> str | None:
        """The thread a message belongs in; None for a root of our own."""
        if key == ROOT or self._parent is not None:
            return self._parent
        return self._outbox.posted[ROOT].ts

    async def _delivered(self, key: str, ts: str, digest: str) -> None:
        again = self._roots and key == ROOT
        self._outbox.record(key, ts, digest)
        await self._ledger.note(
            event_id(EventType.DELIVERED, key, *([ts] if again else [])),
            EventType.DELIVERED,
            Delivered(message=key, channel=self._channel, ts=ts, digest=digest),
        )
        self._ledger.wake()

    async def _content_refused(self, key: str, result: Result) -> None:
        """Slack does not take the blocks: the same as plain text. Slack does not take that either: without it."""
        log.error("slack-refused-content", investigation=str(self._ref), message=key, error=result.error, detail=result.detail)
        if key not in self._outbox.plain:
            self._outbox.plain.add(key)
            return
        if _drawn_as(key) == ROOT:
            raise Undeliverable(result, key=key)
        self._outbox.cannot_post(key)
        await self._ledger.note(
            event_id(EventType.DELIVERY_FAILED, key),
            EventType.DELIVERY_FAILED,
            DeliveryFailed(message=key, error=result.error, final=False),
        )

    def _thread_is_gone(self, key: str, result: Result) -> None:
        """A person deleted the thread's root: a new one is posted, and all that follows goes there."""
        self._roots += 1
        if self._roots >= _MOST_ROOTS:
            raise Undeliverable(result, key=key)
        log.warning("slack-thread-gone", investigation=str(self._ref), message=key, error=result.error)
        self._parent = None
        self._outbox.forget_root()

    # Edits

    async def edit_old(self) -> None:
        while True:
            edit = self._outbox.next_edit(self._ledger.wanted(), self._ledger.state)
            if edit is None:
                if self._complete():
                    return
                await self._idle()
                continue
            wait = self._pace.wait_edit(str(self._ref), urgent=edit.urgent, coalesced=not edit.ends)
            if wait > 0:
                # A verdict that arrives meanwhile is urgent and looked at anew.
                await self._ledger.changed(within=wait)
                continue
            self._pace.take_edit(str(self._ref))
            await self._edit(edit)

    async def _idle(self) -> None:
        """Until something changes; a running investigation shows that time passes."""
        running = self._ledger.state.state is State.RUNNING
        if not await self._ledger.changed(within=self._timing.refresh_s if running else None):
            self._ledger.redraw()

    async def _edit(self, edit: Edit) -> None:
        still = self._still(ours=await self._ours(self._editing))
        state = self._ledger.state
        blocks = () if edit.key in self._outbox.plain else edit.message.blocks
        result = await self._slack.update(self._channel, edit.ts, text=edit.message.text, blocks=blocks, still=still)
        if result.ok:
            self._editing.reset()
            await self._edited(edit)
            if edit.message.key == ROOT:
                self._outbox.root_shows(state)
        elif result.kind is Kind.RETRY_AFTER:
            self._pace.hold_edits(self._editing.next(result))
        elif result.kind in (Kind.AWAY, Kind.AMBIGUOUS):
            # An edit that was done already does no harm when it is done again.
            await self._editing.wait(result)
        elif result.kind is Kind.CONTENT:
            self._edit_refused(edit, result)
        elif result.kind is Kind.RECREATE:
            log.warning("slack-message-gone", investigation=str(self._ref), message=edit.key, error=result.error)
            self._count_root(edit, result)
            self._outbox.cannot_edit(edit.key)
            self._ledger.wake()
        else:
            raise Undeliverable(result, key=edit.key)

    async def _edited(self, edit: Edit) -> None:
        self._outbox.edited(edit)
        await self._ledger.note(
            event_id(EventType.DELIVERED, edit.key, edit.message.digest),
            EventType.DELIVERED,
            Delivered(message=edit.key, channel=self._channel, ts=edit.ts, digest=edit.message.digest),
        )
        self._ledger.wake()

    def _edit_refused(self, edit: Edit, result: Result) -> None:
        log.error(
            "slack-refused-content",
            investigation=str(self._ref),
            message=edit.key,
            error=result.error,
            detail=result.detail,
        )
        if edit.key in self._outbox.plain:
            # Not even as text. What is there stays until there is something new to show.
            self._outbox.edited(edit)
        self._outbox.plain.add(edit.key)
        self._ledger.wake()

    def _count_root(self, edit: Edit, result: Result) -> None:
        if edit.key in (ROOT, STATUS):
            self._roots += 1
            if self._roots >= _MOST_ROOTS:
                raise Undeliverable(result, key=edit.key)


def _drawn_as(key: str) -> str:
    """The key under which the view draws this message."""
    return ROOT if key == STATUS else key


def _fitting(ids: Sequence[str]) -> tuple[str, ...]:
    """The first of these ids, as many as have room: they carry subjects from outside, which may be long."""
    sizes = accumulate(len(one.encode()) for one in ids)
    return tuple(one for one, size in zip(ids, sizes, strict=True) if size <= _ROOM_FOR_IDS)
