"""Makes an investigation's thread equal to its log, and keeps it so.

The log is the outbox: a message is planned there, posted, and noted as delivered, so that whoever holds the lease next knows
what to look for. The posting itself is ``bot.slack.lanes``'s; here is when to begin, when to give up and when it is over.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

import structlog

from bot.clock import Clock
from bot.errors import LeaseLost
from bot.ids import event_id
from bot.model.events import DeliveryFailed, EventType
from bot.model.investigation import Investigation
from bot.ports import EventLog, Lease, OwnLog, Standing
from bot.slack.client import SlackClient
from bot.slack.errors import Kind, Result
from bot.slack.lanes import Lanes
from bot.slack.ledger import Ledger, Render
from bot.slack.pace import Pace, Timing
from bot.slack.patience import Undeliverable

log = structlog.get_logger()

OnUndeliverable = Callable[[Investigation, str], Awaitable[None]]
"""Told once a round when nothing can be shown in Slack: the investigation, and why in a sentence for a person."""


class SlackDelivery:
    """Implements ``ports.Deliverer``. One object serves every investigation of the process, because they share Slack's
    limits: the workspace's edits, and each channel's posts, first come first served."""

    def __init__(
        self,
        *,
        store: EventLog,
        slack: SlackClient,
        render: Render,
        clock: Clock,
        on_undeliverable: OnUndeliverable,
        timing: Timing | None = None,
    ) -> None:
        self._store = store
        self._slack = slack
        self._render = render
        self._clock = clock
        self._on_undeliverable = on_undeliverable
        self._timing = timing or Timing()
        self._pace = Pace(clock, self._timing)
        self._queues: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def deliver(self, lease: Lease, log: OwnLog | None = None) -> None:
        """Returns when the investigation is closed and its thread shows all of it, or can show no more. Raises LeaseLost
        when overtaken. Slack being away is waited for. Without ``log`` the store is there all the time."""
        events, standing = (self._store, Standing) if log is None else (log, log.standing)
        ledger = Ledger(store=events, standing=standing, lease=lease, render=self._render, clock=self._clock, timing=self._timing)
        await ledger.load()
        try:
            async with asyncio.TaskGroup() as tasks:
                follower = tasks.create_task(ledger.follow(), name=f"{lease.ref}: follow the log")
                await self._rounds(lease, ledger)
                follower.cancel()
        except BaseExceptionGroup as group:
            told = _told(group, LeaseLost)
            if told is None:
                raise
            raise told from group

    async def _rounds(self, lease: Lease, ledger: Ledger) -> None:
        """Delivers; when that cannot be done, rests until there is a reason to try again: a new round, or somebody who asks
        in another channel for what has no thread yet."""
        if ledger.state.opened.thread is None:
            await ledger.until(lambda: ledger.closed)
            return
        failed = ledger.attempt if ledger.state.undeliverable else None
        while await self._reason_to_try(ledger, failed):
            thread = ledger.state.opened.thread
            try:
                await self._keep_equal(lease, ledger, thread.channel)
            except Undeliverable as error:
                failed = ledger.attempt
                await self._give_up(lease, ledger, error)
            else:
                return

    async def _reason_to_try(self, ledger: Ledger, failed: tuple[int, int] | None) -> bool:
        """Whether there is a try that did not fail; False when the investigation closes without one."""
        await ledger.until(lambda: ledger.closed or ledger.attempt != failed)
        return ledger.attempt != failed

    async def _keep_equal(self, lease: Lease, ledger: Ledger, channel: str) -> None:
        lanes = Lanes(
            slack=self._slack,
            ledger=ledger,
            lease=lease,
            pace=self._pace,
            queue=self._queues[channel],
            clock=self._clock,
            timing=self._timing,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(lanes.post_missing(), name=f"{lease.ref}: posts")
                tasks.create_task(lanes.edit_old(), name=f"{lease.ref}: edits")
        except BaseExceptionGroup as group:
            told = _told(group, LeaseLost, Undeliverable)
            if told is not None:
                raise told from group
            if not isinstance(group, Exception):
                raise
            # The boundary around Slack: a defect in drawing or posting ends what is shown, never the investigation.
            log.exception("slack-delivery-failed", investigation=str(lease.ref))
            raise Undeliverable(Result(kind=Kind.FATAL, error="a defect of apidown, see its log")) from group

    async def _give_up(self, lease: Lease, ledger: Ledger, error: Undeliverable) -> None:
        state = ledger.state
        log.error("slack-undeliverable", investigation=str(lease.ref), error=error.result.error, detail=error.result.detail)
        await ledger.note(
            event_id(EventType.DELIVERY_FAILED, error.key or "thread", *ledger.attempt, lease.epoch),
            EventType.DELIVERY_FAILED,
            DeliveryFailed(message=error.key or "thread", error=error.result.error, final=True),
        )
        await self._on_undeliverable(state, error.what)


def _told(group: BaseExceptionGroup[BaseException], *kinds: type[BaseException]) -> BaseException | None:
    """The first error of these kinds anywhere in the group."""
    for kind in kinds:
        found = group.subgroup(kind)
        if found is not None:
            leaf: BaseException = found
            while isinstance(leaf, BaseExceptionGroup):
                leaf = leaf.exceptions[0]
            return leaf
    return None
