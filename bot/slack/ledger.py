"""The delivery's side of the event log: the state as it is now, the thread it asks for, and what the delivery notes down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from bot.clock import Clock
from bot.errors import Unavailable
from bot.model.base import Moment, Value
from bot.model.events import DELIVERY, Event, EventType
from bot.model.investigation import Investigation, State
from bot.model.message import Message
from bot.model.replay import advance
from bot.ports import EventLog, Lease, Standing
from bot.slack.pace import Timing


class Render(Protocol):
    """Draws the whole thread of a state: every message that should be there, in its order. Pure."""

    def __call__(self, investigation: Investigation, *, now: Moment) -> Sequence[Message]: ...


class Ledger:
    """One investigation's log under one lease. A store that is away is waited for: whoever holds the lease is stopped by
    its owner when the lease runs out."""

    def __init__(
        self,
        *,
        store: EventLog,
        lease: Lease,
        render: Render,
        clock: Clock,
        timing: Timing,
        standing: Callable[[], Standing] = Standing,
    ) -> None:
        """``standing`` tells whether the store knows what is done here, and whether anything may be posted meanwhile."""
        self.standing = standing
        self._store = store
        self._lease = lease
        self._render = render
        self._clock = clock
        self._timing = timing
        self._state: Investigation | None = None
        self._position = "0"
        self._wanted: Sequence[Message] | None = None
        self._beat = asyncio.Event()

    @property
    def state(self) -> Investigation:
        """The folded state; ``load`` comes first."""
        if self._state is None:
            raise RuntimeError("the ledger is read before it is loaded")
        return self._state

    @property
    def attempt(self) -> tuple[int, int]:
        """Which try to deliver this is: one a round, the opening included in the first, and one wherever it is moved to."""
        return max(1, self.state.round), self.state.moves

    @property
    def closed(self) -> bool:
        return self.state.state is State.CLOSED

    async def load(self) -> None:
        """Reads what is in the log already; waits for the opening."""
        while self._state is None:
            for entry in await self._store.read(self._lease.ref, after=self._position):
                self._fold(entry.position, entry.event)
            if self._state is None:
                await asyncio.sleep(self._timing.retry_first_s)

    async def follow(self) -> None:
        """Folds what is appended, by whoever, until cancelled."""
        while True:
            try:
                async for entry in self._store.follow(self._lease.ref, after=self._position):
                    self._fold(entry.position, entry.event)
            except Unavailable:
                await asyncio.sleep(self._timing.retry_first_s)

    def _fold(self, position: str, event: Event) -> None:
        self._position = position
        self._state = advance(self._lease.ref, self._state, event)
        # The delivery's own notes change no message. Drawing them anew would move the elapsed time and so edit for ever.
        if event.type not in DELIVERY:
            self._wanted = None
        self.wake()

    def wanted(self) -> Sequence[Message]:
        """The thread as it should be now; drawn once for any number of events since the last look."""
        if self._wanted is None:
            self._wanted = self._render(self.state, now=self._clock.now())
        return self._wanted

    def redraw(self) -> None:
        """Time has passed, and that alone changes what is shown."""
        self._wanted = None

    def wake(self) -> None:
        """Lets everybody who waits for a change look again."""
        self._beat.set()
        self._beat = asyncio.Event()

    async def changed(self, *, within: float | None = None) -> bool:
        """True at the next change, False when there was none ``within`` these seconds."""
        try:
            async with asyncio.timeout(within):
                await self._beat.wait()
        except TimeoutError:
            return False
        return True

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self.changed()

    async def note(self, id: str, type: EventType, data: Value) -> None:
        """Appends one of the delivery's own events. Raises LeaseLost."""
        event = Event(
            id=id,
            type=type,
            round=self.state.round,
            epoch=self._lease.epoch,
            at=self._clock.now(),
            by=self._lease.owner,
            data=data.model_dump(mode="json"),
        )
        while True:
            try:
                await self._store.append(self._lease.ref, [event], lease=self._lease)
            except Unavailable:
                await asyncio.sleep(self._timing.retry_first_s)
            else:
                return
