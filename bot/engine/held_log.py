"""An investigation's log as its owner holds it: all that the store has, and what the store does not have yet.

An owner goes on when its store is away: the API server is down now, and nobody else can take the lease meanwhile. What it
writes is kept here, seen by its own round and thread at once, and appended in the same order when the store is back. Ids are
deterministic, so what had arrived after all is no second time there. The same happens when a store lost the end of what
it had acknowledged, as a failover does: whoever owns an investigation has all of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import structlog

from bot.clock import Clock
from bot.errors import ApidownError, LeaseLost, Unavailable
from bot.ids import event_id
from bot.model.events import Durability, Event, EventType
from bot.model.investigation import Ref
from bot.ports import Entry, Lease, Standing, Store

_log = structlog.get_logger(__name__)

LEASE_S = 10.0
_RETRY_S = 0.5
_ACKNOWLEDGE_S = 1.0
"""How long a writer waits for the store before it goes on without: a verdict is due within ten seconds."""
_BATCH = 50
"""Events that are appended at once, 800 KiB at most."""


class HeldLog:
    """Implements ``ports.OwnLog`` for one lease. ``load`` comes first; ``run`` moves what is held, until cancelled, and raises
    LeaseLost when the store says that another replica is the owner."""

    def __init__(
        self,
        store: Store,
        lease: Lease,
        clock: Clock,
        *,
        lease_s: float = LEASE_S,
        acknowledge_s: float = _ACKNOWLEDGE_S,
        since: float | None = None,
    ) -> None:
        """``since`` is when the lease was asked for, on the clock's monotonic scale; now, unless it is given."""
        self._store = store
        self._lease = lease
        self._clock = clock
        self._lease_s = lease_s
        self._acknowledge_s = acknowledge_s
        self._entries: list[Entry] = []
        self._ids: set[str] = set()
        self._unsent: dict[str, Event] = {}
        self._refused: dict[str, Exception] = {}
        self._position = "0"
        self._stored: str | None = None
        self._contact = clock.monotonic() if since is None else since
        self._away = False
        self._announced = 0
        self._beat = asyncio.Event()
        self._to_send = asyncio.Event()
        self._read_anew = asyncio.Event()

    # What the owner and its thread use

    async def append(self, ref: Ref, events: Sequence[Event], *, lease: Lease | None = None) -> int:
        """See the port. Returns when the store has them, or when it is clear that this takes longer."""
        new = {event.id: event for event in events if event.id not in self._ids and event.id not in self._unsent}
        self._unsent |= new
        self._to_send.set()
        if not self._away:
            try:
                async with asyncio.timeout(self._acknowledge_s):
                    while not self._away and not new.keys().isdisjoint(self._unsent):
                        await self._beat.wait()
            except TimeoutError:
                self._goes_away()
        if self._away:
            self._know_unsent()
        for name in new:
            if name in self._refused:
                raise self._refused.pop(name)
        return len(new)

    async def read(self, ref: Ref, *, after: str = "0") -> list[Entry]:
        return self._entries[int(after) :]

    async def follow(self, ref: Ref, *, after: str = "0") -> AsyncGenerator[Entry]:
        index = int(after)
        while True:
            for entry in self._entries[index:]:
                index += 1
                yield entry
            if index == len(self._entries):
                await self._beat.wait()

    def standing(self) -> Standing:
        # By the time itself: a process that was stopped for longer than its lease knows of nothing that was missed.
        silent_s = self._clock.monotonic() - self._contact
        if not self._announced % 2 and silent_s < self._lease_s:
            return Standing()
        return Standing(durable=False, wait_s=max(2 * self._lease_s - silent_s, 0.0))

    # What the custodian uses

    async def load(self) -> None:
        """All that is in the log by now. Raises Unavailable: whoever has seen nothing yet has nothing to go on with."""
        for entry in await self._store.read(self._lease.ref):
            self._seen(entry)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._mirror(), name=f"{self._lease.ref}: mirror")
            tasks.create_task(self._send(), name=f"{self._lease.ref}: send")
            tasks.create_task(self._announce(), name=f"{self._lease.ref}: durability")

    async def renew(self) -> None:
        """Renews the lease, and looks whether what was written last is still there. Raises Unavailable and LeaseLost."""
        asked_at = self._clock.monotonic()
        try:
            complete = await self._store.renew(self._lease, known=self._stored)
        except Unavailable:
            self._goes_away()
            raise
        if complete is False:
            _log.warning("store-lost-data", investigation=str(self._lease.ref), appended_again=len(self._entries))
            self._unsent = {entry.event.id: entry.event for entry in self._entries} | self._unsent
            self._stored, self._position = None, "0"
            self._read_anew.set()
            self._to_send.set()
        self._comes_back(asked_at)

    async def emptied(self) -> None:
        """Returns when the store has everything."""
        while self._unsent:
            await self._beat.wait()

    async def last_try(self) -> None:
        """Once more what the store does not have, on the way out. Raises what an append raises."""
        if self._unsent:
            await self._store.append(self._lease.ref, list(self._unsent.values()), lease=self._lease)

    # How it works

    def _know(self, event: Event) -> None:
        if event.id not in self._ids:
            self._ids.add(event.id)
            self._entries.append(Entry(position=str(len(self._entries) + 1), event=event))

    def _know_unsent(self) -> None:
        for event in self._unsent.values():
            self._know(event)
        self._wake()

    def _seen(self, entry: Entry) -> None:
        if entry.event.epoch > self._lease.epoch:
            raise LeaseLost(f"another replica took over investigation {self._lease.ref}")
        self._position = entry.position
        self._stored = entry.event.id
        self._know(entry.event)
        self._wake()

    def _wake(self) -> None:
        self._beat.set()
        self._beat = asyncio.Event()

    def _goes_away(self) -> None:
        if not self._away:
            _log.warning("log-held", investigation=str(self._lease.ref), events=len(self._unsent))
        self._away = True
        self._know_unsent()

    def _comes_back(self, asked_at: float) -> None:
        # When it was asked, not when the answer is read: that may be after this process was stopped for a while.
        self._contact = max(self._contact, asked_at)
        if self._away:
            _log.info("log-appended", investigation=str(self._lease.ref), left=len(self._unsent))
        self._away = False
        if self._announced % 2:
            self._say(durable=True)

    def _say(self, *, durable: bool) -> None:
        self._announced += 1
        last = self._entries[-1].event.round if self._entries else 0
        event = Event(
            id=event_id(EventType.DURABILITY_CHANGED, self._lease.epoch, self._announced),
            type=EventType.DURABILITY_CHANGED,
            round=last,
            epoch=self._lease.epoch,
            at=self._clock.now(),
            by=self._lease.owner,
            data=Durability(durable=durable).model_dump(mode="json"),
        )
        self._unsent[event.id] = event
        self._to_send.set()
        self._know_unsent()

    async def _announce(self) -> None:
        """Says that what follows is not durable, once the lease would have run out."""
        while True:
            await asyncio.sleep(min(_RETRY_S, self._lease_s / 4))
            if self._away and not self._announced % 2 and self._clock.monotonic() - self._contact >= self._lease_s:
                self._say(durable=False)

    async def _mirror(self) -> None:
        """What others append, and what we do ourselves, in the store's order."""
        while True:
            self._read_anew.clear()
            reading = asyncio.create_task(self._read_on(), name=f"{self._lease.ref}: read")
            asked = asyncio.create_task(self._read_anew.wait(), name=f"{self._lease.ref}: read anew")
            try:
                await asyncio.wait({reading, asked}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                reading.cancel()
                asked.cancel()
                await asyncio.wait({reading, asked})
            if not reading.cancelled():
                reading.result()

    async def _read_on(self) -> None:
        try:
            async with aclosing(self._store.follow(self._lease.ref, after=self._position)) as entries:
                async for entry in entries:
                    self._seen(entry)
        except Unavailable as error:
            _log.warning("log-not-followed", investigation=str(self._lease.ref), error=str(error))
            await asyncio.sleep(_RETRY_S)

    async def _send(self) -> None:
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            while batch := list(self._unsent.values())[:_BATCH]:
                try:
                    await self._append(batch)
                except Unavailable:
                    self._goes_away()
                    await asyncio.sleep(min(_RETRY_S, self._lease_s / 4))

    async def _append(self, batch: Sequence[Event]) -> None:
        asked_at = self._clock.monotonic()
        try:
            await self._store.append(self._lease.ref, batch, lease=self._lease)
        except (LeaseLost, Unavailable):
            raise
        except (ApidownError, ValueError) as error:
            # One of them is refused for what it is, and must not keep the others.
            if len(batch) == 1:
                self._refuse(batch[0], error)
                return
            for event in batch:
                await self._append([event])
            return
        for event in batch:
            self._unsent.pop(event.id, None)
            self._know(event)
        self._stored = batch[-1].id
        self._comes_back(asked_at)
        self._wake()

    def _refuse(self, event: Event, error: Exception) -> None:
        self._unsent.pop(event.id, None)
        if event.id in self._ids:
            _log.error("event-refused", investigation=str(self._lease.ref), id=event.id, error=str(error))
        else:
            self._refused[event.id] = error
        self._wake()
