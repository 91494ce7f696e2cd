"""The fake's Socket Mode with a real Bolt app on it, and with a bare WebSocket where Bolt is too well-behaved."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from tests.fakes.slack import FakeSlack, Timing

BUTTONS = [
    {
        "type": "actions",
        "block_id": "controls",
        "elements": [
            {"type": "button", "action_id": "cancel", "text": {"type": "plain_text", "text": "Cancel"}, "value": "k7f3"},
            {"type": "button", "action_id": "note", "text": {"type": "plain_text", "text": "Found it"}},
        ],
    }
]
MODAL = {
    "type": "modal",
    "callback_id": "note",
    "title": {"type": "plain_text", "text": "What did you find?"},
    "submit": {"type": "plain_text", "text": "Save"},
    "blocks": [
        {
            "type": "input",
            "block_id": "note",
            "label": {"type": "plain_text", "text": "What you saw"},
            "element": {"type": "plain_text_input", "action_id": "text", "max_length": 100},
        }
    ],
}


class Heard:
    """A Bolt app that acknowledges and writes down what reached it."""

    def __init__(self, slack: FakeSlack) -> None:
        client = AsyncWebClient(slack.bot_token, base_url=slack.base_url, retry_handlers=[])
        self.app = AsyncApp(client=client)
        self.things: list[Any] = []
        self.app.command("/apidown")(self.command)
        self.app.action("cancel")(self.cancel)
        self.app.action("note")(self.note)
        self.app.view("note")(self.submitted)
        self.app.shortcut("look")(self.cancel)
        self.app.event("message")(self.event)
        self.app.event("app_mention")(self.event)
        self.app.event("app_home_opened")(self.event)

    async def command(self, ack: Any, command: Any, respond: Any) -> None:
        await ack(text=f"looking at {command['text']}")
        await respond(text="more, later")

    async def cancel(self, ack: Any, body: Any) -> None:
        await ack()
        self.things.append(body)

    async def note(self, ack: Any, body: Any, client: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=MODAL)

    async def submitted(self, ack: Any, view: Any) -> None:
        text = view["state"]["values"]["note"]["text"]["value"]
        if text == "?":
            await ack(response_action="errors", errors={"note": "say more"})
        else:
            await ack()
            self.things.append(text)

    async def event(self, event: Any) -> None:
        self.things.append((event["type"], event.get("subtype"), event.get("text")))


@asynccontextmanager
async def connected(slack: FakeSlack, app: AsyncApp, ping_interval: float = 0.2) -> AsyncIterator[AsyncSocketModeHandler]:
    handler = AsyncSocketModeHandler(app, slack.app_token, ping_interval=ping_interval)
    expected = len(slack.connections) + 1
    await handler.connect_async()
    await slack.wait_for(lambda: len(slack.connections) == expected)
    try:
        yield handler
    finally:
        client = handler.client
        tasks = [t for t in (client.message_processor, client.current_session_monitor, client.message_receiver) if t]
        await asyncio.wait_for(handler.close_async(), 5)
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_command_is_acknowledged_and_answered_later(slack: FakeSlack) -> None:
    heard = Heard(slack)
    async with connected(slack, heard.app):
        ack = await slack.slash(slack.ann, slack.incidents, "prod-eu-1")
        assert (ack.error, ack.text) == (None, "looking at prod-eu-1")
        assert ack.latency is not None
        await slack.wait_for(lambda: len(slack.ephemerals) == 2)
    assert sorted((e.via, e.text) for e in slack.ephemerals) == [
        ("ack", "looking at prod-eu-1"),
        ("response_url", "more, later"),
    ]
    slack.assert_clean()


async def test_a_click_carries_what_the_button_is_on(slack: FakeSlack, client: AsyncWebClient) -> None:
    heard = Heard(slack)
    root = await client.chat_postMessage(channel=slack.incidents, text="root")
    reply = await client.chat_postMessage(channel=slack.incidents, text="x", blocks=BUTTONS, thread_ts=root["ts"])
    async with connected(slack, heard.app):
        ack = await slack.click(slack.ann, slack.incidents, reply["ts"], "cancel")
        assert ack.error is None
        await slack.wait_for(lambda: heard.things)
    body = heard.things[0]
    assert body["user"]["id"] == slack.ann
    assert (body["container"]["message_ts"], body["container"]["thread_ts"]) == (reply["ts"], root["ts"])
    assert (body["actions"][0]["value"], body["actions"][0]["block_id"]) == ("k7f3", "controls")
    slack.assert_clean()


async def test_a_button_that_is_gone_cannot_be_clicked(slack: FakeSlack, client: AsyncWebClient) -> None:
    post = await client.chat_postMessage(channel=slack.incidents, text="x", blocks=BUTTONS)
    message = slack.message(slack.incidents, post["ts"])
    assert message.buttons == ["cancel", "note"]
    await client.chat_update(channel=slack.incidents, ts=post["ts"], text="over")
    assert message.buttons == []
    with pytest.raises(AssertionError, match="no cancel to press"):
        await slack.click(slack.ann, slack.incidents, post["ts"], "cancel")


async def test_a_modal_is_opened_corrected_and_submitted(slack: FakeSlack, client: AsyncWebClient) -> None:
    heard = Heard(slack)
    post = await client.chat_postMessage(channel=slack.incidents, text="x", blocks=BUTTONS)
    async with connected(slack, heard.app):
        clicked = await slack.click(slack.ann, slack.incidents, post["ts"], "note")
        (view_id,) = await slack.wait_for(lambda: list(slack.views))
        again = client.views_open(trigger_id=clicked.trigger_id, view=MODAL)
        with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
            await again
        with pytest.raises(AssertionError, match="cannot submit without note"):
            await slack.submit(slack.ann, view_id, {})
        refused = await slack.submit(slack.ann, view_id, {"note": {"text": "?"}})
        assert refused.payload["response_action"] == "errors"
        assert view_id in slack.views
        await slack.submit(slack.ann, view_id, {"note": {"text": "a full disk"}})
        assert slack.views == {}
        await slack.wait_for(lambda: heard.things == ["a full disk"])
    slack.assert_clean()


async def test_a_trigger_expires(client: AsyncWebClient) -> None:
    async with FakeSlack(timing=Timing(trigger_ttl=0.0)) as slack:
        client = AsyncWebClient(slack.bot_token, base_url=slack.base_url)
        ack = await slack.slash(slack.ann, slack.incidents)
        assert ack.error == "dispatch_failed"
        with pytest.raises(SlackApiError, match="expired_trigger_id"):
            await client.views_open(trigger_id=ack.trigger_id, view=MODAL)


async def test_views_are_stacked_updated_and_published(slack: FakeSlack, client: AsyncWebClient) -> None:
    async def trigger() -> str:
        return (await slack.slash(slack.ann, slack.incidents)).trigger_id

    first = (await client.views_open(trigger_id=await trigger(), view=MODAL))["view"]
    second = (await client.views_push(trigger_id=await trigger(), view=MODAL))["view"]
    await client.views_push(trigger_id=await trigger(), view=MODAL)
    with pytest.raises(SlackApiError, match="push_limit_reached"):
        await client.views_push(trigger_id=await trigger(), view=MODAL)
    assert second["previous_view_id"] == first["id"]
    await client.views_update(view_id=first["id"], hash=first["hash"], view=MODAL)
    with pytest.raises(SlackApiError, match="hash_conflict"):
        await client.views_update(view_id=first["id"], hash=first["hash"], view=MODAL)
    home = {"type": "home", "blocks": [{"type": "divider"}]}
    await client.views_publish(user_id=slack.ann, view=home)
    assert slack.home[slack.ann].blocks == home["blocks"]


async def test_what_people_and_apps_say_arrives_as_events(slack: FakeSlack, client: AsyncWebClient) -> None:
    heard = Heard(slack)
    async with connected(slack, heard.app):
        slack.say(slack.ann, slack.incidents, f"<@{slack.bot_user}> help")
        slack.alert(slack.incidents, "KubeAPIDown")
        slack.alert(slack.incidents, "modern", webhook=False)
        slack.open_home(slack.ann)
        await slack.wait_for(lambda: len(heard.things) == 5)
        await slack.wait_for(lambda: all(delivery.done for delivery in slack.deliveries))
    assert set(heard.things) == {
        ("app_home_opened", None, None),
        ("app_mention", None, f"<@{slack.bot_user}> help"),
        ("message", "bot_message", "KubeAPIDown"),
        ("message", None, "modern"),
        ("message", None, f"<@{slack.bot_user}> help"),
    }
    slack.assert_clean()


async def test_the_bots_own_posts_come_back_and_bolt_ignores_them(slack: FakeSlack, client: AsyncWebClient) -> None:
    heard = Heard(slack)
    async with connected(slack, heard.app):
        await client.chat_postMessage(channel=slack.incidents, text="mine")
        await slack.wait_for(lambda: [d for d in slack.deliveries if d.done])
        assert slack.deliveries[0].error is None
    assert heard.things == []


async def test_an_event_nobody_listens_to_is_sent_four_times() -> None:
    timing = Timing(ack_deadline=0.2, event_retries=(0.0, 0.02, 0.05))
    async with FakeSlack(timing=timing) as slack:
        app = AsyncApp(client=AsyncWebClient(slack.bot_token, base_url=slack.base_url))
        async with connected(slack, app):
            slack.say(slack.ann, slack.incidents, "hello")
            delivery = await slack.wait_for(lambda: next((d for d in slack.deliveries if d.done), None))
    assert delivery.error == "operation_timeout"
    assert len(delivery.attempts) == 4
    assert len({attempt.envelope_id for attempt in delivery.attempts}) == 4


async def test_an_event_that_comes_again_says_so() -> None:
    async with FakeSlack(timing=Timing(ack_deadline=0.05, event_retries=(0.0, 0.02, 0.05))) as slack, bare(slack) as socket:
        slack.say(slack.ann, slack.incidents, "hello")
        sent = [await socket.receive_json() for _ in range(4)]
    tries = [(envelope["retry_attempt"], envelope["retry_reason"]) for envelope in sent]
    assert tries == [(0, ""), (1, "timeout"), (2, "timeout"), (3, "timeout")]
    assert len({envelope["payload"]["event_id"] for envelope in sent}) == 1


async def test_a_command_without_a_socket_fails_at_once(slack: FakeSlack) -> None:
    ack = await slack.slash(slack.ann, slack.incidents)
    assert (ack.error, ack.latency, ack.delivery.attempts) == ("dispatch_failed", None, [])


async def test_a_refresh_brings_a_new_socket(slack: FakeSlack) -> None:
    heard = Heard(slack)
    async with connected(slack, heard.app):
        (old,) = slack.connections
        await slack.disconnect("refresh_requested")
        await slack.wait_for(lambda: slack.connections and old not in slack.connections)
        assert (await slack.slash(slack.ann, slack.incidents, "x")).error is None
    assert slack.tickets_issued >= 2


@pytest.mark.parametrize("how", ["drop", "freeze"])
async def test_the_app_comes_back_from_a_dead_socket(slack: FakeSlack, how: str) -> None:
    heard = Heard(slack)
    async with connected(slack, heard.app):
        (old,) = slack.connections
        if how == "drop":
            slack.drop_sockets()
        else:
            slack.freeze_sockets()
        await slack.wait_for(lambda: slack.connections and old not in slack.connections)
        assert (await slack.slash(slack.ann, slack.incidents, "x")).error is None


async def test_a_socket_beyond_the_limit_is_turned_away() -> None:
    async with FakeSlack(max_connections=1) as slack, aiohttp.ClientSession() as session:
        async with session.ws_connect(slack.sockets.issue()["url"]) as first:
            assert (await first.receive_json())["type"] == "hello"
            async with session.ws_connect(slack.sockets.issue()["url"]) as second:
                assert (await second.receive_json())["reason"] == "too_many_websockets"
        await slack.wait_for(lambda: not slack.connections)
        slack.link_enabled = False
        async with session.ws_connect(slack.sockets.issue()["url"]) as third:
            assert (await third.receive_json())["reason"] == "link_disabled"


async def test_a_ticket_works_once(slack: FakeSlack) -> None:
    client = AsyncWebClient(base_url=slack.base_url)
    url = (await client.apps_connections_open(app_token=slack.app_token))["url"]
    refused = (await client.apps_connections_open(app_token=slack.app_token))["url"]
    slack.refuse_ws()
    async with aiohttp.ClientSession() as session:
        for address, status in ((refused, 503), (refused, 408)):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await session.ws_connect(address)
            assert caught.value.status == status
        async with session.ws_connect(url) as socket:
            hello = await socket.receive_json()
            assert (hello["type"], hello["num_connections"]) == ("hello", 1)
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(url)
        assert caught.value.status == 408


@asynccontextmanager
async def bare(slack: FakeSlack) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with aiohttp.ClientSession() as session, session.ws_connect(slack.sockets.issue()["url"]) as socket:
        await socket.receive_json()
        yield socket


async def test_bad_frames_are_violations(slack: FakeSlack) -> None:
    async with bare(slack) as socket:
        await socket.send_str("hello?")
        await socket.send_str('{"envelope_id": "never-sent"}')
        await socket.send_bytes(b"{}")
        await slack.wait_for(lambda: len(slack.violations) == 3)
    assert slack.violations == [
        "a frame on the socket is no JSON object: 'hello?'",
        "an acknowledgement of an unknown envelope: 'never-sent'",
        "a binary frame on the socket",
    ]


async def test_a_payload_where_none_is_taken_is_a_violation(slack: FakeSlack) -> None:
    async with bare(slack) as socket:
        delivery = asyncio.ensure_future(slack.deliver("events_api", slack.event({"type": "message"})))
        envelope = await socket.receive_json()
        assert (envelope["retry_attempt"], envelope["retry_reason"]) == (0, "")
        await socket.send_str(json.dumps({"envelope_id": envelope["envelope_id"], "payload": {"text": "x"}}))
        assert (await delivery).error is None
        await socket.send_str(json.dumps({"envelope_id": envelope["envelope_id"]}))
        await slack.wait_for(lambda: len(slack.violations) == 2)
    assert "takes none" in slack.violations[0]
    assert "acknowledged twice" in slack.violations[1]


async def test_a_late_acknowledgement_is_noted_and_does_not_count() -> None:
    async with FakeSlack(timing=Timing(ack_deadline=0.05)) as slack, bare(slack) as socket:
        ack = await slack.slash(slack.ann, slack.incidents, "x")
        assert (ack.error, ack.latency) == ("operation_timeout", None)
        envelope = await socket.receive_json()
        await socket.send_str(json.dumps({"envelope_id": envelope["envelope_id"], "payload": {"text": "late"}}))
        (attempt,) = ack.delivery.attempts
        await slack.wait_for(lambda: attempt.late)
        assert slack.ephemerals == []
        assert slack.violations == []


async def test_two_sockets_share_the_deliveries_and_either_may_acknowledge(slack: FakeSlack) -> None:
    async with bare(slack) as one, bare(slack) as two:
        sockets = dict(zip(slack.connections, (one, two), strict=True))
        used: set[int] = set()
        for _ in range(40):
            before = len(slack.deliveries)
            delivery = asyncio.ensure_future(slack.deliver("slash_commands", {}, accepts=True))
            sent = await slack.wait_for(lambda before=before: len(slack.deliveries) > before and slack.deliveries[-1].attempts)
            chosen = sent[0].connection
            envelope = await sockets[chosen].receive_json()
            other = next(number for number in sockets if number != chosen)
            await sockets[other].send_str(json.dumps({"envelope_id": envelope["envelope_id"]}))
            assert (await delivery).error is None
            assert (sent[0].connection, sent[0].acked_by) == (chosen, other)
            used.add(chosen)
            if len(used) == 2:
                break
        assert used == set(sockets)
    slack.assert_clean()


async def test_nothing_is_left_running_when_it_closes() -> None:
    before = asyncio.all_tasks()
    async with FakeSlack() as slack:
        heard = Heard(slack)
        async with connected(slack, heard.app):
            slack.say(slack.ann, slack.incidents, "hello")
            await slack.wait_for(lambda: heard.things)
        slack.say(slack.ann, slack.incidents, "nobody hears this, and it would be retried for minutes")
    await slack.wait_for(lambda: asyncio.all_tasks() == before)


async def test_a_modals_own_button_and_a_message_shortcut_arrive(slack: FakeSlack, client: AsyncWebClient) -> None:
    heard = Heard(slack)
    post = await client.chat_postMessage(channel=slack.incidents, text="x")
    async with connected(slack, heard.app):
        await client.views_publish(user_id=slack.ann, view={"type": "home", "blocks": BUTTONS})
        assert (await slack.press(slack.ann, slack.home[slack.ann].id, "cancel")).error is None
        assert (await slack.shortcut(slack.bob, slack.incidents, post["ts"], "look")).error is None
        await slack.wait_for(lambda: len(heard.things) == 2)
    assert {body["type"] for body in heard.things} == {"block_actions", "message_action"}
    with pytest.raises(AssertionError, match="does not see view"):
        await slack.press(slack.bob, slack.home[slack.ann].id, "cancel")
    slack.assert_clean()


async def test_a_button_can_be_replaced_through_its_response_url(slack: FakeSlack, client: AsyncWebClient) -> None:
    post = await client.chat_postMessage(channel=slack.incidents, text="x", blocks=BUTTONS)
    ack = await slack.click(slack.ann, slack.incidents, post["ts"], "cancel")
    webhook = AsyncWebhookClient(ack.response_url)
    await webhook.send(text="cancelled by ann", replace_original=True)
    message = slack.message(slack.incidents, post["ts"])
    assert (message.text, message.buttons) == ("cancelled by ann", [])
    await webhook.send(delete_original=True)
    assert message.deleted
    assert slack.roots(slack.incidents) == []


async def test_people_cannot_type_a_command_in_a_thread(slack: FakeSlack) -> None:
    with pytest.raises(AssertionError, match="in a thread"):
        await slack.slash(slack.ann, slack.incidents, in_thread=True)


async def test_a_bad_acknowledgement_is_a_violation(slack: FakeSlack) -> None:
    app = AsyncApp(client=AsyncWebClient(slack.bot_token, base_url=slack.base_url))

    async def answer(ack: Any) -> None:
        await ack(blocks=[{"type": "section"}])

    app.command("/apidown")(answer)
    async with connected(slack, app):
        assert (await slack.slash(slack.ann, slack.incidents)).error is None
    assert slack.violations[0].startswith("the acknowledgement of /apidown was refused: invalid_blocks")


async def test_without_echo_the_bot_does_not_hear_itself() -> None:
    async with FakeSlack(echo=False) as slack:
        heard = Heard(slack)
        client = AsyncWebClient(slack.bot_token, base_url=slack.base_url)
        async with connected(slack, heard.app):
            post = await client.chat_postMessage(channel=slack.incidents, text="mine")
            await client.chat_update(channel=slack.incidents, ts=post["ts"], text="mine, later")
            slack.say(slack.ann, slack.incidents, "hello")
            await slack.wait_for(lambda: heard.things)
        assert [delivery.payload["event"]["text"] for delivery in slack.deliveries] == ["hello"]


async def test_a_stuck_ticket_is_what_the_sdk_makes_of_one_failed_handshake(slack: FakeSlack) -> None:
    heard = Heard(slack)
    handler = AsyncSocketModeHandler(heard.app, slack.app_token, ping_interval=0.05)
    slack.refuse_ws()
    connecting = asyncio.ensure_future(handler.connect_async())
    await slack.wait_for(lambda: slack.sockets.refused >= 4)
    assert slack.tickets_issued == 1
    handler.client.wss_uri = None
    await asyncio.wait_for(connecting, 5)
    await slack.wait_for(lambda: slack.connections)
    assert slack.tickets_issued == 2
    await handler.close_async()
