"""The owner of one investigation: runs its rounds, follows its own log for what people ask, and closes it.

There is one owner at a time, the holder of the lease. Whatever it knows is in the log; a successor replays that and goes
on. Intake (cancel, re-run, a further trigger) arrives as events from any replica and takes effect within a second.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from bot.clock import Clock
from bot.engine import endings
from bot.engine.answers import Answers, answers_in, may_be_weighed, weigh_again
from bot.engine.endings import Ending
from bot.engine.journal import Journal
from bot.engine.rounds import Round, RoundServices
from bot.errors import ApidownError, ConfigError, Conflict, LeaseLost, Unavailable
from bot.model.base import Value
from bot.model.events import INTAKE, Closed, EventType, Trigger
from bot.model.investigation import Investigation, State
from bot.model.replay import advance, replay
from bot.model.target import Cluster
from bot.ports import Directory, Entry, EventLog, Lease, Store
from bot.redact import Redactor

_log = structlog.get_logger(__name__)

_RESUMED = "resumed"

_ACCESS_S = 5.0
"""How long a cluster's files may take to be read: they may lie on a network that is part of the outage."""

_UNHEARD_S = 1.0
"""How long what was asked for in the last moment may take to come through the log."""
_MOST_REFUSALS = 5
"""After that many refusals to close without anything new in the log, what is there cannot be read by this version."""

WATCH = timedelta(minutes=15)
"""How long a concluded investigation stays open: a further trigger in this time is the same outage and a new round."""


@dataclass(frozen=True, kw_only=True)
class OwnerServices:
    """What an owner works with. ``watch`` zero closes an investigation as soon as it is concluded."""

    store: Store
    clock: Clock
    redactor: Redactor
    directory: Directory
    rounds: RoundServices
    watch: timedelta = WATCH


class Takeover(Value):
    """Data of ``owner-changed``."""

    owner: str
    epoch: int


class Owner:
    """Carries one investigation from wherever its log ends to ``closed``."""

    def __init__(self, services: OwnerServices, lease: Lease, log: EventLog) -> None:
        self._services = services
        self._events = log
        self._lease = lease
        self._journal = Journal(store=log, lease=lease, clock=services.clock, redactor=services.redactor)
        self._state: Investigation | None = None
        self._position = "0"
        self._heard = 0
        self._refusals: list[int] = []
        self._round_now: Round | None = None
        self._cluster: Cluster | None = None
        self._revised = (0, 0)
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Returns when the investigation is closed. Raises LeaseLost when overtaken."""
        for entry in await self._events.read(self._lease.ref):
            self._fold(entry)
        if self._state is None or self._state.state is State.CLOSED:
            return
        self._journal.round = self._state.round
        if self._lease.epoch > 1:
            takeover = Takeover(owner=self._lease.owner, epoch=self._lease.epoch)
            await self._journal.write(EventType.OWNER_CHANGED, self._lease.epoch, data=takeover)
        follower = asyncio.create_task(self._follow(), name=f"{self._lease.ref}: follow")
        try:
            await self._until_closed(follower)
        finally:
            await stop(follower)

    def _fold(self, entry: Entry) -> None:
        self._state = advance(self._lease.ref, self._state, entry.event)
        self._position = entry.position
        self._heard += entry.event.type in INTAKE
        if entry.event.type == EventType.MANUAL_ANSWERED and self._round_now is not None:
            self._round_now.answered()
        self._changed.set()

    async def _follow(self) -> None:
        async for entry in self._events.follow(self._lease.ref, after=self._position):
            self._fold(entry)

    async def _until_closed(self, follower: asyncio.Task[None]) -> None:
        reason = self._next_round()
        while True:
            if reason is not None:
                await self._run_round(reason, follower)
            reason = await self._watch(follower)
            if reason is None:
                return

    def _next_round(self) -> str | None:
        """Why a round is due now: the first one, an unfinished one, or one that somebody asked for."""
        state = self._known
        if state.cancel_requested_by:
            return None
        if state.state is State.RUNNING:
            return "trigger" if state.round == 0 else _RESUMED
        return self._asked_again()

    def _asked_again(self) -> str | None:
        state = self._known
        if state.rerun_requested_by:
            return f"re-run asked for by {state.rerun_requested_by}"
        if state.joined_since_conclusion:
            return _said_again(state.joined[-1])
        return None

    @property
    def _known(self) -> Investigation:
        assert self._state is not None
        return self._state

    async def _run_round(self, reason: str, follower: asyncio.Task[None]) -> None:
        """One round, in a task of its own so that a cancel request ends it at once."""
        predecessor = self._known if reason == _RESUMED else None
        if predecessor is None:
            self._journal.round = self._known.round + 1
        work = asyncio.create_task(self._round(reason, predecessor), name=f"{self._lease.ref}: round {self._journal.round}")
        try:
            while not work.done() and not self._known.cancel_requested_by:
                await self._next_change(follower, work)
            if work.done():
                await work
        finally:
            await stop(work)

    async def _round(self, reason: str, predecessor: Investigation | None) -> None:
        """The boundary around a round: whatever goes wrong in it, it is concluded, and nobody runs into the same again."""
        began = self._services.clock.monotonic()
        try:
            ending = await self._look(reason, predecessor)
        except Exception as error:
            plain = plainest(error)
            if isinstance(plain, LeaseLost | Unavailable):
                if plain is error:
                    raise
                raise plain from error
            _log.error("round-failed", investigation=str(self._lease.ref), round=self._journal.round, exc_info=error)
            ending = endings.defect(plain)
        if ending is not None:
            so_far = replay(self._lease.ref, [entry.event for entry in await self._events.read(self._lease.ref)])
            took = self._services.clock.monotonic() - began
            await endings.conclude(self._journal, so_far or self._known, ending, reason=reason, took_s=took)

    async def _look(self, reason: str, predecessor: Investigation | None) -> Ending | None:
        """Carries the round out; returns how it ends where there is nothing to look at."""
        state = self._known
        try:
            async with asyncio.timeout(_ACCESS_S):
                access = await self._services.directory.access(state.opened.cluster)
        except ApidownError as error:
            return endings.unreadable(error)
        except TimeoutError:
            where = f"cluster {state.ref.cluster}"
            return endings.unreadable(ConfigError(f"its files cannot be read within {_ACCESS_S:.0f} s", where=where))
        self._journal.never_say(access.secrets)
        self._cluster = access.cluster
        number = self._journal.round
        current = self._round_now = Round(
            self._services.rounds,
            journal=self._journal,
            opened=state.opened,
            access=access,
            asked_at=state.opened_at,
            alerts=state.alerts,
            recognised=state.recognised,
            predecessor=predecessor,
            answers=lambda: answers_in(self._known) if self._known.round == number else Answers(),
        )
        try:
            await current.run(reason)
        finally:
            self._round_now = None
        return None

    async def _next_change(self, follower: asyncio.Task[None], *others: asyncio.Task[None], within: float | None = None) -> None:
        """Until the log moved, one of the tasks ended or the time is over. The follower's failure is the owner's."""
        self._changed.clear()
        changed = asyncio.create_task(self._changed.wait(), name=f"{self._lease.ref}: change")
        try:
            await asyncio.wait({follower, changed, *others}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
        if follower.done():
            await follower

    async def _watch(self, follower: asyncio.Task[None]) -> str | None:
        """After a round: closes what is over; otherwise waits for a reason to look again, which it returns."""
        await self._caught_up(follower)
        until = self._services.clock.monotonic() + self._left_to_watch()
        while True:
            state = self._known
            again = None if state.cancel_requested_by else self._asked_again()
            if again is not None:
                return again
            await self._weigh_answers()
            left = until - self._services.clock.monotonic()
            if state.cancel_requested_by or left <= 0 or (state.is_healthy and not state.alerts_fire):
                if await self._close():
                    return None
                left = _UNHEARD_S
            await self._next_change(follower, within=left)

    async def _weigh_answers(self) -> None:
        """What people answered since the verdict revises it; nothing is looked at again for that."""
        state = self._known
        heard = max(state.weighed, self._revised[1] if self._revised[0] == state.round else 0)
        if state.cancel_requested_by or state.diagnosis is None or state.answers <= heard or not may_be_weighed(state):
            return
        revision = state.diagnosis.revision + 1
        library = self._services.rounds.library
        told = weigh_again(state, causes=library.causes, cluster=self._cluster, revision=revision)
        await self._journal.write(EventType.DIAGNOSED, "answers", told.heard, data=told)
        self._revised = (state.round, told.heard)

    def _left_to_watch(self) -> float:
        """Seconds, from the conclusion and not from when this owner took over: owners may follow each other for ever."""
        now = self._services.clock.now()
        left = self._services.watch - (now - (self._known.concluded_at or now))
        return min(max(left, timedelta(0)), self._services.watch).total_seconds()

    async def _caught_up(self, follower: asyncio.Task[None]) -> None:
        """Until our own conclusion came back through the log, so that what is decided next is decided on all of it."""
        while self._behind and not self._known.cancel_requested_by:
            await self._next_change(follower)

    @property
    def _behind(self) -> bool:
        return self._known.round < self._journal.round or self._known.state is State.RUNNING

    async def _close(self) -> bool:
        """False when somebody asked for something in the last moment, which is looked at first: whoever joins is told so, and
        must not have joined what nobody works on any more."""
        by = self._known.cancel_requested_by
        heard = self._heard if self._refusals.count(self._heard) < _MOST_REFUSALS else None
        closed = Closed(reason="cancelled" if by else "completed", by=by or "", heard=heard)
        try:
            await self._journal.write(EventType.CLOSED, data=closed)
        except Conflict:
            self._refusals.append(self._heard)
            return False
        return True


def _said_again(trigger: Trigger) -> str:
    if trigger.alert is None:
        return "asked again"
    return f"{trigger.alert.name} fired" if trigger.alert.resolved_at is None else "the alerts are over"


async def stop(task: asyncio.Task[None]) -> None:
    """Ends a task and waits for that. How it ended is of no interest any more, and is not reported by anybody else."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()


def plainest(error: BaseException) -> BaseException:
    """The one error that a group of tasks failed with: a defect before anything expected, then the most telling."""
    leaves = _leaves(error)
    defects = [leaf for leaf in leaves if not isinstance(leaf, ApidownError | asyncio.CancelledError)]
    expected = [leaf for kind in (LeaseLost, Unavailable) for leaf in leaves if isinstance(leaf, kind)]
    return next(iter([*defects, *expected, *leaves]))


def _leaves(error: BaseException) -> list[BaseException]:
    return [leaf for item in error.exceptions for leaf in _leaves(item)] if isinstance(error, BaseExceptionGroup) else [error]
