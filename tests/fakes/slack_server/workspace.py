"""The state of the fake's one workspace, and the rules about it that several methods share."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.fakes.slack_server import limits
from tests.fakes.slack_server.blocks import check_blocks, rendered_length, slack_files
from tests.fakes.slack_server.reading import broadcasts
from tests.fakes.slack_server.values import Channel, Ephemeral, File, Json, Message, SlackError, Timing, User, View

TEAM, APP, BOT, BOT_USER = "T0APIDOWN1", "A0APIDOWN1", "B0APIDOWN1", "U0APIDOWN1"
_TS = re.compile(r"^\d{10}\.\d{6}$")
POSTING = ("open", "restricted", "read_only", "thread_only", "non_threadable")


class Workspace:
    """Users, channels and what is in them. ``emit`` takes each event the app is subscribed to."""

    def __init__(self, *, timing: Timing, time_scale: float, scopes: set[str], emit: Callable[[Json], None]) -> None:
        self.timing = timing
        self.time_scale = time_scale
        self.scopes = scopes
        self.emit = emit
        self.after: Callable[[float, Callable[[], None]], None]
        self.base_url = ""
        self.users: dict[str, User] = {BOT_USER: User(id=BOT_USER, name="apidown", is_bot=True)}
        self.channels: dict[str, Channel] = {}
        self.usergroups: dict[str, tuple[str, list[str]]] = {}
        self.files: dict[str, File] = {}
        self.views: dict[str, View] = {}
        self.stacks: dict[str, list[str]] = {}
        self.home: dict[str, View] = {}
        self.triggers: dict[str, tuple[str, float]] = {}
        self.used_triggers: set[str] = set()
        self.statuses: dict[tuple[str, str], str] = {}
        self.pins: set[tuple[str, str]] = set()
        self.bookmarks: list[Json] = []
        self.ephemerals: list[Ephemeral] = []
        self.violations: list[str] = []
        self.allowed_mentions: set[str] = set()
        self._erased: set[tuple[str, str]] = set()
        self._last_ts = 0
        self._ids = 0

    # Identity and time

    def scaled(self, seconds: float) -> float:
        return seconds * self.time_scale

    def new_id(self, prefix: str) -> str:
        """An id in Slack's form, unique in this workspace."""
        self._ids += 1
        return f"{prefix}0{self._ids:09X}"

    def new_ts(self) -> str:
        """The next message time: microseconds, strictly rising."""
        self._last_ts = max(self._last_ts + 1, time.time_ns() // 1000)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def new_trigger(self, user: str) -> str:
        trigger = f"{random.getrandbits(40)}.{random.getrandbits(40)}.{random.getrandbits(128):032x}"
        self.triggers[trigger] = (user, time.monotonic() + self.scaled(self.timing.trigger_ttl))
        return trigger

    def name(self, any_id: str) -> str:
        """What a client shows for an id."""
        if any_id in self.users:
            return self.users[any_id].name
        if any_id in self.channels:
            return self.channels[any_id].name
        if any_id in self.usergroups:
            return self.usergroups[any_id][0]
        return "apidown" if any_id == BOT else any_id

    # Channels

    def add_channel(
        self, name: str, *, private: bool = False, archived: bool = False, members: tuple[str, ...] = (), posting: str = "open"
    ) -> str:
        if posting not in POSTING:
            raise ValueError(f"posting is one of {', '.join(POSTING)}")
        channel = Channel(
            id=self.new_id("C"), name=name, private=private, archived=archived, members=set(members), posting=posting
        )
        self.channels[channel.id] = channel
        return channel.id

    def add_user(self, name: str) -> str:
        user = User(id=self.new_id("U"), name=name)
        self.users[user.id] = user
        return user.id

    def dm(self, user: str) -> Channel:
        """The bot's direct message channel with a user."""
        for channel in self.channels.values():
            if channel.im and user in channel.members:
                return channel
        channel = Channel(id=self.new_id("D"), name=f"dm-{user}", im=True, members={user, BOT_USER})
        self.channels[channel.id] = channel
        return channel

    def channel(self, ref: Any) -> Channel:
        """The channel, as far as the bot may know of it: a private one it is not in does not exist."""
        if isinstance(ref, str) and ref in self.users and not self.users[ref].is_bot:
            return self.dm(ref)
        name = ref.removeprefix("#") if isinstance(ref, str) else ""
        found = self.channels.get(ref) if isinstance(ref, str) else None
        found = found or next((c for c in self.channels.values() if c.name == name and not c.im), None)
        if found is None or ((found.private or found.im) and BOT_USER not in found.members):
            raise SlackError("channel_not_found")
        return found

    def joined(self, ref: Any) -> Channel:
        channel = self.channel(ref)
        if BOT_USER not in channel.members:
            raise SlackError("not_in_channel")
        return channel

    def need(self, scope: str) -> None:
        if scope not in self.scopes:
            raise SlackError("missing_scope", needed=scope, provided=",".join(sorted(self.scopes)))

    # Messages

    def message(self, channel: Channel, ts: Any) -> Message:
        message = channel.messages.get(ts) if isinstance(ts, str) else None
        if message is None:
            raise SlackError("message_not_found")
        return message

    def replies(self, channel: Channel, root_ts: str) -> list[Message]:
        return [m for m in channel.messages.values() if m.is_reply and m.thread_ts == root_ts]

    def root_for(self, channel: Channel, thread_ts: Any) -> str:
        """The ts of the thread that a reply belongs to; a wrong one is a refusal and, unless a person erased it, a violation."""
        if not isinstance(thread_ts, str) or not _TS.match(thread_ts):
            raise SlackError("invalid_thread_ts")
        root = channel.messages.get(thread_ts)
        if root is None:
            if (channel.id, thread_ts) not in self._erased:
                self.violations.append(f"thread_ts {thread_ts} is no message of #{channel.name}")
            raise SlackError("thread_not_found")
        if root.is_reply:
            self.violations.append(f"thread_ts {thread_ts} is a reply, not the root of a thread in #{channel.name}")
            return str(root.thread_ts)
        return root.ts

    def add(self, channel: Channel, *, user: str | None, text: str, **fields: Any) -> Message:
        """Puts a message into a channel and tells the app, if it is there to hear it."""
        message = Message(channel=channel.id, ts=self.new_ts(), user=user, text=text, **fields)
        message.keep()
        channel.messages[message.ts] = message
        if message.is_reply:
            root = channel.messages[str(message.thread_ts)]
            root.thread_ts = root.ts
        self.tell(channel, self.as_json(message))
        return message

    def erase(self, channel: Channel, ts: str) -> None:
        """Deletes a message; a root with replies leaves a tombstone in its place."""
        message = self.message(channel, ts)
        previous = self.as_json(message)
        message.deleted = True
        if self.replies(channel, ts):
            message.text, message.blocks, message.attachments = "This message was deleted.", [], []
            message.subtype, message.user, message.bot_id, message.metadata = "tombstone", "USLACKBOT", None, None
            message.keep()
        else:
            del channel.messages[ts]
            self._erased.add((channel.id, ts))
        self.tell(channel, {"type": "message", "subtype": "message_deleted", "deleted_ts": ts, "previous_message": previous})

    def tell(self, channel: Channel, event: Json) -> None:
        if BOT_USER in channel.members:
            kind = {"channels": "channel", "groups": "group", "im": "im"}[channel.kind]
            self.emit({**event, "channel": channel.id, "channel_type": kind, "event_ts": event.get("ts") or self.new_ts()})

    def as_json(self, message: Message, *, with_metadata: bool = True) -> Json:
        """A message as Slack's methods and events show it."""
        body: Json = {"type": "message", "ts": message.ts, "text": message.text, "team": TEAM, "channel": message.channel}
        optional = {
            "user": message.user,
            "subtype": message.subtype,
            "bot_id": message.bot_id,
            "app_id": message.app_id,
            "username": message.username,
            "blocks": message.blocks,
            "attachments": message.attachments,
            "files": message.files,
            "thread_ts": message.thread_ts,
            "metadata": message.metadata if with_metadata else None,
        }
        body |= {key: value for key, value in optional.items() if value}
        if message.edited_ts:
            body["edited"] = {"user": message.user, "ts": message.edited_ts}
        if message.reactions:
            body["reactions"] = [{"name": n, "users": sorted(u), "count": len(u)} for n, u in message.reactions.items()]
        replies = self.replies(self.channels[message.channel], message.ts)
        if replies:
            body |= {"reply_count": len(replies), "latest_reply": replies[-1].ts}
            body["reply_users"] = sorted({reply.user for reply in replies if reply.user})
        return body

    # Content

    def check_content(self, args: Json, *, where: str) -> None:
        """The rules for the content of any message, posted, edited, ephemeral or in answer to a person."""
        text, blocks, attachments = args.get("text") or "", args.get("blocks") or [], args.get("attachments") or []
        if "markdown_text" in args and (text or blocks):
            raise SlackError("markdown_text_conflict")
        if len(args.get("markdown_text") or "") > limits.MARKDOWN_TEXT_MAX_LENGTH:
            raise SlackError("msg_too_long")
        if not isinstance(attachments, list):
            raise SlackError("invalid_attachments")
        if len(attachments) > limits.MESSAGE_ATTACHMENTS_MAX_ITEMS:
            raise SlackError("too_many_attachments")
        self.check_blocks(blocks)
        self.check_metadata(args.get("metadata"))
        markdown = args.get("markdown_text") or ""
        for mention in broadcasts(f"{text}\n{markdown}", blocks, attachments, self.allowed_mentions):
            self.violations.append(f"{where} mentions {mention}")

    def check_blocks(self, blocks: Any) -> None:
        refuse(check_blocks(blocks, "message"))
        if rendered_length(blocks) > limits.MESSAGE_RENDERED_MAX_LENGTH:
            raise SlackError("msg_blocks_too_long")
        if any(not (f in self.files and self.files[f].ready) for f in slack_files(blocks)):
            refuse(["invalid slack file [json-pointer:/blocks]"])

    def check_metadata(self, metadata: Any) -> None:
        if metadata is None:
            return
        if not isinstance(metadata, dict):
            raise SlackError("invalid_metadata_format")
        shape = {"event_type": str, "event_payload": dict}
        if set(metadata) != set(shape) or any(not isinstance(metadata[key], kind) for key, kind in shape.items()):
            raise SlackError("invalid_metadata_schema")
        size = len(json.dumps(metadata).encode())
        if size > limits.METADATA_MAX_LENGTH:
            raise SlackError("metadata_too_large")
        if size > limits.METADATA_ADVISED_LENGTH:
            self.violations.append(
                f"metadata of {size} bytes: Slack does not publish its limit, {limits.METADATA_ADVISED_LENGTH} is safe"
            )


def refuse(errors: list[str]) -> None:
    """Raises Slack's answer to bad blocks, if they are bad."""
    if errors:
        messages = [f"[ERROR] {error}" for error in errors]
        raise SlackError("invalid_blocks", errors=errors, response_metadata={"messages": messages})


def moment(value: Any, code: str = "invalid_ts_latest") -> Decimal | None:
    """A ts as a number to compare with; None stays None."""
    if value in (None, ""):
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation as error:
        raise SlackError(code) from error
