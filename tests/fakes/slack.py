"""A Slack that is stricter than Slack: Web API, Socket Mode, uploads and response URLs over real HTTP and WebSockets on
127.0.0.1, so that the bot is tested with the libraries and the protocol it uses in production.

The fake refuses what Slack refuses, and writes down as a *violation* what Slack would let pass and a person would regret:
a broadcast mention, a reply to a reply, a text-only post that Slack splits, an acknowledgement of an unknown envelope.

::

    async with FakeSlack() as slack:
        client = AsyncWebClient(slack.bot_token, base_url=slack.base_url)
        result = await slack.slash(slack.ann, slack.incidents, "prod-eu-1")
        assert result.error is None and result.latency < 1
        root = await slack.wait_for(lambda: next(iter(slack.roots(slack.incidents)), None))
        await slack.wait_for(lambda: "etcd" in root.edits[-1].text)
        await slack.click(slack.ann, slack.incidents, root.ts, "apidown.cancel")
        print(slack.transcript(slack.incidents, root.ts))
        slack.assert_clean()

**Construction.** ``FakeSlack(*, time_scale=1.0, timing=Timing(), post_burst=5, tier_burst=1.0, max_connections=10,
scopes=BOT_SCOPES, echo=True, listener=None)``. Every duration of ``Timing`` is in Slack's seconds, times ``time_scale``:
``ack_deadline`` 3, ``event_retries`` (0, 60, 300), ``trigger_ttl`` 3, ``ticket_ttl`` 30, ``response_url_ttl`` 1800,
``rate_window`` 60, ``post_interval`` 1 (a post a channel), ``file_ready`` 0.2, ``edit_window`` None. ``Retry-After`` is in
whole real seconds, at least 1. ``post_burst`` is the size of a channel's bucket, ``tier_burst`` multiplies the calls a
minute of every tier. ``echo`` sends the bot's own posts, edits and deletions back to it as events. ``listener`` is a
listening socket made elsewhere, in another network namespace for one.

**Identities.** ``base_url`` (ends in ``/api/``), ``bot_token``, ``app_token``, ``team_id``, ``app_id``, ``bot_id``,
``bot_user``; users ``ann``, ``bob``; channels ``incidents`` (public; bot, ann and bob are in), ``elsewhere`` (public; the
bot is not in), ``archived`` (the bot is in), ``private`` (private; the bot and ann are in); user group ``oncall`` (ann).
All are ids. ``add_channel(name, *, private=False, archived=False, members=(), posting="open") -> id`` where posting is
open, restricted, read_only, thread_only or non_threadable; ``add_user(name) -> id``; ``channels[id]``, ``users[id]``,
``usergroups[id]``. ``archive(channel)``, ``remove_bot(channel)``, ``break_token(token, error | None)``.
``scopes`` is a mutable set. ``allowed_mentions`` is a set of user group ids that may be mentioned; empty at first.

**Drivers.** What people and other apps do. Those that the app must acknowledge return an ``Ack``: ``latency`` in real
seconds or None, ``payload`` of the acknowledgement, its ``text``, ``error`` (None, ``operation_timeout``,
``dispatch_failed``), ``trigger_id``, ``response_url``, ``delivery``.

- ``await slash(user, channel, text="", *, command="/apidown", in_thread=False) -> Ack``; refuses ``in_thread``
- ``await click(user, channel, ts, action_id, *, value=None) -> Ack``; AssertionError unless the button is on the message
  as it is now; ``value`` picks the option of a select, and of several buttons the one with this in its value
- ``await press(user, view_id, action_id, *, value=None) -> Ack``; the same in a modal or on the Home tab
- ``await shortcut(user, channel, ts, callback_id) -> Ack``; a message shortcut
- ``await submit(user, view_id, {block_id: {action_id: value}}) -> Ack``
- ``say(user, channel, text, *, thread_ts=None) -> Message``; sends ``message`` (and ``app_mention``) events behind your back
- ``alert(channel, text="", *, webhook=True, attachments=(), blocks=()) -> Message``; another app's post
- ``open_home(user)``; ``app_home_opened``
- ``erase(channel, ts)``; a person deletes a message (a root with replies leaves a tombstone)
- ``await deliver(type, payload, *, accepts=False, retry=False, envelope_id=None) -> Delivery``; any envelope by hand
- ``event(event: dict) -> dict`` wraps an event for ``deliver("events_api", …, retry=True)``

**What is in the channels.** ``Message``: ``channel ts thread_ts user bot_id subtype text blocks attachments metadata
reactions files``, ``edits`` (every ``Version(at, text, blocks, metadata)`` it ever had, the first is the post, ``at`` is
``time.monotonic()``), ``broadcast``, ``deleted``, ``buttons`` (action ids of live elements). Values change in place: a
Message you hold is the message as it is now.

- ``roots(channel) -> list[Message]``, oldest first; ``thread(channel, root_ts) -> list[Message]``, root first
- ``message(channel, ts) -> Message``; ``transcript(channel, root_ts) -> str``: the thread as a person reads it, no times

**Journals.** ``calls``: ``Call(method, verb, args, status, error, at, took, fault)``, of Web API and uploads, in order of
arrival; ``called(method) -> list[Call]``. ``ephemerals``: ``Ephemeral(at, user, channel, thread_ts, text, blocks, via)``
with via ``chat.postEphemeral``, ``response_url`` or ``ack``. ``deliveries``: ``Delivery(type, payload, accepts, attempts,
error, acked_at, ack_payload)`` with ``attempts`` of ``Attempt(envelope_id, connection, sent_at, acked_at, acked_by,
late)``. ``violations``: list of sentences. ``unknown_arguments``: list of (method, argument). ``views``, ``home[user]``,
``files``, ``statuses[(channel, thread_ts)]``, ``pins``, ``bookmarks``.

**Faults.** ``fail(method, kind, *, times=1, when=None, status=503, error="internal_error", retry_after=1, delay=1.0) ->
Fault``; method is a name, ``"*"``, ``"upload"`` or ``"response_url"``; ``when(args) -> bool``; ``fault.fired`` counts;
``fault.times = 0`` disarms; ``faults`` lists. Kinds: ``429``, ``5xx`` (plain text), ``html`` (503), ``error`` (the code,
HTTP 200), ``reset_before`` (nothing is done), ``reset_after`` (done, then the connection is reset), ``slow`` (waits
``delay`` real seconds, then does it), ``slow_after`` (does it, then waits), ``truncate_json`` (done, half the body). Those
that come after the deed fire only on a call that succeeded, and stay armed on others.

**Sockets.** ``connections`` (numbers of the open ones), ``tickets_issued``, ``sockets.refused`` (handshakes turned away
with 408 or 503), ``refuse_ws(n)`` (503, and the ticket is burned),
``await disconnect(reason="refresh_requested", *, close=True, connection=None)``, ``drop_sockets()`` (TCP reset),
``freeze_sockets(frozen=True)`` (half open: neither pongs nor reads), ``link_enabled = False``, ``max_connections``.

**Waiting and judging.** ``await wait_for(predicate, timeout=10.0, what="") -> the truthy value``; AssertionError when it
never is. ``assert_clean()``: no violations, no bad arguments, no failed task of the fake's own.

The parts are ``workspace`` (state and rules), ``web`` (HTTP), ``sockets`` (Socket Mode) and ``responses`` (response URLs;
``responses.issue("commands" | "actions", user=…, channel=…, message=None) -> url``).
"""

from __future__ import annotations

import asyncio
import inspect
import socket
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Self

from aiohttp import web

from tests.fakes.slack_server import interactions
from tests.fakes.slack_server.acting import People
from tests.fakes.slack_server.pace import Pace
from tests.fakes.slack_server.reading import transcript
from tests.fakes.slack_server.responses import Responses
from tests.fakes.slack_server.sockets import Sockets
from tests.fakes.slack_server.values import (
    Ack,
    Attempt,
    Call,
    Channel,
    Delivery,
    Ephemeral,
    Fault,
    Json,
    Message,
    Timing,
    User,
    Version,
    View,
)
from tests.fakes.slack_server.web import Web
from tests.fakes.slack_server.workspace import APP, BOT, BOT_USER, TEAM, Workspace

__all__ = [
    "BOT_SCOPES",
    "Ack",
    "Attempt",
    "Call",
    "Channel",
    "Delivery",
    "Ephemeral",
    "FakeSlack",
    "Fault",
    "Message",
    "Timing",
    "User",
    "Version",
    "View",
]

BOT_SCOPES = frozenset(
    {
        "app_mentions:read",
        "channels:history",
        "channels:read",
        "chat:write",
        "commands",
        "files:read",
        "files:write",
        "groups:history",
        "groups:read",
        "im:write",
        "reactions:write",
        "usergroups:read",
        "users:read",
    }
)
_UPLOAD_MOST = 50 * 1024 * 1024
_POLL = 0.01


class FakeSlack(People):
    """One Slack workspace with one app, for the length of an ``async with``."""

    def __init__(
        self,
        *,
        time_scale: float = 1.0,
        timing: Timing | None = None,
        post_burst: int = 5,
        tier_burst: float = 1.0,
        max_connections: int = 10,
        scopes: Iterable[str] = BOT_SCOPES,
        echo: bool = True,
        listener: socket.socket | None = None,
    ) -> None:
        timing = timing or Timing()
        self.bot_token, self.app_token = "xoxb-fake-bot", "xapp-1-fake-app"
        self.team_id, self.app_id, self.bot_id, self.bot_user = TEAM, APP, BOT, BOT_USER
        self.echo = echo
        self._listener = listener
        self.workspace = Workspace(timing=timing, time_scale=time_scale, scopes=set(scopes), emit=self._emit)
        self.workspace.after = self._after
        self.sockets = Sockets(self.workspace, max_connections=max_connections)
        pace = Pace(
            window=timing.rate_window * time_scale,
            post_interval=timing.post_interval * time_scale,
            post_burst=post_burst,
            tier_burst=tier_burst,
        )
        self.web = Web(self.workspace, pace, bot_token=self.bot_token, app_token=self.app_token, connect=self.sockets.issue)
        self.responses = Responses(self.workspace, self.web)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._seed()
        self._expose()

    def _seed(self) -> None:
        add, add_user = self.workspace.add_channel, self.workspace.add_user
        self.ann, self.bob = add_user("ann"), add_user("bob")
        self.incidents = add("incidents", members=(BOT_USER, self.ann, self.bob))
        self.elsewhere = add("elsewhere", members=(self.ann, self.bob))
        self.archived = add("old-incidents", archived=True, members=(BOT_USER, self.ann))
        self.private = add("war-room", private=True, members=(BOT_USER, self.ann))
        self.oncall = self.workspace.new_id("S")
        self.workspace.usergroups[self.oncall] = ("oncall", [self.ann])

    def _expose(self) -> None:
        """The parts' own collections, under the names that the module's docstring gives."""
        inside = self.workspace
        self.add_channel, self.add_user = inside.add_channel, inside.add_user
        self.channels, self.users, self.usergroups = inside.channels, inside.users, inside.usergroups
        self.scopes, self.allowed_mentions = inside.scopes, inside.allowed_mentions
        self.violations, self.ephemerals = inside.violations, inside.ephemerals
        self.views, self.home, self.files = inside.views, inside.home, inside.files
        self.statuses, self.pins, self.bookmarks = inside.statuses, inside.pins, inside.bookmarks
        self.calls, self.faults, self.unknown_arguments = self.web.calls, self.web.faults, self.web.unknown_arguments
        self.deliveries, self.deliver = self.sockets.deliveries, self.sockets.deliver
        self.drop_sockets, self.event = self.sockets.drop, interactions.event

    # Life

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_UPLOAD_MOST)
        app.router.add_route("*", "/api/{method}", self.web.api)
        app.router.add_get("/link", self.sockets.handle)
        app.router.add_post("/upload/{file}", self.web.upload)
        for kind in ("commands", "actions"):
            app.router.add_post(f"/{kind}/{{key}}", self.responses.handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        listener = self._listener or socket.create_server(("127.0.0.1", 0))
        site = web.SockSite(self._runner, listener)
        await site.start()
        port = self._runner.addresses[0][1]
        self.base_url = self.workspace.base_url = f"http://127.0.0.1:{port}/api/"
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.sockets.close()
        await self._runner.cleanup()

    def _spawn(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        task = asyncio.create_task(work, name=f"fake slack: {name}")
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            self.web.failures.append(failure)

    def _after(self, delay: float, work: Callable[[], None]) -> None:
        async def later() -> None:
            await asyncio.sleep(delay)
            work()

        self._spawn(later(), "later")

    def _emit(self, event: Json) -> None:
        """Sends an event to the app, if it ever used Socket Mode."""
        own = BOT in (
            event.get("bot_id"),
            event.get("message", {}).get("bot_id"),
            event.get("previous_message", {}).get("bot_id"),
        )
        if self.sockets.tickets_issued and (self.echo or not own):
            self._spawn(self.deliver("events_api", interactions.event(event), retry=True), f"event {event['type']}")

    # What goes wrong

    def fail(self, method: str, kind: str, **more: Any) -> Fault:
        """Arms a fault; the module's docstring lists the kinds and the options."""
        fault = Fault(method=method, kind=kind, **more)
        self.faults.append(fault)
        return fault

    def archive(self, channel: str) -> None:
        place = self.channels[channel]
        self.workspace.add(place, user=self.ann, text=f"<@{self.ann}> archived the channel", subtype="channel_archive")
        place.archived = True

    def remove_bot(self, channel: str) -> None:
        self.channels[channel].members.discard(BOT_USER)

    def break_token(self, token: str, error: str | None = "token_revoked") -> None:
        """Makes every call with this token fail with ``error``; None mends it."""
        if error is None:
            self.web.token_errors.pop(token, None)
        else:
            self.web.token_errors[token] = error

    def refuse_ws(self, times: int = 1) -> None:
        """Answers the next WebSocket handshakes with 503; their tickets are burned."""
        self.sockets.refuse = times

    async def disconnect(self, reason: str = "refresh_requested", *, close: bool = True, connection: int | None = None) -> None:
        await self.sockets.disconnect(reason, close=close, connection=connection)

    def freeze_sockets(self, frozen: bool = True) -> None:
        self.sockets.freeze(frozen)

    @property
    def connections(self) -> list[int]:
        """The numbers of the open sockets."""
        return [connection.number for connection in self.sockets.open if not connection.socket.closed]

    @property
    def tickets_issued(self) -> int:
        return self.sockets.tickets_issued

    @property
    def link_enabled(self) -> bool:
        """Whether Socket Mode is switched on for the app; new sockets are turned away when it is not."""
        return self.sockets.link_enabled

    @link_enabled.setter
    def link_enabled(self, enabled: bool) -> None:
        self.sockets.link_enabled = enabled

    # What is there to see

    def message(self, channel: str, ts: str) -> Message:
        return self.channels[channel].messages[ts]

    def roots(self, channel: str) -> list[Message]:
        return [message for message in self.channels[channel].messages.values() if not message.is_reply]

    def thread(self, channel: str, root_ts: str) -> list[Message]:
        place = self.channels[channel]
        return [place.messages[root_ts], *self.workspace.replies(place, root_ts)]

    def transcript(self, channel: str, root_ts: str) -> str:
        return transcript(self.thread(channel, root_ts), self.workspace.name)

    def called(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    async def wait_for(self, predicate: Callable[[], Any], timeout: float = 10.0, what: str = "") -> Any:
        """Polls until ``predicate`` is truthy."""
        deadline = time.monotonic() + timeout
        while True:
            value = predicate()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout} s: {what or inspect.getsource(predicate).strip()}")
            await asyncio.sleep(_POLL)

    def assert_clean(self) -> None:
        assert not self.violations, "\n".join(["Slack would let these pass, people would not:", *self.violations])
        assert not self.unknown_arguments, f"arguments that Slack does not have: {self.unknown_arguments}"
        assert not self.web.failures, f"the fake itself failed: {self.web.failures}"
