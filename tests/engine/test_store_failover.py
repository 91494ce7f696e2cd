"""A store's failover in the middle of a run: the owner goes on, and the log has all of it once."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.adapters.redis.store import connect
from bot.model.investigation import Investigation, State
from tests.engine.desk import REFUSES, Desk, ScriptedVantage, after, request, settled
from tests.fakes.redis_server import SentinelGroup, find_redis, sentinel_group
from tests.require import missing


@pytest.fixture
def group(tmp_path: Path) -> Generator[SentinelGroup]:
    binary = find_redis() or missing("redis", "there is no redis-server on PATH")
    with sentinel_group(tmp_path, binary=binary) as running:
        yield running


async def test_a_sentinel_failover_in_the_middle_of_a_run_loses_nothing(group: SentinelGroup) -> None:
    gate = asyncio.Event()
    store = connect(group.url, lease_s=10.0)
    held = ScriptedVantage({**REFUSES, "apiserver-health": after(gate, REFUSES["apiserver-health"])})
    desk = Desk(store=store, vantage=held, watch=timedelta(0))
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, first_step_done)
        await asyncio.to_thread(group.primary().kill)
        gate.set()
        state = await desk.reached(opening.ref, lambda one: one.state is State.CLOSED)
        await settled(desk)
    events = await desk.events(opening.ref)
    assert len({event.id for event in events}) == len(events)
    assert all(step.status is not None for step in state.steps)
    assert state.diagnosis is not None
    assert state.diagnosis.causes[0].id == "down"
    # Nobody took over, and nothing was looked at twice.
    assert held.runs["tcp-connect"] == 1
    assert {event.epoch for event in events if event.epoch} == {1}
    await store.close()


def first_step_done(state: Investigation) -> bool:
    step = state.step("tcp")
    return step is not None and step.status is not None
