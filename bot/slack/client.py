"""Slack's Web API as the delivery needs it: one try a call, never an exception, the same safe arguments every time.

The SDK's own retries post a message twice after a connection reset and lose the order after a rate limit, so they are off:
whether to try again is decided by the lane that knows what it posted. One HTTP session is shared, because the SDK opens a
new one for every call otherwise, and its time-out is the session's, because the SDK ignores its own then.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.model.base import Json
from bot.slack.errors import EXPECTED, TOKEN_REFUSED, Kind, Result, failure, kind_of
from bot.slack.last_look import Still, ask_before_sending, only_while

# Above 4,000 characters an edit is refused and a post is split; entities and Slack's own markup need some room.
LONGEST_TEXT = 3_500
_PAGE = 200
_PAGES = 10

log = logging.getLogger(__name__)


class SlackClient:
    """The bot's calls to Slack. Every call takes at most ``timeout_s`` (10 s in production) and ends as a ``Result``."""

    def __init__(self, web: AsyncWebClient, session: aiohttp.ClientSession) -> None:
        self.web = web
        self.refused = ""
        """Slack's code for what is wrong with the bot's token; empty as long as Slack takes it."""
        self._session = session

    @classmethod
    @asynccontextmanager
    async def open(
        cls, token: str, *, base_url: str = AsyncWebClient.BASE_URL, timeout_s: float = 10.0
    ) -> AsyncGenerator[SlackClient]:
        """A client with its own HTTP session, closed at the end. No call is made."""
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(5.0, timeout_s))
        async with aiohttp.ClientSession(timeout=timeout, middlewares=[ask_before_sending]) as session:
            web = AsyncWebClient(token=token, base_url=base_url, session=session, retry_handlers=[], logger=log)
            yield cls(web, session)

    async def identify(self) -> Result:
        """``auth.test``: who the token belongs to."""
        return await self._told(self.web.auth_test())

    async def open_socket(self, app_token: str) -> Result:
        """``apps.connections.open``: whether Socket Mode takes this app token. The ticket it returns is not used."""
        return await _outcome(self.web.apps_connections_open(app_token=app_token))

    async def post(
        self,
        channel: str,
        *,
        text: str,
        blocks: Sequence[Json] = (),
        thread_ts: str | None = None,
        broadcast: bool = False,
        metadata: Json | None = None,
        still: Still | None = None,
    ) -> Result:
        """``chat.postMessage``; the new message's ``ts`` is in the result's data. Without blocks the text is the message.
        Not sent, and so ``away``, when ``still`` says no right before."""
        arguments: dict[str, Any] = {"blocks": list(blocks)} if blocks else {}
        if metadata is not None:
            arguments["metadata"] = metadata
        if thread_ts is not None:
            arguments |= {"thread_ts": thread_ts, "reply_broadcast": broadcast}
        call = self.web.chat_postMessage(
            channel=channel,
            text=shorten(text),
            parse="none",
            link_names=False,
            unfurl_links=False,
            unfurl_media=False,
            **arguments,
        )
        with only_while(still):
            return await self._told(call)

    async def update(
        self, channel: str, ts: str, *, text: str, blocks: Sequence[Json] = (), still: Still | None = None
    ) -> Result:
        """``chat.update``. Metadata stays as it was posted. Without blocks the message's blocks are removed.
        ``still`` as above."""
        # An edit resets what the post set, so the same safe arguments are given again.
        call = self.web.chat_update(
            channel=channel, ts=ts, text=shorten(text), blocks=list(blocks), parse="none", link_names=False
        )
        with only_while(still):
            return await self._told(call)

    async def history(self, channel: str, *, oldest: str) -> Result:
        """The channel's messages since ``oldest`` with their metadata, in ``data["messages"]``, oldest first."""
        result = await self._pages(self.web.conversations_history, channel=channel, oldest=oldest)
        messages = sorted(result.data.get("messages", ()), key=lambda message: float(message["ts"]))
        return Result(kind=result.kind, data={"messages": messages}) if result.ok else result

    async def replies(self, channel: str, thread_ts: str) -> Result:
        """A thread's messages with their metadata, in ``data["messages"]``, oldest first, the root included."""
        return await self._pages(self.web.conversations_replies, channel=channel, ts=thread_ts)

    async def present(self, channel: str) -> Result:
        """Whether the bot can read this channel, and so is in it, with the last message in ``data["messages"]``."""
        return await self._told(self.web.conversations_history(channel=channel, limit=1))

    async def channel(self, channel: str) -> Result:
        """``conversations.info``, in ``data["channel"]``; for who has a scope of ``scopes.CHANNELS``."""
        return await _outcome(self.web.conversations_info(channel=channel))

    async def members(self, user_group: str) -> Result:
        """``usergroups.users.list``: the user ids, in ``data["users"]``."""
        return await self._told(self.web.usergroups_users_list(usergroup=user_group))

    async def groups(self) -> Result:
        """``usergroups.list``: what each user group is called, in ``data["usergroups"]``."""
        return await self._told(self.web.usergroups_list())

    async def whisper(self, user: str, channel: str, *, text: str, thread_ts: str | None = None) -> Result:
        """``chat.postEphemeral``: only this person sees it, if they are in the channel."""
        arguments: dict[str, Any] = {} if thread_ts is None else {"thread_ts": thread_ts}
        call = self.web.chat_postEphemeral(
            channel=channel, user=user, text=shorten(text), parse="none", link_names=False, **arguments
        )
        return await self._told(call)

    async def open_view(self, trigger_id: str, view: Json) -> Result:
        """``views.open``: a form for whoever clicked, within 3 s of the click."""
        return await self._told(self.web.views_open(trigger_id=trigger_id, view=view))

    async def respond(self, response_url: str, body: Json) -> Result:
        """Answers by a response URL: five times in half an hour at most, and only the person sees it."""
        hook = AsyncWebhookClient(response_url, session=self._session, retry_handlers=[], logger=log)
        try:
            response = await hook.send_dict({"response_type": "ephemeral", "replace_original": False, **body})
        except EXPECTED as error:
            return failure(error)
        if response.status_code == 200:
            return Result(kind=Kind.OK)
        return Result(kind=kind_of(response.body[:80], response.status_code), error=response.body[:80])

    async def _told(self, call: Awaitable[AsyncSlackResponse]) -> Result:
        """The outcome of a call with the bot's token, and whether Slack takes that token."""
        result = await _outcome(call)
        if result.ok:
            self.refused = ""
        elif result.error in TOKEN_REFUSED:
            self.refused = result.error
        return result

    async def _pages(self, method: Any, **arguments: Any) -> Result:
        messages: list[Mapping[str, Any]] = []
        cursor: str | None = None
        for _ in range(_PAGES):
            result = await self._told(method(limit=_PAGE, cursor=cursor, include_all_metadata=True, **arguments))
            if not result.ok:
                return result
            messages += result.data.get("messages") or []
            cursor = (result.data.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                break
        return Result(kind=Kind.OK, data={"messages": messages})


def shorten(text: str) -> str:
    """At most ``LONGEST_TEXT`` characters, never cut inside an entity."""
    if len(text) <= LONGEST_TEXT:
        return text
    cut = text[: LONGEST_TEXT - 1]
    start = cut.rfind("&", -6)
    if start >= 0 and ";" not in cut[start:]:
        cut = cut[:start]
    return cut + "…"


async def _outcome(call: Awaitable[AsyncSlackResponse]) -> Result:
    try:
        response = await call
    except EXPECTED as error:
        return failure(error)
    if not isinstance(response.data, dict):
        return Result(kind=Kind.AMBIGUOUS, error="an answer that cannot be read")
    headers = {str(name).lower(): str(value) for name, value in response.headers.items()}
    return Result(kind=Kind.OK, data=response.data, headers=headers)
