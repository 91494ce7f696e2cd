"""The store goes away in the middle of a run, loses what it had, or comes back under another owner."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bot.adapters.redis import keys
from bot.adapters.redis.store import RedisStore, connect
from bot.clock import SystemClock
from bot.engine.held_log import HeldLog
from bot.model.events import Event, EventType
from bot.model.investigation import Investigation, Ref, State
from bot.model.replay import replay
from bot.ports import Lease, OwnLog
from tests.engine.desk import REFUSES, WITHIN_S, Desk, DyingStore, ScriptedVantage, after, eventually, request, settled
from tests.fakes.redis_server import RedisServer, find_redis, redis_server
from tests.require import missing

LEASE_S = 1.0


class Watcher:
    """A deliverer that folds what its owner shows it, as a thread does, and ends when it is closed."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.log: OwnLog | None = None
        self.ref: Ref | None = None

    async def deliver(self, lease: Lease, log: OwnLog) -> None:
        self.log, self.ref = log, lease.ref
        async with aclosing(log.follow(lease.ref)) as entries:
            async for entry in entries:
                self.events.append(entry.event)
                if entry.event.type == EventType.CLOSED:
                    return

    @property
    def state(self) -> Investigation | None:
        return replay(self.ref, self.events) if self.ref else None

    def is_concluded(self) -> bool:
        return self.state is not None and self.state.state is not State.RUNNING


@pytest.fixture
async def server(tmp_path: Path) -> AsyncGenerator[RedisServer]:
    binary = find_redis()
    if binary is None:
        missing("redis", "there is no redis-server on PATH")
    with redis_server(tmp_path, binary=binary) as running:
        yield running


@pytest.fixture
async def store(server: RedisServer) -> AsyncGenerator[RedisStore]:
    made = connect(server.url, lease_s=LEASE_S, patience_s=0.5)
    yield made
    await made.close()


def gated(gate: asyncio.Event) -> ScriptedVantage:
    return ScriptedVantage({**REFUSES, "apiserver-health": after(gate, REFUSES["apiserver-health"])})


def half_done(state: Investigation) -> bool:
    step = state.step("tcp")
    return step is not None and step.status is not None


@pytest.mark.parametrize("how", ["freeze", "kill"])
async def test_a_run_goes_on_to_its_verdict_without_the_store_and_all_of_it_is_appended_later(
    server: RedisServer, store: RedisStore, how: str
) -> None:
    gate, watcher = asyncio.Event(), Watcher()
    desk = Desk(store=store, vantage=gated(gate), deliverer=watcher)
    async with desk.replica(lease_s=LEASE_S) as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, half_done)
        server.freeze() if how == "freeze" else server.kill()
        gate.set()
        await eventually(watcher.is_concluded)
        assert watcher.state is not None
        assert watcher.state.diagnosis is not None
        assert watcher.state.diagnosis.causes[0].id == "down"
        # For several leases: it is said that nothing is durable, and a while nobody may post.
        await eventually(lambda: watcher.state is not None and not watcher.state.durable)
        assert watcher.log is not None
        assert not watcher.log.standing().durable
        await eventually(lambda: watcher.log is not None and watcher.log.standing().wait_s == 0)
        assert replica.custodian.owned == {opening.ref}
        if how == "freeze":
            server.process.send_signal(signal.SIGCONT)
        else:
            await asyncio.to_thread(server.restart)
        await eventually(lambda: watcher.state is not None and watcher.state.durable)
        assert watcher.log.standing().durable
        async with asyncio.timeout(WITHIN_S):
            while "concluded" not in await desk.types(opening.ref):
                await asyncio.sleep(0.02)
        assert await replica.intake.cancel(opening.ref, who="ann")
        await settled(desk)
    log = await desk.events(opening.ref)
    own = [event.id for event in watcher.events if event.type != EventType.CANCEL_REQUESTED]
    assert [event.id for event in log if event.type != EventType.CANCEL_REQUESTED] == own
    assert len({event.id for event in log}) == len(log)
    assert [event.data["durable"] for event in log if event.type == EventType.DURABILITY_CHANGED] == [False, True]
    assert {event.epoch for event in log} <= {0, 1}
    state = replay(opening.ref, log)
    assert state is not None
    assert state.durable
    assert desk.vantage.runs["tcp-connect"] == 1


class HandClock(SystemClock):
    """A monotonic clock that moves when it is told to."""

    seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


async def test_an_owner_that_was_stopped_for_longer_than_its_lease_is_sure_of_nothing_until_it_has_renewed_it(
    store: RedisStore,
) -> None:
    desk, clock = Desk(store=store), HandClock()
    async with desk.replica() as replica:
        await replica.stop()
        opening = await replica.intake.start(request())
    lease = await store.acquire(opening.ref, "replica-1")
    assert lease is not None
    log = HeldLog(store, lease, clock, lease_s=10.0)
    assert log.standing().durable
    clock.seconds += 11.0
    assert not log.standing().durable
    assert log.standing().wait_s == pytest.approx(9.0)
    await log.renew()
    assert log.standing().durable


class StoppedBeforeTheAnswer(DyingStore):
    """The process is stopped for 11 s between a question and reading its answer, once."""

    def __init__(self, store: RedisStore, clock: HandClock) -> None:
        super().__init__(store)
        self._clock, self._stop_s = clock, 11.0

    async def renew(self, lease: Lease, *, known: str | None = None) -> bool:
        answer = await super().renew(lease, known=known)
        self._clock.seconds += self._stop_s
        self._stop_s = 0.0
        return answer


async def test_an_answer_that_waited_while_the_owner_was_stopped_proves_nothing_about_now(store: RedisStore) -> None:
    desk, clock = Desk(store=store), HandClock()
    async with desk.replica() as replica:
        await replica.stop()
        opening = await replica.intake.start(request())
    lease = await store.acquire(opening.ref, "replica-1")
    assert lease is not None
    log = HeldLog(StoppedBeforeTheAnswer(store, clock), lease, clock, lease_s=10.0)
    await log.renew()
    assert not log.standing().durable
    await log.renew()
    assert log.standing().durable


async def test_a_lease_runs_from_when_it_was_asked_for(store: RedisStore) -> None:
    desk, clock = Desk(store=store), HandClock()
    async with desk.replica() as replica:
        await replica.stop()
        opening = await replica.intake.start(request())
    asked_at = clock.monotonic()
    lease = await store.acquire(opening.ref, "replica-1")
    clock.seconds += 11.0
    assert lease is not None
    assert not HeldLog(store, lease, clock, lease_s=10.0, since=asked_at).standing().durable


async def test_a_short_absence_is_not_mentioned(server: RedisServer, store: RedisStore) -> None:
    gate, watcher = asyncio.Event(), Watcher()
    desk = Desk(store=store, vantage=gated(gate), watch=timedelta(0), deliverer=watcher)
    async with desk.replica(lease_s=60.0) as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, half_done)
        server.kill()
        gate.set()
        await eventually(watcher.is_concluded)
        assert watcher.log is not None
        assert watcher.log.standing().durable
        await asyncio.to_thread(server.restart)
        await settled(desk)
    types = await desk.types(opening.ref)
    assert "durability-changed" not in types
    assert types[-1] == "closed"


async def test_an_owner_that_was_overtaken_while_the_store_was_away_adds_nothing(server: RedisServer, store: RedisStore) -> None:
    gate, watcher = asyncio.Event(), Watcher()
    desk = Desk(store=store, vantage=gated(gate), deliverer=watcher)
    async with desk.replica("replica-1", lease_s=LEASE_S, scan_every_s=60.0) as first:
        opening = await first.intake.start(request())
        await desk.reached(opening.ref, half_done)
        server.kill()
        gate.set()
        await eventually(watcher.is_concluded)
        await asyncio.to_thread(server.restart)
        # Before the first one comes round to it, another replica has the lease.
        async with Redis.from_url(server.url) as raw:
            await raw.hset(keys.epoch(opening.ref), mapping={"number": 2, "owner": "replica-2"})
        before = len(await desk.events(opening.ref)) if first.custodian.owned else None
        await eventually(lambda: not first.custodian.owned)
    epochs = [event.epoch for event in await desk.events(opening.ref)]
    assert before is not None
    assert 2 not in epochs


@pytest.mark.parametrize("lost", ["everything", "the end"])
async def test_what_a_store_lost_is_appended_again_by_the_owner(server: RedisServer, store: RedisStore, lost: str) -> None:
    gate, watcher = asyncio.Event(), Watcher()
    desk = Desk(store=store, vantage=gated(gate), watch=timedelta(0), deliverer=watcher)
    async with desk.replica(lease_s=LEASE_S) as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, half_done)
        ref = opening.ref
        async with Redis.from_url(server.url, decode_responses=True) as raw:
            if lost == "everything":
                await raw.flushall()
            else:
                for position, fields in await raw.xrevrange(keys.log(ref), count=3):
                    await raw.xdel(keys.log(ref), position)
                    await raw.srem(keys.ids(ref), Event.model_validate_json(fields["event"]).id)

            async def complete() -> bool:
                return await raw.scard(keys.ids(ref)) == len(watcher.events)

            async with asyncio.timeout(WITHIN_S):
                while not await complete():
                    await asyncio.sleep(0.02)
        gate.set()
        await settled(desk)
    log = await desk.events(opening.ref)
    assert sorted(event.id for event in log) == sorted(event.id for event in watcher.events)
    assert len({event.id for event in log}) == len(log)
    state = replay(opening.ref, log)
    assert state is not None
    assert state.diagnosis is not None
    assert state.closed is not None


async def test_a_replica_that_stops_while_events_are_held_tries_once_more(server: RedisServer, store: RedisStore) -> None:
    gate, watcher = asyncio.Event(), Watcher()
    desk = Desk(store=store, vantage=gated(gate), deliverer=watcher)
    async with desk.replica(lease_s=LEASE_S) as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, half_done)
        server.freeze()
        gate.set()
        await eventually(watcher.is_concluded)
        replica.task.cancel()
        server.process.send_signal(signal.SIGCONT)
        await asyncio.wait([replica.task])
    assert (await desk.types(opening.ref))[-1] == "concluded"
