"""Answers to manual steps over the wire: a strict Slack, a real store, two replicas, a delivered thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

import pytest

import commands
from bot.adapters.redis.store import RedisStore
from bot.clock import SystemClock
from bot.config import ClusterDefinition, Config
from bot.engine.audit import Audited
from bot.model.base import Json
from bot.model.finding import Finding, Status
from bot.model.investigation import Investigation, Ref, State
from bot.model.playbook import Cause, Domain, EvidenceLine, Weight
from bot.playbook import Library
from bot.redact import Redactor
from bot.registry import Command, scan
from bot.render.thread import messages
from bot.slack.app import SlackApp
from bot.slack.client import SlackClient
from bot.slack.delivery import SlackDelivery
from bot.slack.pace import Timing
from bot.slack.socket import SocketTiming
from tests.engine.desk import LIBRARY, REFUSES, Desk, DyingStore, Play, Replica, after, found
from tests.fakes.slack import Ack, Ephemeral, FakeSlack, Message

CLOCK = SystemClock()
LAB = ClusterDefinition(name="lab", server="https://api.lab.example:6443")
SOCKETS = SocketTiming(ping_interval_s=0.5, second_after_s=0.1, watchdog_s=0.1, close_s=2.0)
TIMING = Timing().scaled(0.1)
STEP = "network-team"
WORKED_ON = Cause(
    id="worked-on",
    domain=Domain.LOAD_BALANCER,
    title="The balancer is being worked on",
    sentence="Somebody changes it.",
    evidence_for=(EvidenceLine(step=STEP, answer="found", weight=Weight.DECISIVE, says="Somebody works on it."),),
)


async def _nobody(investigation: Investigation, why: str) -> None:
    raise AssertionError(why)


@dataclass
class Office:
    """What outlives a replica: Slack, the store, who may do what."""

    slack: FakeSlack
    client: SlackClient
    desk: Desk
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = field(default_factory=frozenset)

    def config(self) -> Config:
        return Config(clusters=MappingProxyType({"lab": LAB}), users=self.users, groups=self.groups)

    @asynccontextmanager
    async def bot(self, name: str = "first", *, store: DyingStore | None = None) -> AsyncGenerator[Replica]:
        async with self.desk.replica(name, store=store) as replica:
            app = SlackApp(
                slack=self.client,
                app_token=self.slack.app_token,
                commands=scan(commands, Command),
                config=self.config,
                investigations=Audited(replica.intake),
                clock=CLOCK,
                redactor=Redactor(),
                timing=TIMING,
                socket_timing=SOCKETS,
            )
            task = asyncio.create_task(app.run(), name=name)
            try:
                await self.slack.wait_for(lambda: app.ready)
                yield replica
            finally:
                task.cancel()
                await asyncio.wait([task])

    async def concluded(self) -> Ref:
        """Somebody asked, and there is a verdict."""
        await self.slack.slash(self.slack.ann, self.slack.incidents, "lab")
        [ref] = await self.slack.wait_for(self.desk.store.active)
        await self.desk.reached(ref, lambda state: state.state is State.CONCLUDED)
        return ref

    async def shows(self, key: str, holds: Callable[[Message], object] = lambda message: True) -> Message:
        """The thread's message with this key, once this holds of it as it is."""

        def found() -> Message | None:
            for message in self.slack.channels[self.slack.incidents].messages.values():
                if message.metadata and message.metadata["event_payload"]["message"] == key and holds(message):
                    return message
            return None

        return await self.slack.wait_for(found, what=f"{key} as it should be")

    async def click(self, button: str, *, user: str | None = None, key: str = "manual/1") -> Ack:
        shown = await self.shows(key, lambda message: f"apidown.{button}" in message.buttons)
        value = f"|{STEP}|" if button.startswith("manual") else None
        return await self.slack.click(user or self.slack.ann, self.slack.incidents, shown.ts, f"apidown.{button}", value=value)

    async def form(self, user: str | None = None) -> str:
        """The modal that the person sees."""
        stack = await self.slack.wait_for(lambda: self.slack.workspace.stacks.get(user or self.slack.ann))
        return stack[-1]

    async def submit(self, note: str, *, since: str = "", user: str | None = None) -> Ack:
        values = {"note": {"note": note}, **({"since": {"since": since}} if since else {})}
        return await self.slack.submit(user or self.slack.ann, await self.form(user), values)

    async def told(self, text: str) -> Ephemeral:
        return await self.slack.wait_for(
            lambda: next((one for one in self.slack.ephemerals if text in one.text), None), what=f"somebody is told {text!r}"
        )

    async def events(self, ref: Ref) -> int:
        return (await self.desk.types(ref)).count("manual-answered")

    async def quiet(self) -> None:
        """Until nothing that was clicked or submitted is being dealt with any more."""
        busy = ("apidown.", "answer by")
        await self.slack.wait_for(lambda: not any(task.get_name().startswith(busy) for task in asyncio.all_tasks()))


@pytest.fixture
def office(slack: FakeSlack, client: SlackClient, store: RedisStore) -> Office:
    library = Library(playbooks=LIBRARY.playbooks, causes={**LIBRARY.causes, WORKED_ON.id: WORKED_ON})
    delivery = SlackDelivery(store=store, slack=client, render=messages, clock=CLOCK, on_undeliverable=_nobody, timing=TIMING)
    return Office(slack=slack, client=client, desk=Desk(store=store, library=library, deliverer=delivery))


def says(text: str) -> Callable[[Message], bool]:
    return lambda message: text in str(message.blocks)


async def test_a_click_collapses_the_step_and_revises_nothing_that_it_is_no_evidence_for(office: Office) -> None:
    async with office.bot():
        ref = await office.concluded()
        ack = await office.click("manual.ok")
        assert ack.latency is not None
        shown = await office.shows("manual/1", says("looks OK, <@"))
        assert f"<@{office.slack.ann}>" in str(shown.blocks)
        assert "apidown.manual.ok" not in shown.buttons
    assert await office.events(ref) == 1
    office.slack.assert_clean()


async def test_found_it_asks_what_and_since_when_and_the_verdict_quotes_it(office: Office) -> None:
    async with office.bot():
        ref = await office.concluded()
        await office.shows("verdict/1", says("The API server is down"))
        await office.click("manual.found")
        view = office.slack.views[await office.form()]
        assert "Nobody works on the balancer" in str(view.blocks)
        ack = await office.submit("bob swaps <!channel> & password=hunter2hunter2", since="3h")
        assert ack.error is None
        verdict = await office.shows("verdict/1", says("bob swaps"))
        root = await office.shows("root", says("bob swaps"))
        await office.shows("manual/1", says("bob swaps"))
    for shown in (verdict, root):
        text = str(shown.blocks)
        assert "The balancer is being worked on" in text
        assert "*Revised:*" in text
        assert "&lt;!channel&gt; &amp; " in text
        assert "&amp;lt;" not in text, "escaped once"
        assert "stated by a person" in text
    assert verdict.text.startswith("Revised. ")
    log = str([event.model_dump() for event in await office.desk.events(ref)])
    assert "hunter2hunter2" not in log + str(verdict.blocks)
    office.slack.assert_clean()


async def test_a_time_that_is_none_is_said_in_the_form_which_stays_open(office: Office) -> None:
    async with office.bot():
        ref = await office.concluded()
        await office.click("manual.found")
        ack = await office.submit("it is down", since="yesterday-ish")
        assert ack.payload["response_action"] == "errors"
        assert "14:05" in ack.payload["errors"]["since"]
        assert (await office.submit("it is down", since="10m")).error is None
        await office.shows("manual/1", says("it is down"))
    assert await office.events(ref) == 1
    office.slack.assert_clean()


async def test_change_takes_an_answer_back(office: Office) -> None:
    async with office.bot():
        await office.concluded()
        await office.click("manual.skip")
        await office.click("manual.change")
        await office.click("manual.ok")
        await office.shows("manual/1", says("looks OK, <@"))
    office.slack.assert_clean()


async def test_of_two_people_the_second_is_told_who_answered(office: Office) -> None:
    office.slack.allowed_mentions.add(office.slack.ann)
    async with office.bot():
        ref = await office.concluded()
        first = await office.click("manual.ok")
        payload = first.delivery.payload
        bob = {"id": office.slack.bob, "username": "bob", "name": "bob", "team_id": office.slack.team_id}
        url = office.slack.responses.issue("actions", user=office.slack.bob, channel=office.slack.incidents)
        late = {**payload, "user": bob, "trigger_id": "1.2.3", "response_url": url}
        await office.slack.deliver("interactive", late)
        told = await office.told("answered that")
        assert (told.user, "looks OK" in told.text) == (office.slack.bob, True)
    assert await office.events(ref) == 1


async def test_a_click_that_is_delivered_again_to_another_replica_acts_once(office: Office) -> None:
    async with office.bot("first"):
        ref = await office.concluded()
        ack = await office.click("manual.ok")
        await office.shows("manual/1", says("looks OK, <@"))
    async with office.bot("second"):
        before = len(office.slack.ephemerals)
        assert (await office.slack.deliver(ack.delivery.type, ack.delivery.payload)).error is None
        await office.quiet()
        assert office.slack.ephemerals[before:] == []
    assert await office.events(ref) == 1
    office.slack.assert_clean()


async def test_a_form_that_is_delivered_again_acts_once(office: Office) -> None:
    async with office.bot("first"):
        ref = await office.concluded()
        opened = await office.click("manual.found")
        ack = await office.submit("it is down")
        await office.shows("manual/1", says("it is down"))
    async with office.bot("second"):
        before = len(office.slack.ephemerals)
        for one in (ack, opened):
            await office.slack.deliver(one.delivery.type, one.delivery.payload, accepts=one.delivery.accepts)
        await office.quiet()
        told = office.slack.ephemerals[before:]
    assert await office.events(ref) == 1
    assert [one.text for one in told if "Your note" in one.text] == []


async def test_a_replica_that_does_not_carry_it_takes_the_answer(office: Office) -> None:
    async with office.bot("first"), office.desk.replica("second") as second:
        ref = await office.concluded()
        state = await second.intake.look(ref)
        assert state is not None
        await office.click("manual.found")
        await office.submit("it is down")
        await office.desk.reached(ref, lambda state: state.weighed == 1)


async def test_an_answer_after_closing_is_told_so_with_the_note(office: Office) -> None:
    async with office.bot() as replica:
        ref = await office.concluded()
        shown = await office.shows("manual/1")
        late = await office.click("manual.found")
        await office.form()
        await replica.intake.cancel(ref, who=office.slack.ann)
        await office.desk.reached(ref, lambda state: state.closed is not None)
        await office.submit("all my findings")
        told = await office.told("is closed, so answers are not weighed any more")
        assert "Your note: all my findings" in told.text
        assert (told.user, told.thread_ts is not None) == (office.slack.ann, True)
        await office.slack.wait_for(lambda: not any("manual" in button for button in shown.buttons))
        again = {**late.delivery.payload, "trigger_id": "1.2.3"}
        await office.slack.deliver("interactive", again)
        await office.slack.wait_for(lambda: sum("is closed" in one.text for one in office.slack.ephemerals) == 2)
    assert await office.events(ref) == 0
    office.slack.assert_clean()


async def test_a_form_from_a_round_that_is_over_is_sent_to_the_newest(office: Office) -> None:
    async with office.bot() as replica:
        ref = await office.concluded()
        await office.click("manual.found")
        await office.form()
        await replica.intake.rerun(ref, who=office.slack.ann)
        await office.desk.reached(ref, lambda state: state.round == 2 and state.state is State.CONCLUDED)
        await office.submit("old news")
        told = await office.told("Round 1 is over. Answer below, in the message of round 2.")
        assert "Your note: old news" in told.text
    assert await office.events(ref) == 0


async def test_who_may_not_start_may_not_answer_and_is_told_before_they_type(office: Office) -> None:
    office.users = frozenset({office.slack.ann})
    async with office.bot():
        ref = await office.concluded()
        await office.click("manual.found", user=office.slack.bob)
        await office.told("You may not answer for investigations that others started here.")
        await office.click("manual.ok", user=office.slack.bob)
        await office.quiet()
        assert office.slack.called("views.open") == []
    assert await office.events(ref) == 0


async def test_a_store_that_is_away_is_said_and_the_note_comes_back(office: Office) -> None:
    dying = DyingStore(office.desk.store)
    async with office.desk.replica("owner"), office.bot("deaf", store=dying):
        ref = await office.concluded()
        await office.click("manual.found")
        await office.form()
        dying.die()
        await office.submit("all my findings")
        told = await office.told("this replica is dead")
        assert "Your note: all my findings" in told.text
        await office.click("manual.ok")
        await office.slack.wait_for(lambda: sum("this replica is dead" in one.text for one in office.slack.ephemerals) == 2)
    assert await office.events(ref) == 0


async def test_slack_that_opens_no_form_is_said(office: Office) -> None:
    async with office.bot():
        await office.concluded()
        office.slack.fail("views.open", "error", error="expired_trigger_id")
        await office.click("manual.found")
        await office.told("Slack did not open the form (expired_trigger_id). Nothing was noted; press again.")
        await office.click("manual.found")
        assert await office.form()


async def test_an_answer_while_it_runs_is_in_the_thread_at_once(office: Office) -> None:
    gate = asyncio.Event()
    office.desk.vantage.script["apiserver-pods"] = after(gate, REFUSES["apiserver-pods"])
    async with office.bot():
        await office.slack.slash(office.slack.ann, office.slack.incidents, "lab")
        [ref] = await office.slack.wait_for(office.desk.store.active)
        await office.click("manual.found")
        await office.submit("it is down")
        await office.shows("root", says("The balancer is being worked on"))
        state = await office.desk.reached(ref, lambda state: state.weighed == 1)
        assert state.state is State.RUNNING
        gate.set()
        await office.desk.reached(ref, lambda state: state.state is State.CONCLUDED)


async def test_how_to_check_by_hand_is_told_to_whoever_asks(office: Office) -> None:
    for probe in ("apiserver-pods", "cluster-endpoint", "apiserver-health"):
        office.desk.vantage.script[probe] = _not_checked(probe)
    async with office.bot():
        await office.concluded()
        await office.click("byhand", key="unchecked/1")
        told = await office.told("How to check by hand")
        assert "look-apiserver-pods" in str(told.blocks)
    office.slack.assert_clean()


def _not_checked(probe: str) -> Play:
    async def play(round: int, params: Json) -> AsyncIterator[Finding]:
        for number in range(3):
            told = {"todo": f"look-{probe} at s{number}", "sentence": f"{number}: nobody is there."}
            yield found(probe, Status.NOT_CHECKED, "not-read", subject=f"s{number}", params=params, round=round, **told)

    return play
