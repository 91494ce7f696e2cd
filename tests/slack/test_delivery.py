from __future__ import annotations

import asyncio
import contextlib
from itertools import pairwise

import pytest
from structlog.testing import capture_logs
from yarl import URL

from bot.errors import LeaseLost
from bot.model.events import DeliveryPlanned, Event, EventType, StepPlan, Thread, Trigger
from bot.model.finding import Status
from bot.render.thread import messages
from bot.slack.client import SlackClient
from bot.slack.pace import Timing
from tests.ports import free_port
from tests.render import scenarios
from tests.render.builder import Story, seen
from tests.slack.conftest import CLOCK, SCALE, TIMING, Told

COMMITTED = ("reset_after", "truncate_json", "slow_after")
NOT_DONE = ("reset_before", "5xx", "html", "429")


def of(key):
    """Matches the call that posts this message."""
    return lambda args: (args.get("metadata") or {}).get("event_payload", {}).get("message") == key


def closed(story: Story) -> Story:
    if story.state.concluded is None:
        story.conclude()
    return story.close()


async def test_the_thread_shows_all_that_the_log_says_and_each_message_once(told):
    await told.deliver_all(closed(scenarios.tie()))
    await told.shows_everything()
    root, *replies = told.posted()
    assert told.shown()[0] == "root"
    assert {reply.thread_ts for reply in replies} == {root.ts}
    assert [reply.broadcast for reply in replies].count(True) == 1
    assert root.metadata == {
        "event_type": "apidown_delivery",
        "event_payload": {"investigation": str(told.ref), "message": "root", "epoch": 1},
    }


async def test_every_message_is_planned_before_it_is_posted_and_noted_after(told):
    await told.deliver_all(closed(scenarios.tie()))
    planned = [event.data["message"] for event in await told.events(EventType.DELIVERY_PLANNED)]
    assert sorted(planned) == sorted(told.shown())
    state = await told.state()
    assert {item.ts for item in state.messages.values()} == {message.ts for message in told.posted()}
    assert state.planned == ()


async def test_delivering_what_is_delivered_changes_nothing(told):
    await told.deliver_all(closed(scenarios.tie()))
    calls = len(told.slack.calls)
    async with asyncio.timeout(10):
        await told.delivery().deliver(told.lease)
    assert len(told.slack.calls) == calls


@pytest.mark.parametrize("key", ["root", "steps/1", "verdict/1"])
@pytest.mark.parametrize("kind", COMMITTED + NOT_DONE)
async def test_a_failure_around_a_post_leaves_exactly_one_message(told, key, kind):
    fault = told.slack.fail("chat.postMessage", kind, when=of(key), delay=5.0)
    await told.deliver_all(closed(scenarios.tie()))
    assert fault.fired == 1
    await told.shows_everything()


async def test_a_post_that_failed_twice_in_doubt_is_there_once(told):
    told.slack.fail("chat.postMessage", "reset_after", when=of("steps/1"))
    told.slack.fail("conversations.replies", "5xx", times=3)
    told.slack.fail("conversations.replies", "429", times=1)
    await told.deliver_all(closed(scenarios.tie()))
    await told.shows_everything()


async def test_a_burst_of_rate_limits_keeps_the_order_of_importance(told):
    fault = told.slack.fail("chat.postMessage", "429", times=4)
    await told.deliver_all(closed(scenarios.many_problems()))
    assert fault.fired == 4
    await told.shows_everything()
    assert told.shown()[:3] == ["root", "verdict/1", "steps/1"]


async def test_blocks_that_slack_refuses_are_said_as_plain_text(told):
    told.slack.fail("chat.postMessage", "error", error="invalid_blocks", when=of("verdict/1"))
    await told.deliver_all(closed(scenarios.tie()))
    verdict = told.posted()[told.shown().index("verdict/1")]
    assert verdict.blocks == []
    assert "The API server is not running" in verdict.text
    told.slack.assert_clean()


async def test_a_reply_that_slack_never_takes_is_left_out_and_the_rest_is_shown(told):
    told.slack.fail("chat.postMessage", "error", error="invalid_blocks", times=9, when=of("steps/1"))
    await told.deliver_all(closed(scenarios.tie()))
    assert "steps/1" not in told.shown()
    assert "verdict/1" in told.shown()
    [failed] = await told.events(EventType.DELIVERY_FAILED)
    assert failed.data == {"message": "steps/1", "error": "invalid_blocks", "final": False}


async def test_a_channel_the_bot_is_not_in_ends_the_delivery_and_the_caller_is_told_how_to_mend_it(told):
    told.channel = told.slack.elsewhere
    await told.deliver_all(closed(scenarios.tie()))
    [failed] = await told.events(EventType.DELIVERY_FAILED)
    assert failed.data == {"message": "root", "error": "not_in_channel", "final": True}
    [(ref, why)] = told.undeliverable
    assert ref == told.ref.id
    assert "/invite" in why
    assert told.posted() == []
    assert (await told.state()).undeliverable == "not_in_channel"
    assert len(told.slack.called("chat.postMessage")) == 1


async def test_a_new_round_is_a_reason_to_try_a_failed_thread_again(told):
    story = scenarios.tie()
    told.channel = told.slack.elsewhere
    await told.open(story)
    async with told.delivering() as task:
        await told.tell(story)
        await told.slack.wait_for(lambda: told.undeliverable)
        told.slack.channels[told.channel].members.add(told.slack.bot_user)
        story.begin().finish("dns-lookup", seen("dns-lookup", "x", Status.OK, "resolved", "The name resolves."))
        await told.tell(story.conclude().close())
        async with asyncio.timeout(20):
            await task
    await told.shows_everything()
    assert len(told.undeliverable) == 1


def joined(who, channel):
    trigger = Trigger(kind="slash-command", who=who, thread=Thread(channel=channel))
    data = trigger.model_dump(mode="json")
    return Event(id=f"trigger-joined/{who}", type=EventType.TRIGGER_JOINED, round=0, at=CLOCK.now(), by="x", data=data)


@pytest.mark.parametrize("when", ["after it failed", "while it fails"])
async def test_a_thread_that_could_not_be_begun_is_begun_where_somebody_asks_next(told, when):
    slack, story = told.slack, scenarios.tie()
    told.channel = slack.elsewhere
    await told.open(story)
    if when == "while it fails":
        await told.store.append(told.ref, [joined("U0BOB", slack.incidents)])
    async with told.delivering() as task:
        await slack.wait_for(lambda: told.undeliverable)
        if when == "after it failed":
            await told.store.append(told.ref, [joined("U0BOB", slack.incidents)])
        told.channel = slack.incidents
        await told.tell(closed(story))
        async with asyncio.timeout(20):
            await task
    assert "root" in told.shown()
    assert "verdict/1" in told.shown()
    state = await told.state()
    assert state.opened.thread == Thread(channel=slack.incidents)
    assert state.root is not None
    assert state.root.channel == slack.incidents
    assert not slack.channels[slack.elsewhere].messages
    assert len(told.undeliverable) == 1
    slack.assert_clean()


async def test_a_second_channel_that_the_bot_is_not_in_leaves_it_for_the_third(told):
    slack, story = told.slack, scenarios.tie()
    other = slack.add_channel("other")
    told.channel = slack.elsewhere
    await told.open(story)
    async with told.delivering() as task:
        await slack.wait_for(lambda: told.undeliverable)
        await told.store.append(told.ref, [joined("U0BOB", other)])
        await slack.wait_for(lambda: len(told.undeliverable) == 2)
        assert (await told.state()).has_no_thread
        await told.store.append(told.ref, [joined("U0CAT", slack.incidents)])
        told.channel = slack.incidents
        await told.tell(closed(story))
        async with asyncio.timeout(20):
            await task
    assert "verdict/1" in told.shown()
    assert len(await told.events(EventType.DELIVERY_FAILED)) == 2


async def test_an_archived_channel_ends_the_delivery_in_the_middle(told):
    story = scenarios.waiting()
    await told.open(story)
    async with told.delivering() as task:
        await told.tell(story)
        await told.slack.wait_for(lambda: "root" in told.shown())
        told.slack.archive(told.channel)
        await told.tell(closed(story))
        async with asyncio.timeout(20):
            await task
    assert [why for _, why in told.undeliverable] == ["The channel is archived."]


async def test_a_revoked_token_ends_the_delivery(told):
    told.slack.break_token(told.slack.bot_token)
    await told.deliver_all(closed(scenarios.tie()))
    assert "revoked" in told.undeliverable[0][1]


async def test_many_findings_at_once_stay_within_the_edit_budget_and_the_last_state_is_shown(told):
    story = Story().begin()
    await told.open(story)
    async with told.delivering() as task:
        await told.tell(story)
        await told.slack.wait_for(lambda: "root" in told.shown())
        for number in range(30):
            finding = seen("tcp-connect", f"10.0.0.{number}", Status.OK, "connected", "The port accepts connections.")
            await told.tell(story.finish("tcp-connect", finding))
            await asyncio.sleep(2 * SCALE / 30)
        await told.slack.wait_for(lambda: "ok" in told.posted()[0].text or told.slack.called("chat.update"))
        calls = told.slack.called("chat.update")
        assert len(calls) <= 3
        assert all(later.at - earlier.at >= 0.9 * TIMING.edit_interval_s for earlier, later in pairwise(calls))
        await told.tell(closed(story))
        async with asyncio.timeout(20):
            await task
    await told.shows_everything()


async def test_the_verdict_overtakes_replies_that_wait_for_a_slot(told):
    told.timing = Timing(post_interval_s=0.5, post_burst=2)
    plans = [StepPlan(id=f"extra-{number}", title=f"Part {number} is well", playbook="p", probe="p") for number in range(6)]
    story = Story().begin(*plans)
    await told.open(story)
    async with told.delivering() as task:
        for number in range(6):
            finding = seen(f"extra-{number}", "x", Status.PROBLEM, "bad", f"Part {number} is bad.")
            story.finish(f"extra-{number}", finding)
        await told.tell(story)
        await told.slack.wait_for(lambda: len(told.shown()) >= 3)
        waiting = 3
        story.diagnose(scenarios.tie().state.diagnosis)
        await told.tell(closed(story))
        async with asyncio.timeout(20):
            await task
    assert told.shown().index("verdict/1") <= waiting + 1
    behind = told.shown()[told.shown().index("verdict/1") :]
    assert len([key for key in behind if key.startswith("problem/")]) >= 2
    await told.shows_everything()


async def test_the_verdict_is_in_the_root_although_posting_is_stuck(told):
    told.slack.fail("chat.postMessage", "429", times=100, when=of("steps/1"), retry_after=1)
    told.slack.fail("chat.postMessage", "429", times=100, when=of("verdict/1"), retry_after=1)
    story = scenarios.tie()
    await told.open(Story())
    async with told.delivering():
        await told.slack.wait_for(lambda: told.shown() == ["root"])
        await told.tell(story)
        await told.slack.wait_for(lambda: "The API server is not running" in told.posted()[0].text)
        assert told.shown() == ["root"]


async def test_a_successor_finds_what_its_predecessor_posted_and_did_not_note(told):
    told.slack.fail("chat.postMessage", "slow_after", when=of("steps/1"), delay=1.0)
    story = closed(scenarios.tie())
    await told.open(story)
    await told.tell(story)
    async with told.delivering():
        await told.slack.wait_for(lambda: "steps/1" in told.shown())
    assert "steps/1" in (await told.state()).planned
    await told.store.release(told.lease)
    await told.own("bot-2")
    async with asyncio.timeout(20):
        await told.delivery().deliver(told.lease)
    await told.shows_everything()


@pytest.mark.parametrize("key", ["root", "steps/1"])
async def test_a_successor_posts_what_its_predecessor_only_planned(told, key):
    story = closed(scenarios.tie())
    await told.open(story)
    await told.tell(story)
    planned = Event(
        id=f"delivery-planned/{key}",
        type=EventType.DELIVERY_PLANNED,
        round=1,
        epoch=told.lease.epoch,
        at=CLOCK.now(),
        by="bot-1",
        data=DeliveryPlanned(message=key).model_dump(mode="json"),
    )
    await told.store.append(told.ref, [planned], lease=told.lease)
    await told.store.release(told.lease)
    await told.own("bot-2")
    async with asyncio.timeout(20):
        await told.delivery().deliver(told.lease)
    await told.shows_everything()


async def test_whoever_lost_the_lease_stops_at_once(told):
    story = scenarios.tie()
    await told.open(story)
    await told.tell(story)
    await told.store.release(told.lease)
    old = told.lease
    await told.own("bot-2")
    told.lease = old
    with pytest.raises(LeaseLost):
        async with asyncio.timeout(20):
            await told.delivery().deliver(old)
    assert told.shown() == []


async def test_a_root_that_a_person_deletes_is_stood_in_for_in_its_thread(told):
    story = Story()
    await told.open(story)
    async with told.delivering() as task:
        await told.slack.wait_for(lambda: "steps/1" in told.shown())
        told.slack.erase(told.channel, told.posted()[0].ts)
        await told.tell(closed(story.begin()))
        async with asyncio.timeout(20):
            await task
    assert told.undeliverable == []
    status = told.posted()[told.shown().index("status")]
    assert status.thread_ts == told.posted()[told.shown().index("steps/1")].thread_ts
    assert status.text.startswith("API server of lab")
    told.slack.assert_clean()


async def test_a_thread_that_is_gone_altogether_is_begun_anew(told):
    held = told.slack.fail("chat.postMessage", "429", times=1000, when=of("steps/1"))
    story = Story()
    await told.open(story)
    async with told.delivering() as task:
        await told.slack.wait_for(lambda: held.fired and told.shown() == ["root"])
        told.slack.erase(told.channel, told.posted()[0].ts)
        held.times = 0
        await told.tell(closed(story.begin()))
        async with asyncio.timeout(20):
            await task
    assert told.undeliverable == []
    await told.shows_everything()
    root = told.posted()[told.shown().index("root")]
    assert (await told.state()).messages["root"].ts == root.ts


async def test_an_edit_that_slack_refuses_for_good_does_not_stop_the_others(told):
    story = Story().begin()
    await told.open(story)
    async with told.delivering() as task:
        await told.tell(story.finish("dns-lookup", seen("dns-lookup", "x", Status.OK, "resolved", "The name resolves.")))
        await told.slack.wait_for(lambda: "steps/1" in told.shown())
        told.slack.fail(
            "chat.update", "error", error="edit_window_closed", times=1, when=lambda args: args["ts"] != told.posted()[0].ts
        )
        story.finish("tcp-connect", seen("tcp-connect", "x", Status.OK, "connected", "The port accepts connections."))
        await told.tell(closed(story))
        async with asyncio.timeout(20):
            await task
    assert told.undeliverable == []
    told.slack.assert_clean()


async def test_slack_that_is_away_gets_everything_when_it_is_back(told, slack):
    story = closed(scenarios.tie())
    fault = slack.fail("*", "reset_before", times=10_000)
    await told.open(story)
    await told.tell(story)
    async with told.delivering() as task:
        await slack.wait_for(lambda: fault.fired > 5)
        fault.times = 0
        async with asyncio.timeout(30):
            await task
    await told.shows_everything()


@contextlib.asynccontextmanager
async def forward(port, to):
    """A way to the fake that begins to exist."""

    async def pipe(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def connected(reader, writer):
        there = await asyncio.open_connection("127.0.0.1", to)
        await asyncio.gather(pipe(reader, there[1]), pipe(there[0], writer), return_exceptions=True)

    async with await asyncio.start_server(connected, "127.0.0.1", port) as server:
        yield
        server.close()


async def test_slack_that_cannot_be_reached_is_posted_to_without_reading_back_when_it_can(told, slack):
    port = free_port()
    story = closed(scenarios.tie())
    await told.open(story)
    await told.tell(story)
    away = SlackClient.open(slack.bot_token, base_url=f"http://127.0.0.1:{port}/api/")
    with capture_logs() as logs:
        async with away as told.client, told.delivering() as task:
            await slack.wait_for(lambda: [entry for entry in logs if entry["event"] == "slack-away"])
            async with forward(port, URL(slack.base_url).port), asyncio.timeout(20):
                await task
    assert not slack.called("conversations.history")
    await told.shows_everything()


async def test_an_investigation_without_a_thread_waits_for_its_end_and_says_nothing(told):
    story = Story()
    opened = story.events[0]
    await told.store.open(
        opened.model_copy(update={"at": CLOCK.now()}),
        Event(id="j", type=EventType.TRIGGER_JOINED, round=0, at=CLOCK.now(), by="x", data={"kind": "command-line", "who": "x"}),
        ref=told.ref,
    )
    await told.own("bot-1")
    told._written = 1
    async with told.delivering() as task:
        await told.tell(closed(story.begin()))
        async with asyncio.timeout(10):
            await task
    assert told.slack.calls == []


async def test_a_defect_in_drawing_ends_what_is_shown_and_not_the_investigation(told):
    def broken(investigation, *, now):
        raise KeyError("verdict")

    story = closed(scenarios.tie())
    await told.open(story)
    await told.tell(story)
    async with asyncio.timeout(10):
        await told.delivery(render=broken).deliver(told.lease)
    assert "defect" in told.undeliverable[0][1]


async def test_two_investigations_in_one_channel_share_its_pace(told, store, client, slack):
    second = Told(store, client, slack, slack.incidents)
    second.ref = second.ref.model_copy(update={"cluster": "other"})
    shared = told.delivery()
    for one in (told, second):
        story = closed(scenarios.tie())
        await one.open(story)
        await one.tell(story)
    async with asyncio.timeout(30):
        await asyncio.gather(shared.deliver(told.lease), shared.deliver(second.lease))
    assert not [call for call in slack.called("chat.postMessage") if call.status == 429]
    assert len(slack.roots(slack.incidents)) == 2
    slack.assert_clean()


async def test_a_thread_that_exists_already_gets_the_status_as_its_first_reply(told, slack):
    alert = slack.alert(slack.incidents, "API server is down")
    story = closed(scenarios.tie())
    opened = story.events[0]
    thread = Thread(channel=slack.incidents, root_ts=alert.ts)
    story.events[0] = opened.model_copy(update={"data": {**opened.data, "thread": thread.model_dump()}})
    await told.store.open(
        told._now(story.events[0]),
        Event(id="j", type=EventType.TRIGGER_JOINED, round=0, at=CLOCK.now(), by="x", data={"kind": "alert", "who": "x"}),
        ref=told.ref,
    )
    await told.own("bot-1")
    told._written = 1
    await told.tell(story)
    slack.fail("chat.postMessage", "reset_after", when=of("root"))
    async with asyncio.timeout(20):
        await told.delivery().deliver(told.lease)
    replies = slack.thread(slack.incidents, alert.ts)[1:]
    assert replies[0].metadata["event_payload"]["message"] == "root"
    assert len({reply.metadata["event_payload"]["message"] for reply in replies}) == len(replies)
    slack.assert_clean()


async def test_a_root_that_is_deleted_before_the_last_edit_is_stood_in_for_although_all_else_is_posted(told):
    story = scenarios.tie()
    await told.open(story)
    async with told.delivering() as task:
        await told.tell(story)
        wanted = {message.key for message in messages(story.state, now=CLOCK.now())}
        await told.slack.wait_for(lambda: wanted <= set(told.shown()))
        told.slack.erase(told.channel, told.posted()[0].ts)
        await told.tell(story.close("cancelled"))
        async with asyncio.timeout(20):
            await task
    status = told.posted()[told.shown().index("status")]
    assert "cancelled" in status.text
    told.slack.assert_clean()


async def test_a_plan_of_many_long_findings_fits_in_an_event(told):
    story = Story().begin()
    names = [f"kube-system/{'p' * 250}-{number}" for number in range(120)]
    story.finish("tcp-connect", *(seen("tcp-connect", name, Status.OK, "connected", "It runs.") for name in names))
    await told.deliver_all(closed(story))
    assert told.undeliverable == []
    planned = next(event for event in await told.events(EventType.DELIVERY_PLANNED) if event.data["message"] == "steps/1")
    assert 1 < len(planned.data["events"]) < len(names)


async def test_a_channel_that_is_held_back_delays_no_other(told, store, client, slack):
    """One delivery serves all of a process's threads; a rate limit in one channel is that channel's own."""
    other = Told(store, client, slack, slack.private)
    other.ref = other.ref.model_copy(update={"cluster": "dr"})
    held = slack.fail(
        "chat.postMessage", "429", times=1000, when=lambda args: args.get("channel") == told.channel, retry_after=30
    )
    shared = told.delivery()
    stories = Story(), Story()
    for one, story in zip((told, other), stories, strict=True):
        await one.open(story)
    waiting = asyncio.create_task(shared.deliver(told.lease), name="the channel that is held back")
    try:
        await slack.wait_for(lambda: held.fired, 10, "the first channel is held back")
        await other.tell(closed(stories[1].begin()))
        async with asyncio.timeout(20):
            await shared.deliver(other.lease)
        assert "root" in other.shown()
        assert told.shown() == []
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
