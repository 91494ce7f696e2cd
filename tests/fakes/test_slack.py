"""The fake's Web API through the SDK's client: what it keeps, what it refuses, what it holds against the app, its faults."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from tests.fakes import slack as fake
from tests.fakes.slack import BOT_SCOPES, FakeSlack, Timing

METADATA = {"event_type": "apidown_delivery", "event_payload": {"delivery_id": "root/1"}}


async def refusal(call: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await call
    return caught.value.response["error"]


# What it keeps


async def test_a_root_and_its_replies_form_a_thread(slack: FakeSlack, client: AsyncWebClient) -> None:
    root = await client.chat_postMessage(channel=slack.incidents, text="investigating")
    await client.chat_postMessage(channel=slack.incidents, text="dns is ok", thread_ts=root["ts"])
    await client.chat_postMessage(channel=slack.incidents, text="verdict", thread_ts=root["ts"], reply_broadcast=True)
    assert [message.text for message in slack.thread(slack.incidents, root["ts"])] == ["investigating", "dns is ok", "verdict"]
    assert [message.text for message in slack.roots(slack.incidents)] == ["investigating"]
    history = await client.conversations_history(channel=slack.incidents)
    assert [message["text"] for message in history["messages"]] == ["verdict", "investigating"]
    replies = await client.conversations_replies(channel=slack.incidents, ts=root["ts"])
    assert [message["text"] for message in replies["messages"]] == ["investigating", "dns is ok", "verdict"]
    assert replies["messages"][0]["reply_count"] == 2
    slack.assert_clean()


async def test_an_edit_replaces_the_message_and_keeps_every_version(slack: FakeSlack, client: AsyncWebClient) -> None:
    blocks = [{"type": "header", "text": {"type": "plain_text", "text": "Running"}}]
    root = await client.chat_postMessage(channel=slack.incidents, text="one", blocks=blocks, metadata=METADATA)
    await client.chat_update(channel=slack.incidents, ts=root["ts"], text="two", blocks=blocks)
    await client.chat_update(channel=slack.incidents, ts=root["ts"], text="three")
    message = slack.message(slack.incidents, root["ts"])
    assert [(version.text, len(version.blocks)) for version in message.edits] == [("one", 1), ("two", 1), ("three", 0)]
    assert message.edits[0].at < message.edits[1].at < message.edits[2].at
    assert message.metadata == METADATA


async def test_metadata_is_read_back_only_when_asked_for(slack: FakeSlack, client: AsyncWebClient) -> None:
    root = await client.chat_postMessage(channel=slack.incidents, text="root", metadata=METADATA)
    asked = await client.conversations_replies(channel=slack.incidents, ts=root["ts"], include_all_metadata=True)
    not_asked = await client.conversations_history(channel=slack.incidents)
    assert asked["messages"][0]["metadata"] == METADATA
    assert "metadata" not in not_asked["messages"][0]


async def test_history_is_read_in_pages_and_intervals(slack: FakeSlack, client: AsyncWebClient) -> None:
    sent = [slack.say(slack.ann, slack.incidents, f"line {number}") for number in range(5)]
    found = [
        message["text"]
        async for page in await client.conversations_history(channel=slack.incidents, limit=2)
        for message in page["messages"]
    ]
    assert found == ["line 4", "line 3", "line 2", "line 1", "line 0"]
    later = await client.conversations_history(channel=slack.incidents, oldest=sent[3].ts)
    assert [message["text"] for message in later["messages"]] == ["line 4"]
    both = await client.conversations_history(channel=slack.incidents, oldest=sent[3].ts, inclusive=True)
    assert len(both["messages"]) == 2


async def test_a_thread_reads_as_a_person_sees_it(slack: FakeSlack, client: AsyncWebClient) -> None:
    button = {"type": "button", "action_id": "cancel", "text": {"type": "plain_text", "text": "Cancel"}}
    pre = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "dial tcp <nil>\nrefused"}]}
    text = (
        f":x: *etcd* &lt;none&gt; by <@{slack.ann}> at <!date^1795168000^{{time}}|09:46 UTC>, see <https://r.example/x|runbook>"
    )
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "prod-eu-1"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": text}, "fields": [{"type": "mrkdwn", "text": "*Up*\n1 of 3"}]},
        {"type": "rich_text", "elements": [pre]},
        {"type": "table", "rows": [[{"type": "raw_text", "text": "node"}, {"type": "raw_text", "text": "up"}]]},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "took 1 s"}]},
        {"type": "actions", "elements": [button]},
    ]
    root = await client.chat_postMessage(channel=slack.incidents, text="fallback", blocks=blocks)
    await client.chat_postMessage(channel=slack.incidents, text="ok &amp; done", thread_ts=root["ts"], reply_broadcast=True)
    assert slack.transcript(slack.incidents, root["ts"]) == (
        "apidown:\n"
        "  # prod-eu-1\n"
        "  :x: *etcd* <none> by @ann at 09:46 UTC, see runbook (https://r.example/x)\n"
        "  *Up*: 1 of 3\n"
        "      dial tcp <nil>\n"
        "      refused\n"
        "  | node | up |\n"
        "  _took 1 s_\n"
        "  [Cancel]\n"
        "\n"
        "> apidown (also sent to the channel):\n"
        ">   ok & done\n"
    )


async def test_the_small_methods_answer(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.scopes.update({"pins:write", "bookmarks:write", "channels:join"})
    assert (await client.auth_test())["user_id"] == slack.bot_user
    assert (await client.users_info(user=slack.ann))["user"]["name"] == "ann"
    assert (await client.usergroups_users_list(usergroup=slack.oncall))["users"] == [slack.ann]
    assert slack.incidents in [c["id"] for c in (await client.conversations_list())["channels"]]
    assert slack.ann in (await client.conversations_members(channel=slack.incidents))["members"]
    dm = (await client.conversations_open(users=slack.ann))["channel"]["id"]
    root = await client.chat_postMessage(channel=dm, text="hello")
    assert root["channel"] == dm
    await client.conversations_join(channel=slack.elsewhere)
    assert (await client.conversations_info(channel=slack.elsewhere))["channel"]["is_member"]
    post = await client.chat_postMessage(channel=slack.incidents, text="root")
    await client.reactions_add(channel=slack.incidents, timestamp=post["ts"], name="eyes")
    assert await refusal(client.reactions_add(channel=slack.incidents, timestamp=post["ts"], name="eyes")) == "already_reacted"
    await client.reactions_remove(channel=slack.incidents, timestamp=post["ts"], name="eyes")
    await client.pins_add(channel=slack.incidents, timestamp=post["ts"])
    await client.bookmarks_add(channel_id=slack.incidents, title="t", type="link", link="https://r.example")
    link = await client.chat_getPermalink(channel=slack.incidents, message_ts=post["ts"])
    assert post["ts"].replace(".", "") in link["permalink"]
    await client.assistant_threads_setStatus(channel_id=slack.incidents, thread_ts=post["ts"], status="is checking")
    assert slack.statuses == {(slack.incidents, post["ts"]): "is checking"}
    await client.chat_postMessage(channel=slack.incidents, thread_ts=post["ts"], text="checked")
    assert slack.statuses == {}
    await client.chat_delete(channel=slack.incidents, ts=post["ts"])
    assert slack.message(slack.incidents, post["ts"]).subtype == "tombstone"
    slack.assert_clean()


async def test_an_upload_is_shared_only_when_it_is_ready(slack: FakeSlack, client: AsyncWebClient) -> None:
    root = await client.chat_postMessage(channel=slack.incidents, text="root")
    done = await client.files_upload_v2(
        channel=slack.incidents,
        thread_ts=root["ts"],
        filename="timeline.png",
        content=b"\x89PNG....",
        initial_comment="The timeline",
        alt_txt="A line of events",
    )
    file = done["files"][0]["id"]
    picture = [{"type": "image", "slack_file": {"id": file}, "alt_text": "timeline"}]
    early = client.chat_postMessage(channel=slack.incidents, text="too early", blocks=picture)
    assert await refusal(early) == "invalid_blocks"
    assert len(slack.thread(slack.incidents, root["ts"])) == 1

    async def shares() -> Any:
        return (await client.files_info(file=file))["file"]["shares"]

    shared = await slack.wait_for(shares)
    assert shared["public"][slack.incidents][0]["thread_ts"] == root["ts"]
    reply = slack.thread(slack.incidents, root["ts"])[1]
    assert (reply.text, reply.subtype, reply.files[0]["mimetype"]) == ("The timeline", "file_share", "image/png")
    await client.chat_postMessage(channel=slack.incidents, text="now", blocks=picture)
    assert await refusal(client.files_completeUploadExternal(files=[{"id": file}])) == "file_not_found"


# What it refuses


async def test_destinations_are_refused_as_slack_refuses_them(slack: FakeSlack, client: AsyncWebClient) -> None:
    hidden = slack.add_channel("hidden", private=True, members=(slack.ann,))
    read_only = slack.add_channel("news", members=(slack.bot_user,), posting="read_only")
    expected = {
        slack.elsewhere: "not_in_channel",
        slack.archived: "is_archived",
        hidden: "channel_not_found",
        "C0NOWHERE": "channel_not_found",
        read_only: "restricted_action_read_only_channel",
    }
    found = {channel: await refusal(client.chat_postMessage(channel=channel, text="x")) for channel in expected}
    assert found == expected
    assert await refusal(client.conversations_history(channel=slack.elsewhere)) == "not_in_channel"


async def test_edits_are_refused_as_slack_refuses_them(slack: FakeSlack, client: AsyncWebClient) -> None:
    theirs = slack.say(slack.ann, slack.incidents, "hello")
    post = await client.chat_postMessage(channel=slack.incidents, text="root")

    async def edit(ts: str, text: str) -> str:
        return await refusal(client.chat_update(channel=slack.incidents, ts=ts, text=text))

    assert await edit(theirs.ts, "mine") == "cant_update_message"
    assert await edit(post["ts"], "x" * 4001) == "msg_too_long"
    await client.chat_update(channel=slack.incidents, ts=post["ts"], text="x" * 4000)
    slack.archive(slack.incidents)
    assert await edit(post["ts"], "late") == "is_inactive"
    other = await client.chat_postMessage(channel=slack.private, text="root")
    slack.erase(slack.private, other["ts"])
    assert await refusal(client.chat_update(channel=slack.private, ts=other["ts"], text="x")) == "message_not_found"


async def test_an_old_message_can_no_longer_be_edited() -> None:
    async with FakeSlack(timing=Timing(edit_window=0.0)) as slack:
        client = AsyncWebClient(slack.bot_token, base_url=slack.base_url)
        post = await client.chat_postMessage(channel=slack.incidents, text="root")
        assert await refusal(client.chat_update(channel=slack.incidents, ts=post["ts"], text="x")) == "edit_window_closed"


async def test_content_is_refused_as_slack_refuses_it(slack: FakeSlack, client: AsyncWebClient) -> None:
    async def post(**content: Any) -> str:
        return await refusal(client.api_call("chat.postMessage", json={"channel": slack.incidents, **content}))

    assert await post() == "no_text"
    assert await post(text="a", markdown_text="b") == "markdown_text_conflict"
    assert await post(text="a", attachments=[{}] * 101) == "too_many_attachments"
    assert await post(text="a", metadata={"event_type": "x"}) == "invalid_metadata_schema"
    assert await post(text="a", metadata={"event_type": "x", "event_payload": {"k": "v" * 9000}}) == "metadata_too_large"


async def test_very_long_text_is_cut_with_a_warning(slack: FakeSlack, client: AsyncWebClient) -> None:
    answer = await client.chat_postMessage(channel=slack.incidents, text="x" * 40001)
    assert answer["warning"] == "message_truncated"
    assert len(slack.roots(slack.incidents)[0].text) == 40000


async def test_tokens_and_scopes_are_checked_in_slacks_order(slack: FakeSlack, client: AsyncWebClient) -> None:
    stranger = AsyncWebClient("xoxb-else", base_url=slack.base_url)
    assert await refusal(stranger.auth_test()) == "invalid_auth"
    assert await refusal(AsyncWebClient(base_url=slack.base_url).auth_test()) == "not_authed"
    assert await refusal(client.apps_connections_open(app_token=slack.bot_token)) == "not_allowed_token_type"
    with pytest.raises(SlackApiError) as caught:
        await client.conversations_join(channel=slack.elsewhere)
    assert caught.value.response["needed"] == "channels:join"
    assert set(caught.value.response["provided"].split(",")) == BOT_SCOPES
    slack.break_token(slack.bot_token, "token_revoked")
    assert await refusal(client.auth_test()) == "token_revoked"
    slack.break_token(slack.bot_token, None)
    assert (await client.auth_test())["ok"]
    assert await refusal(client.api_call("chat.startStream")) == "unknown_method"


async def test_every_form_of_arguments_is_read(slack: FakeSlack) -> None:
    url, headers = f"{slack.base_url}chat.postMessage", {"Authorization": f"Bearer {slack.bot_token}"}
    args = {"channel": slack.incidents, "text": "x"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def answer(**how: Any) -> Any:
            async with session.post(url, **how) as response:
                return await response.json()

        assert (await answer(json=args))["ok"]
        assert (await answer(data={**args, "blocks": '[{"type":"divider"}]'}))["message"]["blocks"] == [{"type": "divider"}]
        assert (await answer(params=args))["ok"]
        with aiohttp.MultipartWriter("form-data") as form:
            for key, value in args.items():
                form.append(value).set_content_disposition("form-data", name=key)
            assert (await answer(data=form))["ok"]
        assert (await answer(data="x", headers={"Content-Type": "text/plain"}))["error"] == "invalid_post_type"
        assert (await answer(json=[1]))["error"] == "json_not_object"
        assert (await answer(data={**args, "blocks": "["}))["error"] == "invalid_blocks_format"
        assert (await answer(json={**args, "thread_ts": 1795168000.000100}))["error"] == "invalid_thread_ts"
        async with session.get(f"{slack.base_url}chat.update", params=args) as response:
            assert (await response.json())["error"] == "invalid_post_type"


# What it holds against the app


@pytest.mark.parametrize(
    ("content", "violation"),
    [
        ({"text": "wake up <!channel>"}, "chat.postMessage mentions <!channel>"),
        ({"text": "wake up @here"}, "chat.postMessage mentions @here"),
        ({"text": "by <!subteam^S0OTHER|ops>"}, "chat.postMessage mentions <!subteam^S0OTHER|ops>"),
        (
            {"text": "x", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "`<!everyone>`"}}]},
            "chat.postMessage mentions <!everyone>",
        ),
        (
            {"text": "x", "metadata": {"event_type": "x", "event_payload": {"k": "v" * 2000}}},
            "metadata of 2047 bytes: Slack does not publish its limit, 2000 is safe",
        ),
        ({"text": "x" * 4001}, "a text-only post of 4001 characters: Slack splits it into several messages"),
    ],
)
async def test_what_people_would_regret_is_a_violation(
    slack: FakeSlack, client: AsyncWebClient, content: dict[str, Any], violation: str
) -> None:
    await client.chat_postMessage(channel=slack.incidents, **content)
    assert slack.violations == [violation]
    with pytest.raises(AssertionError):
        slack.assert_clean()


async def test_what_nobody_is_called_by_is_no_violation(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.allowed_mentions.add(slack.oncall)
    plain = {"type": "section", "text": {"type": "plain_text", "text": "<!channel> @here"}}
    text = f"&lt;!channel&gt; a@here.example <@{slack.ann}> <!subteam^{slack.oncall}> <!date^1^{{time}}|now>"
    await client.chat_postMessage(channel=slack.incidents, text=text, blocks=[plain])
    slack.assert_clean()


async def test_a_reply_to_a_reply_and_to_nothing_are_violations(slack: FakeSlack, client: AsyncWebClient) -> None:
    root = await client.chat_postMessage(channel=slack.incidents, text="root")
    reply = await client.chat_postMessage(channel=slack.incidents, text="reply", thread_ts=root["ts"])
    await client.chat_postMessage(channel=slack.incidents, text="nested", thread_ts=reply["ts"])
    post = client.chat_postMessage(channel=slack.incidents, text="lost", thread_ts="1234567890.000100")
    assert await refusal(post) == "thread_not_found"
    assert len(slack.violations) == 2
    assert "is a reply" in slack.violations[0]
    assert "is no message" in slack.violations[1]


async def test_a_thread_that_a_person_erased_is_no_violation(slack: FakeSlack, client: AsyncWebClient) -> None:
    root = await client.chat_postMessage(channel=slack.incidents, text="root")
    slack.erase(slack.incidents, root["ts"])
    post = client.chat_postMessage(channel=slack.incidents, text="late", thread_ts=root["ts"])
    assert await refusal(post) == "thread_not_found"
    slack.assert_clean()


async def test_an_argument_that_slack_does_not_have_is_noted(slack: FakeSlack, client: AsyncWebClient) -> None:
    await client.chat_postMessage(channel=slack.incidents, text="x", idempotency_key="k")
    assert slack.unknown_arguments == [("chat.postMessage", "idempotency_key")]


# Its pace


async def test_posts_above_the_pace_are_sent_away_for_whole_seconds(client: AsyncWebClient, slack: FakeSlack) -> None:
    for number in range(5):
        await client.chat_postMessage(channel=slack.incidents, text=f"{number}")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=slack.incidents, text="6")
    assert caught.value.response.status_code == 429
    assert caught.value.response["error"] == "ratelimited"
    assert caught.value.response.headers["Retry-After"] == "1"
    await client.chat_postMessage(channel=slack.private, text="another channel has a bucket of its own")
    assert len(slack.roots(slack.incidents)) == 5


async def test_a_scaled_clock_makes_room_sooner() -> None:
    async with FakeSlack(time_scale=0.02, post_burst=1) as slack:
        client = AsyncWebClient(slack.bot_token, base_url=slack.base_url)
        for number in range(20):
            await slack.wait_for(lambda number=number: _room(client, slack.incidents, number))
        assert len(slack.roots(slack.incidents)) == 20


async def _room(client: AsyncWebClient, channel: str, number: int) -> bool:
    try:
        await client.chat_postMessage(channel=channel, text=f"{number}")
    except SlackApiError as error:
        if error.response["error"] == "ratelimited":
            return False
        raise
    return True


async def test_edits_have_fifty_calls_a_minute(slack: FakeSlack, client: AsyncWebClient) -> None:
    post = await client.chat_postMessage(channel=slack.incidents, text="root")
    for number in range(50):
        await client.chat_update(channel=slack.incidents, ts=post["ts"], text=f"{number}")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_update(channel=slack.incidents, ts=post["ts"], text="51")
    assert caught.value.response.status_code == 429
    assert 1 < int(caught.value.response.headers["Retry-After"]) <= 60


# Its faults


async def test_a_reset_after_the_deed_leaves_exactly_one_message(slack: FakeSlack, client: AsyncWebClient) -> None:
    fault = slack.fail("chat.postMessage", "reset_after", when=lambda args: args["text"] == "root")
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel=slack.incidents, text="root")
    assert [message.text for message in slack.roots(slack.incidents)] == ["root"]
    assert (fault.fired, slack.called("chat.postMessage")[0].fault) == (1, "reset_after")
    await client.chat_postMessage(channel=slack.incidents, text="next")


async def test_a_reset_before_the_deed_leaves_nothing(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.fail("*", "reset_before")
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel=slack.incidents, text="root")
    assert slack.roots(slack.incidents) == []


async def test_a_fault_after_the_deed_stays_armed_on_a_refused_call(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.fail("chat.postMessage", "429", retry_after=7)
    armed = slack.fail("chat.postMessage", "truncate_json")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=slack.incidents, text="root")
    assert caught.value.response.headers["Retry-After"] == "7"
    refused = client.chat_postMessage(channel=slack.elsewhere, text="root")
    assert await refusal(refused) == "not_in_channel"
    assert armed.fired == 0
    with pytest.raises(SlackApiError):
        await client.chat_postMessage(channel=slack.incidents, text="root")
    assert (armed.fired, len(slack.roots(slack.incidents))) == (1, 1)


async def test_servers_answer_with_what_is_no_json(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.fail("chat.postMessage", "5xx", status=502)
    slack.fail("chat.postMessage", "html")
    slack.fail("chat.postMessage", "error", error="fatal_error")
    statuses = []
    for _ in range(2):
        with pytest.raises(SlackApiError) as caught:
            await client.chat_postMessage(channel=slack.incidents, text="root")
        statuses.append(caught.value.response.status_code)
    assert statuses == [502, 503]
    assert await refusal(client.chat_postMessage(channel=slack.incidents, text="root")) == "fatal_error"
    assert slack.roots(slack.incidents) == []


@pytest.mark.parametrize(("kind", "posted"), [("slow", 0), ("slow_after", 1)])
async def test_a_slow_answer_runs_into_the_callers_timeout(slack: FakeSlack, kind: str, posted: int) -> None:
    slack.fail("chat.postMessage", kind, delay=30)
    hasty = AsyncWebClient(slack.bot_token, base_url=slack.base_url, retry_handlers=[], timeout=1)
    with pytest.raises(asyncio.TimeoutError):
        await hasty.chat_postMessage(channel=slack.incidents, text="root")
    assert len(slack.roots(slack.incidents)) == posted


async def test_an_upload_can_fail_too(slack: FakeSlack, client: AsyncWebClient) -> None:
    slack.fail("upload", "reset_before")
    with pytest.raises(aiohttp.ClientError):
        await client.files_upload_v2(channel=slack.incidents, filename="a.txt", content=b"abc")
    assert all(file.content is None for file in slack.files.values())


async def test_a_response_url_works_five_times(slack: FakeSlack) -> None:
    url = slack.responses.issue("commands", user=slack.ann, channel=slack.incidents)
    async with aiohttp.ClientSession() as session:
        webhook = AsyncWebhookClient(url, session=session)
        answers = [await webhook.send(text=f"line {number}") for number in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [404]
        assert answers[5].body == "used_url"
        other = AsyncWebhookClient(slack.responses.issue("actions", user=slack.ann, channel=slack.incidents), session=session)
        await other.send(text="for all", response_type="in_channel")
    assert [(e.user, e.text, e.via) for e in slack.ephemerals][:1] == [(slack.ann, "line 0", "response_url")]
    assert [message.text for message in slack.roots(slack.incidents)] == ["for all"]


async def test_an_ephemeral_reaches_members_only(slack: FakeSlack, client: AsyncWebClient) -> None:
    root = await client.chat_postMessage(channel=slack.incidents, text="root")
    await client.chat_postEphemeral(channel=slack.incidents, user=slack.ann, text="only you", thread_ts=root["ts"])
    (ephemeral,) = slack.ephemerals
    assert (ephemeral.user, ephemeral.text, ephemeral.thread_ts) == (slack.ann, "only you", root["ts"])
    assert len(slack.thread(slack.incidents, root["ts"])) == 1
    outsider = slack.add_user("carol")
    call = client.chat_postEphemeral(channel=slack.incidents, user=outsider, text="x")
    assert await refusal(call) == "user_not_in_channel"


async def test_a_bot_that_was_removed_cannot_go_on(slack: FakeSlack, client: AsyncWebClient) -> None:
    root = await client.chat_postMessage(channel=slack.incidents, text="root")
    slack.remove_bot(slack.incidents)
    assert await refusal(client.chat_postMessage(channel=slack.incidents, text="x", thread_ts=root["ts"])) == "not_in_channel"
    slack.scopes.add("chat:write.public")
    assert (await client.chat_postMessage(channel=slack.elsewhere, text="x"))["ok"]


async def test_waiting_for_what_never_comes_says_what_it_was(slack: FakeSlack) -> None:
    with pytest.raises(AssertionError, match=r"not within 0.05 s: the verdict"):
        await slack.wait_for(lambda: None, timeout=0.05, what="the verdict")


def test_everything_a_test_may_use_is_in_the_interface(slack: FakeSlack) -> None:
    public = {name for name in dir(slack) if not name.startswith("_")}
    assert {name for name in public if not re.search(rf"\b{name}\b", fake.__doc__ or "")} == set()
