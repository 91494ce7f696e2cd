"""What Slack delivers again, after a restart or to another replica, is done once: over the wire, with two replicas in turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType

import pytest
from structlog.testing import capture_logs

import commands
from bot.adapters.redis.store import RedisStore
from bot.clock import SystemClock
from bot.config import ClusterDefinition, Config
from bot.engine.audit import Audited
from bot.model.investigation import Investigation, Ref, State
from bot.redact import Redactor
from bot.registry import Command, scan
from bot.render.thread import messages
from bot.slack.app import SlackApp
from bot.slack.client import SlackClient
from bot.slack.pace import Timing
from bot.slack.socket import SocketTiming
from tests.engine.desk import HEALTHY, Desk, DyingStore, Replica, ScriptedVantage, after, settled
from tests.fakes.slack import Ack, FakeSlack

CLOCK = SystemClock()
CONFIG = Config(clusters=MappingProxyType({"lab": ClusterDefinition(name="lab", server="https://api.lab.example:6443")}))
SOCKETS = SocketTiming(ping_interval_s=0.5, second_after_s=0.1, watchdog_s=0.1, close_s=2.0)


@dataclass
class Office:
    """What outlives a replica: Slack and the store."""

    slack: FakeSlack
    client: SlackClient
    desk: Desk
    told: Sequence[str] = ()

    @asynccontextmanager
    async def bot(self, name: str, *, store: DyingStore | None = None) -> AsyncGenerator[Replica]:
        """A replica that hears Slack."""
        async with self.desk.replica(name, store=store) as replica:
            app = SlackApp(
                slack=self.client,
                app_token=self.slack.app_token,
                commands=scan(commands, Command),
                config=lambda: CONFIG,
                investigations=Audited(replica.intake),
                clock=CLOCK,
                redactor=Redactor(),
                timing=Timing().scaled(0.1),
                socket_timing=SOCKETS,
            )
            task = asyncio.create_task(app.run(), name=name)
            try:
                await self.slack.wait_for(lambda: app.ready)
                yield replica
            finally:
                task.cancel()
                await asyncio.wait([task])

    async def again(self, ack: Ack) -> None:
        """Slack delivers the same thing once more, and it is dealt with."""
        before = len(self.slack.ephemerals)
        delivery = ack.delivery
        assert (await self.slack.deliver(delivery.type, delivery.payload, accepts=delivery.accepts)).error is None
        await self.slack.wait_for(lambda: not any(task.get_name().startswith(("/apidown of", "apidown.")) for task in tasks()))
        self.told = [one.text for one in self.slack.ephemerals[before:] if one.via == "response_url"]

    async def investigations(self) -> list[Ref]:
        return await self.desk.store.active()

    async def only(self) -> Ref:
        return (await self.slack.wait_for(self.investigations))[0]

    async def root(self, state: Investigation) -> str:
        """The message with the buttons, as it is now."""
        drawn = messages(state, now=CLOCK.now())[0]
        posted = await self.client.post(self.slack.incidents, text=drawn.text, blocks=drawn.blocks)
        return str(posted.data["ts"])


def tasks() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks()


def concluded(state: Investigation) -> bool:
    return state.state is State.CONCLUDED


@pytest.fixture
def office(slack: FakeSlack, client: SlackClient, store: RedisStore) -> Office:
    return Office(slack=slack, client=client, desk=Desk(store=store))


async def test_a_command_that_is_delivered_again_starts_nothing_though_the_first_one_is_closed(office: Office) -> None:
    office.desk.vantage = ScriptedVantage(HEALTHY)
    with capture_logs() as logged:
        async with office.bot("first"):
            ack = await office.slack.slash(office.slack.ann, office.slack.incidents, "lab")
            ref = await office.only()
            await office.desk.reached(ref, lambda state: state.closed is not None)
            await settled(office.desk)
            await office.again(ack)
        async with office.bot("second"):
            await office.again(ack)
            [told] = office.told
            assert told.startswith(f"This was heard already: it is the investigation {ref.id}, which is over.")
            assert await office.investigations() == []
            typed_again = await office.slack.slash(office.slack.ann, office.slack.incidents, "lab")
            await office.slack.wait_for(lambda: office.desk.vantage.runs["tcp-connect"] == 2)
            assert typed_again.trigger_id != ack.trigger_id
    assert [line["action"] for line in logged if line["event"] == "audit"] == ["started", "started"]
    office.slack.assert_clean()


async def test_a_command_whose_replica_died_before_it_was_written_is_done_by_the_next(office: Office) -> None:
    store = DyingStore(office.desk.store)
    async with office.bot("first", store=store):
        store.die()
        ack = await office.slack.slash(office.slack.ann, office.slack.incidents, "lab")
    async with office.bot("second"):
        await office.again(ack)
        await office.desk.reached(await office.only(), concluded)


async def test_a_click_on_re_run_that_is_delivered_again_begins_no_third_round(office: Office) -> None:
    async with office.bot("first"):
        await office.slack.slash(office.slack.ann, office.slack.incidents, "lab")
        ref = await office.only()
        ts = await office.root(await office.desk.reached(ref, concluded))
        ack = await office.slack.click(office.slack.ann, office.slack.incidents, ts, "apidown.rerun")
        await office.desk.reached(ref, lambda state: state.round == 2 and concluded(state))
        await office.again(ack)
        assert office.told == []
    async with office.bot("second") as replica:
        await office.again(ack)
        assert office.told == []
        state = await replica.intake.look(ref)
    assert state is not None
    assert (state.round, state.rerun_requested_by) == (2, None)
    assert [event.type for event in await office.desk.events(ref)].count("rerun-requested") == 1
    office.slack.assert_clean()


async def test_a_cancel_that_is_delivered_again_leaves_the_next_investigation_alone(office: Office) -> None:
    async with office.bot("first"):
        refuses = office.desk.vantage.script["tcp-connect"]
        office.desk.vantage.script["tcp-connect"] = after(asyncio.Event(), refuses)
        await office.slack.slash(office.slack.ann, office.slack.incidents, "lab")
        ref = await office.only()
        typed = await office.slack.slash(office.slack.ann, office.slack.incidents, "cancel")
        await office.desk.reached(ref, lambda state: state.closed is not None)
        await settled(office.desk)
        await office.slack.slash(office.slack.bob, office.slack.incidents, "lab")
        following = await office.only()
        ts = await office.root(await office.desk.reached(following, lambda state: state.round == 1))
    async with office.bot("second") as replica:
        await office.again(typed)
        assert office.told == [f"This was heard already: the investigation {ref.id} is cancelled."]
        state = await replica.intake.look(following)
        assert state is not None
        assert state.cancel_requested_by is None
        clicked = await office.slack.click(office.slack.ann, office.slack.incidents, ts, "apidown.cancel")
        await office.desk.reached(following, lambda state: state.closed is not None)
        await settled(office.desk)
        await office.again(clicked)
        assert office.told == []
    office.slack.assert_clean()
