"""conversations.*: what is in the channels, and who."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from tests.fakes.slack_server.method import Method
from tests.fakes.slack_server.values import Channel, Json, Message, SlackError
from tests.fakes.slack_server.workspace import BOT_USER, Workspace, moment


def channel_json(channel: Channel) -> Json:
    return {
        "id": channel.id,
        "name": channel.name,
        "is_channel": not channel.private and not channel.im,
        "is_group": channel.private,
        "is_im": channel.im,
        "is_private": channel.private or channel.im,
        "is_archived": channel.archived,
        "is_member": BOT_USER in channel.members,
        "num_members": len(channel.members),
    }


def page(items: list[Any], args: Json, default: int, most: int) -> tuple[list[Any], Json]:
    """One page of a list, and the fields that say where the next begins."""
    try:
        size = int(args.get("limit") or default)
    except ValueError as error:
        raise SlackError("invalid_limit") from error
    if not 1 <= size <= most:
        raise SlackError("invalid_limit")
    start = 0
    if args.get("cursor"):
        try:
            start = int(base64.b64decode(args["cursor"], validate=True).decode().removeprefix("from:"))
        except (binascii.Error, ValueError, TypeError) as error:
            raise SlackError("invalid_cursor") from error
    more = start + size < len(items)
    cursor = base64.b64encode(f"from:{start + size}".encode()).decode() if more else ""
    return items[start : start + size], {"has_more": more, "response_metadata": {"next_cursor": cursor}}


def between(messages: list[Message], args: Json) -> list[Message]:
    """Those in the interval the caller asked for; its ends count only with ``inclusive``."""
    oldest, latest = moment(args.get("oldest"), "invalid_ts_oldest"), moment(args.get("latest"))
    inclusive = bool(args.get("inclusive"))

    def fits(message: Message) -> bool:
        ts = moment(message.ts)
        assert ts is not None
        after = oldest is None or ts > oldest or (inclusive and ts == oldest)
        return after and (latest is None or ts < latest or (inclusive and ts == latest))

    return [message for message in messages if fits(message)]


def info(workspace: Workspace, args: Json) -> Json:
    return {"channel": channel_json(workspace.channel(args.get("channel")))}


def history(workspace: Workspace, args: Json) -> Json:
    channel = workspace.joined(args.get("channel"))
    shown = [m for m in channel.messages.values() if not m.is_reply or m.broadcast]
    messages, more = page(between(shown, args)[::-1], args, 100, 999)
    metadata = bool(args.get("include_all_metadata"))
    return {"messages": [workspace.as_json(m, with_metadata=metadata) for m in messages], **more}


def replies(workspace: Workspace, args: Json) -> Json:
    channel = workspace.joined(args.get("channel"))
    root = channel.messages.get(args.get("ts", ""))
    if root is None:
        raise SlackError("thread_not_found")
    inside = [] if root.is_reply else between(workspace.replies(channel, root.ts), args)
    messages, more = page([root, *inside], args, 1000, 1000)
    metadata = bool(args.get("include_all_metadata"))
    return {"messages": [workspace.as_json(m, with_metadata=metadata) for m in messages], **more}


def list_(workspace: Workspace, args: Json) -> Json:
    kinds = {"public_channel": "channels", "private_channel": "groups", "im": "im", "mpim": "mpim"}
    wanted = {kinds.get(kind.strip(), "") for kind in str(args.get("types") or "public_channel").split(",")}
    if "" in wanted:
        raise SlackError("invalid_types")
    for kind in wanted:
        workspace.need(f"{kind}:read")
    known = [c for c in workspace.channels.values() if c.kind in wanted and (c.kind == "channels" or BOT_USER in c.members)]
    known = [c for c in known if not (args.get("exclude_archived") and c.archived)]
    channels, more = page(known, args, 100, 999)
    return {"channels": [channel_json(channel) for channel in channels], "response_metadata": more["response_metadata"]}


def members(workspace: Workspace, args: Json) -> Json:
    channel = workspace.channel(args.get("channel"))
    found, more = page(sorted(channel.members), args, 100, 999)
    return {"members": found, "response_metadata": more["response_metadata"]}


def join(workspace: Workspace, args: Json) -> Json:
    channel = workspace.channel(args.get("channel"))
    if channel.archived:
        raise SlackError("is_archived")
    if channel.private or channel.im:
        raise SlackError("method_not_supported_for_channel_type")
    channel.members.add(BOT_USER)
    return {"channel": channel_json(channel)}


def open_(workspace: Workspace, args: Json) -> Json:
    users = [user for user in str(args.get("users") or "").split(",") if user]
    if len(users) != 1 or users[0] not in workspace.users or users[0] == BOT_USER:
        raise SlackError("user_not_found" if users else "users_list_not_supplied")
    return {"channel": {"id": workspace.dm(users[0]).id}}


_WINDOW = "channel cursor limit oldest latest inclusive include_all_metadata"
METHODS = {
    "conversations.info": Method(
        info, tier=3, scope="{kind}:read", args="channel include_locale include_num_members", reads=True
    ),
    "conversations.history": Method(history, tier=3, scope="{kind}:history", args=_WINDOW, reads=True),
    "conversations.replies": Method(replies, tier=3, scope="{kind}:history", args=f"{_WINDOW} ts", reads=True),
    "conversations.list": Method(list_, tier=2, args="cursor limit types exclude_archived team_id", reads=True),
    "conversations.members": Method(members, tier=4, scope="{kind}:read", args="channel cursor limit", reads=True),
    "conversations.join": Method(join, tier=3, scope="channels:join", args="channel"),
    "conversations.open": Method(open_, tier=3, scope="im:write", args="users channel return_im prevent_creation"),
}
