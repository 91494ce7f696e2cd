from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import MappingProxyType

import pytest
from structlog.testing import capture_logs

import commands
from bot.clock import SystemClock
from bot.config import ClusterDefinition, Config
from bot.errors import ConfigError, Unavailable
from bot.model.events import Delivered, Opened, Thread, Trigger
from bot.model.investigation import Investigation, Ref, State
from bot.ports import Noted, Opening
from bot.redact import Redactor
from bot.registry import Answer, Command, command, scan
from bot.render.thread import messages
from bot.slack.app import SlackApp
from bot.slack.pace import Timing
from bot.slack.socket import SocketTiming

LAB = ClusterDefinition(name="lab", server="https://api.lab.example:6443")
CLOCK = SystemClock()
TIMING = Timing().scaled(0.1)
SOCKETS = SocketTiming(ping_interval_s=0.5, second_after_s=0.3, watchdog_s=0.1, close_s=2.0)


@dataclass
class Engine:
    """Investigations in memory: what the port promises, without probing anything."""

    states: dict[Ref, Investigation] = field(default_factory=dict)
    requests: list = field(default_factory=list)
    asked: list = field(default_factory=list)
    away: str = ""

    async def start(self, request):
        if self.away:
            raise Unavailable(self.away, where="store", next="look at the store")
        self.requests.append(request)
        ref = Ref(cluster=request.cluster.name, id="20261120-k7f3")
        opened = Opened(cluster=request.cluster, trigger=request.trigger, thread=request.thread)
        now = CLOCK.now()
        joined = ref in self.states
        self.states.setdefault(ref, Investigation(ref=ref, opened=opened, opened_at=now, last_event_at=now, round=1))
        return Opening(ref=ref, joined=joined)

    async def cancel(self, ref, *, who, key=None):
        if self.states[ref].state is State.CLOSED:
            return Noted.OVER
        self.asked.append(("cancel", ref.id, who))
        return Noted.NEW

    async def rerun(self, ref, *, who, key=None):
        if self.states[ref].state is not State.CONCLUDED:
            return Noted.OVER
        self.asked.append(("rerun", ref.id, who))
        return Noted.NEW

    async def bind(self, key, ref=None):
        return ref

    async def look(self, ref):
        return self.states.get(ref)

    async def current(self):
        return list(self.states.values())

    def put(self, **update):
        [(ref, state)] = self.states.items()
        self.states[ref] = state.model_copy(update=update)


@command(usage="/broken")
def broken(call, config):
    async def then(investigations):
        raise KeyError("a defect")

    return Answer(text="Trying.", then=then)


@command(usage="/broken-at-once")
def broken_at_once(call, config):
    raise KeyError("a defect")


@dataclass
class Desk:
    """The app at work, and what a test needs to change around it."""

    app: SlackApp
    engine: Engine
    config: Config
    task: asyncio.Task


@pytest.fixture
async def open_desk(slack, client):
    async with contextlib.AsyncExitStack() as stack:

        async def make(*, users=(), groups=(), sockets=SOCKETS) -> Desk:
            config = Config(clusters=MappingProxyType({"lab": LAB}), users=frozenset(users), groups=frozenset(groups))
            engine = Engine()
            app = SlackApp(
                slack=client,
                app_token=slack.app_token,
                commands={**scan(commands, Command), "broken": broken, "broken-at-once": broken_at_once},
                config=lambda: config,
                investigations=engine,
                clock=CLOCK,
                redactor=Redactor(["s3cret-value"]),
                timing=TIMING,
                socket_timing=sockets,
            )
            task = asyncio.create_task(app.run(), name="app under test")
            stack.push_async_callback(stop, task)
            await slack.wait_for(lambda: app.ready or task.done())
            return Desk(app, engine, config, task)

        yield make


async def stop(task):
    task.cancel()
    await asyncio.wait({task}, timeout=10)
    assert task.done(), "the app does not stop"


def whispers(slack):
    return [item.text for item in slack.ephemerals if item.via == "response_url"]


async def test_a_command_is_acknowledged_with_what_happens_next_and_then_done(slack, open_desk):
    desk = await open_desk()
    ack = await slack.slash(slack.ann, slack.incidents, "lab it hangs")
    assert ack.error is None
    assert ack.text.startswith("Investigating lab.")
    await slack.wait_for(lambda: desk.engine.requests)
    [request] = desk.engine.requests
    assert request.trigger == Trigger(kind="slash-command", who=slack.ann, text="lab it hangs")
    assert request.thread == Thread(channel=slack.incidents)
    slack.assert_clean()


async def test_the_first_command_asks_slack_nothing_before_its_acknowledgement(slack, open_desk):
    await open_desk()
    before = len(slack.calls)
    ack = await slack.slash(slack.ann, slack.incidents, "help")
    assert "/apidown status" in ack.text
    assert len(slack.calls) == before


async def test_what_a_person_types_is_answered_without_formatting_or_mentions(slack, open_desk):
    await open_desk()
    ack = await slack.slash(slack.ann, slack.incidents, "&lt;!channel&gt; *x* @here")
    assert "<!" not in ack.text
    assert "@here" not in ack.text
    slack.assert_clean()


async def test_secrets_in_what_is_pasted_go_no_further(slack, open_desk):
    desk = await open_desk()
    await slack.slash(slack.ann, slack.incidents, "lab token=s3cret-value Authorization: Bearer abcdefghijkl")
    await slack.wait_for(lambda: desk.engine.requests)
    text = desk.engine.requests[0].trigger.text
    assert "s3cret" not in text
    assert "abcdefghijkl" not in text


async def test_a_store_that_is_away_is_said_to_the_person_who_asked(slack, open_desk):
    desk = await open_desk()
    desk.engine.away = "the store does not answer"
    assert (await slack.slash(slack.ann, slack.incidents, "lab")).error is None
    await slack.wait_for(lambda: whispers(slack))
    assert "the store does not answer" in whispers(slack)[0]


async def test_a_defect_in_a_command_is_said_and_the_next_command_works(slack, open_desk):
    await open_desk()
    assert (await slack.slash(slack.ann, slack.incidents, "", command="/broken")).text == "Trying."
    await slack.wait_for(lambda: whispers(slack))
    assert "defect" in whispers(slack)[0]
    assert (await slack.slash(slack.ann, slack.incidents, "lab")).error is None


async def test_a_defect_in_reading_a_command_is_acknowledged_and_said(slack, open_desk):
    await open_desk()
    ack = await slack.slash(slack.ann, slack.incidents, "", command="/broken-at-once")
    assert ack.error is None
    assert "defect" in ack.text


async def test_an_error_that_is_told_to_a_person_holds_no_secret_and_fits_in_a_message(slack, open_desk):
    desk = await open_desk()
    desk.engine.away = "the store at redis://:s3cret-value@store does not answer" + " & no more" * 1000
    await slack.slash(slack.ann, slack.incidents, "lab")
    await slack.wait_for(lambda: whispers(slack))
    assert "the store at" in whispers(slack)[0]
    assert "s3cret" not in whispers(slack)[0]
    assert len(whispers(slack)[0]) <= 3_500
    slack.assert_clean()


async def test_only_members_of_the_user_group_may_start_and_others_learn_whom_to_ask(slack, open_desk):
    desk = await open_desk(groups=[slack.oncall])
    refused = await slack.slash(slack.bob, slack.incidents, "lab")
    assert refused.text == "You may not start investigations here. Ask somebody of the user group oncall."
    allowed = await slack.slash(slack.ann, slack.incidents, "lab")
    assert allowed.text.startswith("Investigating")
    assert "status" in (await slack.slash(slack.bob, slack.incidents, "help")).text
    await slack.wait_for(lambda: desk.engine.requests)
    assert [request.trigger.who for request in desk.engine.requests] == [slack.ann]


async def test_a_user_group_that_cannot_be_read_lets_nobody_in_but_those_named(slack, open_desk):
    slack.scopes.discard("usergroups:read")
    desk = await open_desk(users=[slack.bob], groups=[slack.oncall])
    await slack.slash(slack.ann, slack.incidents, "lab")
    await slack.wait_for(lambda: whispers(slack))
    assert "You may not" in whispers(slack)[0]
    await slack.slash(slack.bob, slack.incidents, "lab")
    await slack.wait_for(lambda: desk.engine.requests)


async def post_root(slack, client, desk):
    """Puts the root of the one investigation into the channel, as the delivery does."""
    [state] = desk.engine.states.values()
    root = messages(state, now=CLOCK.now())[0]
    result = await client.post(slack.incidents, text=root.text, blocks=root.blocks)
    assert result.ok
    return result.data["ts"]


async def test_the_cancel_button_asks_for_the_cancellation(slack, client, open_desk):
    desk = await open_desk()
    await slack.slash(slack.ann, slack.incidents, "lab")
    await slack.wait_for(lambda: desk.engine.states)
    ts = await post_root(slack, client, desk)
    assert (await slack.click(slack.ann, slack.incidents, ts, "apidown.cancel")).error is None
    await slack.wait_for(lambda: desk.engine.asked == [("cancel", "20261120-k7f3", slack.ann)])
    desk.engine.put(cancel_requested_by=slack.ann)
    await slack.click(slack.bob, slack.incidents, ts, "apidown.cancel")
    await slack.wait_for(lambda: whispers(slack))
    assert "asked for that already" in whispers(slack)[0]
    assert len(desk.engine.asked) == 1


async def test_a_click_on_an_old_message_is_judged_by_the_state_of_now(slack, client, open_desk):
    desk = await open_desk()
    await slack.slash(slack.ann, slack.incidents, "lab")
    await slack.wait_for(lambda: desk.engine.states)
    ts = await post_root(slack, client, desk)
    desk.engine.put(state=State.CLOSED)
    await slack.click(slack.ann, slack.incidents, ts, "apidown.cancel")
    await slack.wait_for(lambda: whispers(slack))
    assert "over already" in whispers(slack)[0]
    desk.engine.states.clear()
    await slack.click(slack.ann, slack.incidents, ts, "apidown.cancel")
    await slack.wait_for(lambda: len(whispers(slack)) == 2)
    assert "not known any more" in whispers(slack)[1]
    assert desk.engine.asked == []


async def test_cancel_by_command_is_for_those_who_may_start_and_for_the_starter_and_is_worded_so(slack, open_desk):
    desk = await open_desk(groups=[slack.oncall])
    await slack.slash(slack.ann, slack.incidents, "lab")
    await slack.wait_for(lambda: desk.engine.states)
    await slack.slash(slack.bob, slack.incidents, "cancel")
    await slack.wait_for(lambda: whispers(slack))
    told = "You may not cancel investigations that others started here. Ask somebody of the user group oncall."
    assert whispers(slack) == [told]
    slack.usergroups[slack.oncall][1].clear()
    await slack.slash(slack.ann, slack.incidents, "cancel")
    await slack.wait_for(lambda: desk.engine.asked == [("cancel", "20261120-k7f3", slack.ann)])
    slack.assert_clean()


async def test_whoever_joins_gets_a_link_to_the_thread(slack, client, open_desk):
    desk = await open_desk()
    await slack.slash(slack.ann, slack.incidents, "lab")
    await slack.wait_for(lambda: desk.engine.states)
    ts = await post_root(slack, client, desk)
    desk.engine.put(messages={"root": Delivered(message="root", channel=slack.incidents, ts=ts, digest="d")})
    await slack.slash(slack.bob, slack.incidents, "lab")
    await slack.wait_for(lambda: whispers(slack))
    link = f"https://apidown.slack.example/archives/{slack.incidents}/p{ts.replace('.', '')}"
    assert whispers(slack)[0].splitlines()[-1] == f"Its thread is in this channel: <{link}|the thread>"
    slack.assert_clean()


async def test_who_was_refused_is_told_to_the_audit_log(slack, open_desk):
    await open_desk(groups=[slack.oncall])
    with capture_logs() as logged:
        await slack.slash(slack.bob, slack.incidents, "lab")
        await slack.slash(slack.ann, slack.incidents, "https://169.254.169.254 token=s3cret-value")
    told = [line for line in logged if line["event"] == "audit"]
    assert [(line["action"], line["who"]) for line in told] == [("refused", slack.bob), ("refused", slack.ann)]
    assert "s3cret" not in str(told)


async def test_a_button_is_for_those_who_may_start_and_for_the_starter(slack, client, open_desk):
    desk = await open_desk(groups=[slack.oncall])
    await slack.slash(slack.ann, slack.incidents, "lab")
    await slack.wait_for(lambda: desk.engine.states)
    ts = await post_root(slack, client, desk)
    await slack.click(slack.bob, slack.incidents, ts, "apidown.cancel")
    await slack.wait_for(lambda: whispers(slack))
    assert "You may not" in whispers(slack)[0]
    slack.usergroups[slack.oncall][1].clear()
    await slack.click(slack.ann, slack.incidents, ts, "apidown.cancel")
    await slack.wait_for(lambda: desk.engine.asked)


async def test_rerun_waits_for_the_verdict(slack, client, open_desk):
    desk = await open_desk()
    await slack.slash(slack.ann, slack.incidents, "lab")
    await slack.wait_for(lambda: desk.engine.states)
    desk.engine.put(state=State.CONCLUDED)
    ts = await post_root(slack, client, desk)
    await slack.click(slack.bob, slack.incidents, ts, "apidown.rerun")
    await slack.wait_for(lambda: desk.engine.asked == [("rerun", "20261120-k7f3", slack.bob)])
    desk.engine.put(state=State.RUNNING)
    await slack.click(slack.bob, slack.incidents, ts, "apidown.rerun")
    await slack.wait_for(lambda: whispers(slack))
    assert "is running" in whispers(slack)[0]


async def test_what_nobody_listens_to_is_acknowledged_and_not_sent_again(slack, client, open_desk):
    await open_desk()
    button = {"type": "button", "text": {"type": "plain_text", "text": "x"}, "action_id": "something.else"}
    posted = await client.post(slack.incidents, text="x", blocks=[{"type": "actions", "elements": [button]}])
    assert (await slack.click(slack.ann, slack.incidents, posted.data["ts"], "something.else")).error is None
    assert (await slack.shortcut(slack.ann, slack.incidents, posted.data["ts"], "another")).error is None
    assert (await slack.slash(slack.ann, slack.incidents, "", command="/unheard")).error is None
    slack.say(slack.ann, slack.incidents, "hello")
    slack.alert(slack.incidents, "firing", webhook=True)
    await slack.wait_for(lambda: len([item for item in slack.deliveries if item.type == "events_api"]) >= 2)
    await slack.wait_for(lambda: all(item.acked_at for item in slack.deliveries))
    assert all(len(item.attempts) == 1 for item in slack.deliveries)


async def test_a_caller_of_an_undeliverable_thread_is_told_where_they_typed(slack, open_desk):
    desk = await open_desk()
    await slack.slash(slack.ann, slack.elsewhere, "lab")
    await slack.wait_for(lambda: desk.engine.states)
    [state] = desk.engine.states.values()
    await desk.app.undeliverable(state, "I am not a member of this channel. Invite me with /invite @apidown.")
    assert "/invite" in whispers(slack)[0]
    assert not slack.called("chat.postMessage")


async def test_a_caller_unknown_to_this_replica_gets_a_direct_message(slack, open_desk):
    desk = await open_desk()
    now = CLOCK.now()
    opened = Opened(
        cluster=LAB.cluster(), trigger=Trigger(kind="slash-command", who=slack.bob), thread=Thread(channel=slack.elsewhere)
    )
    state = Investigation(ref=Ref(cluster="lab", id="20261120-zzzz"), opened=opened, opened_at=now, last_event_at=now)
    await desk.app.undeliverable(state, "The channel is archived.")
    [call] = slack.called("chat.postMessage")
    assert call.args["channel"] == slack.bob
    assert "archived" in call.args["text"]


@pytest.mark.parametrize(("token", "setting"), [("bot_token", "SLACK_BOT_TOKEN"), ("app_token", "SLACK_APP_TOKEN")])
async def test_a_token_that_slack_refuses_is_named_by_its_setting(slack, open_desk, token, setting):
    slack.break_token(getattr(slack, token), "invalid_auth")
    desk = await open_desk()
    with pytest.raises(ConfigError) as caught:
        await desk.task
    assert caught.value.where == setting
    assert getattr(slack, token) not in str(caught.value)


async def test_slack_being_away_at_the_start_is_waited_for(slack, open_desk):
    fault = slack.fail("auth.test", "5xx", times=3)
    desk = await open_desk()
    assert fault.fired == 3
    assert desk.app.ready


async def test_a_used_up_ticket_does_not_keep_the_bot_away(slack, open_desk):
    slack.refuse_ws(2)
    desk = await open_desk()
    assert desk.app.ready
    assert (await slack.slash(slack.ann, slack.incidents, "help")).error is None


async def test_no_command_is_lost_while_one_connection_is_refreshed(slack, open_desk):
    await open_desk()
    await slack.wait_for(lambda: len(slack.connections) == 2)
    first, second = slack.connections
    for old in (first, second):
        refresh = asyncio.create_task(slack.disconnect(connection=old))
        acks = [await slack.slash(slack.ann, slack.incidents, "help") for _ in range(3)]
        await refresh
        assert [ack.error for ack in acks] == [None] * 3
        await slack.wait_for(lambda gone=old: len(slack.connections) == 2 and gone not in slack.connections)


async def test_readiness_ends_with_the_last_connection_and_comes_back(slack, open_desk):
    desk = await open_desk()
    await slack.wait_for(lambda: len(slack.connections) == 2)
    slack.refuse_ws(6)
    slack.drop_sockets()
    await slack.wait_for(lambda: not desk.app.ready)
    await slack.wait_for(lambda: desk.app.ready)
    assert (await slack.slash(slack.ann, slack.incidents, "help")).error is None


async def test_a_connection_that_is_closed_at_once_is_tried_again_ever_more_slowly(slack, open_desk):
    timing = replace(SOCKETS, second_after_s=3600.0, first_pause_s=0.1, longest_pause_s=0.4)
    await open_desk(sockets=timing)
    slack.link_enabled = False
    slack.drop_sockets()
    before = len(slack.called("apps.connections.open"))
    await slack.wait_for(lambda: len(slack.called("apps.connections.open")) >= before + 5)
    asked = [call.at for call in slack.called("apps.connections.open")][before:]
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert [gap >= pause * 0.9 for gap, pause in zip(gaps, (0.1, 0.2, 0.4, 0.4), strict=False)] == [True] * 4
    slack.link_enabled = True
    await slack.wait_for(lambda: slack.connections)


async def test_a_token_that_is_revoked_while_the_bot_runs_ends_its_readiness(slack, open_desk, client):
    desk = await open_desk()
    assert desk.app.ready
    slack.break_token(slack.bot_token)
    await client.post(slack.incidents, text="anything")
    assert not desk.app.ready
    assert desk.app.refused == "token_revoked"
    slack.break_token(slack.bot_token, None)
    await client.post(slack.incidents, text="anything")
    assert desk.app.ready
