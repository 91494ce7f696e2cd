"""chat.*: posting, editing, deleting."""

from __future__ import annotations

import time

from tests.fakes.slack_server import limits
from tests.fakes.slack_server.method import Method
from tests.fakes.slack_server.values import Channel, Ephemeral, Json, Message, SlackError
from tests.fakes.slack_server.workspace import APP, BOT, BOT_USER, Workspace

_RESTRICTIONS = {"restricted": "restricted_action", "read_only": "restricted_action_read_only_channel"}


def check_destination(workspace: Workspace, args: Json) -> tuple[Channel, str | None]:
    """Where a post goes, or Slack's reason why it may not go there."""
    channel = workspace.channel(args.get("channel"))
    if channel.archived:
        raise SlackError("is_archived")
    if BOT_USER not in channel.members and "chat:write.public" not in workspace.scopes:
        raise SlackError("not_in_channel")
    if channel.posting in _RESTRICTIONS:
        raise SlackError(_RESTRICTIONS[channel.posting])
    thread_ts = args.get("thread_ts")
    if thread_ts is None and channel.posting == "thread_only":
        raise SlackError("restricted_action_thread_only_channel")
    if thread_ts is not None and channel.posting == "non_threadable":
        raise SlackError("restricted_action_non_threadable_channel")
    return channel, thread_ts


def post_message(workspace: Workspace, args: Json) -> Json:
    channel, thread_ts = check_destination(workspace, args)
    workspace.check_content(args, where="chat.postMessage")
    text = args.get("text") or args.get("markdown_text") or ""
    if not (text or args.get("blocks") or args.get("attachments")):
        raise SlackError("no_text")
    root = workspace.root_for(channel, thread_ts) if thread_ts is not None else None
    if not args.get("blocks") and len(text) > limits.MESSAGE_UNSPLIT_TEXT_MAX_LENGTH:
        workspace.violations.append(f"a text-only post of {len(text)} characters: Slack splits it into several messages")
    answer: Json = {}
    if len(text) > limits.MESSAGE_TEXT_MAX_LENGTH:
        text = text[: limits.MESSAGE_TEXT_MAX_LENGTH]
        answer = {"warning": "message_truncated", "response_metadata": {"warnings": ["message_truncated"]}}
    broadcast = root is not None and bool(args.get("reply_broadcast"))
    message = workspace.add(
        channel,
        user=BOT_USER,
        bot_id=BOT,
        app_id=APP,
        username=args.get("username"),
        text=text,
        blocks=args.get("blocks") or [],
        attachments=args.get("attachments") or [],
        metadata=args.get("metadata"),
        thread_ts=root,
        broadcast=broadcast,
        subtype="thread_broadcast" if broadcast else None,
    )
    workspace.statuses.pop((channel.id, root or ""), None)
    return {**answer, "channel": channel.id, "ts": message.ts, "message": workspace.as_json(message)}


def own_message(workspace: Workspace, args: Json, refusal: str) -> tuple[Channel, Message]:
    channel = workspace.channel(args.get("channel"))
    message = workspace.message(channel, args.get("ts"))
    if message.subtype == "tombstone":
        raise SlackError("message_not_found")
    if message.bot_id != BOT:
        raise SlackError(refusal)
    return channel, message


def update(workspace: Workspace, args: Json) -> Json:
    channel, message = own_message(workspace, args, "cant_update_message")
    if channel.archived:
        raise SlackError("is_inactive")
    text = args["markdown_text"] if args.get("markdown_text") is not None else args.get("text")
    parts = {key: args[key] for key in ("blocks", "attachments", "metadata") if args.get(key) is not None}
    if text is None and not parts and not args.get("file_ids"):
        raise SlackError("no_text")
    if len(text or "") > limits.MESSAGE_UPDATE_TEXT_MAX_LENGTH:
        raise SlackError("msg_too_long")
    workspace.check_content(args, where="chat.update")
    if text == "" and not (parts.get("blocks") or parts.get("attachments")):
        raise SlackError("no_text")
    window = workspace.timing.edit_window
    if window is not None and time.monotonic() - message.edits[0].at > workspace.scaled(window):
        raise SlackError("edit_window_closed")
    if args.get("reply_broadcast") and message.broadcast:
        raise SlackError("no_dual_broadcast_content_update")
    revise(workspace, message, text, parts)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": workspace.as_json(message)}


def revise(workspace: Workspace, message: Message, text: str | None, parts: Json) -> None:
    """Makes the message say this: text alone takes the blocks away, what is not given stays."""
    previous = workspace.as_json(message)
    if text is not None:
        message.text = text
    if "blocks" in parts:
        message.blocks = parts["blocks"]
    elif text is not None:
        message.blocks = []
    message.attachments = parts.get("attachments", message.attachments)
    message.metadata = parts.get("metadata", message.metadata)
    message.edited_ts = workspace.new_ts()
    message.keep()
    changed = {"type": "message", "subtype": "message_changed", "hidden": True, "ts": message.edited_ts}
    now = {"message": workspace.as_json(message), "previous_message": previous}
    workspace.tell(workspace.channels[message.channel], {**changed, **now})


def delete(workspace: Workspace, args: Json) -> Json:
    channel, message = own_message(workspace, args, "cant_delete_message")
    workspace.erase(channel, message.ts)
    return {"channel": channel.id, "ts": message.ts}


def post_ephemeral(workspace: Workspace, args: Json) -> Json:
    channel, thread_ts = check_destination(workspace, args)
    if args.get("user") not in channel.members:
        raise SlackError("user_not_in_channel")
    workspace.check_content(args, where="chat.postEphemeral")
    text = args.get("text") or args.get("markdown_text") or ""
    if not (text or args.get("blocks") or args.get("attachments")):
        raise SlackError("no_text")
    root = workspace.root_for(channel, thread_ts) if thread_ts is not None else None
    ephemeral = Ephemeral(
        at=time.monotonic(),
        user=args["user"],
        channel=channel.id,
        thread_ts=root,
        text=text,
        blocks=args.get("blocks") or [],
        via="chat.postEphemeral",
    )
    workspace.ephemerals.append(ephemeral)
    return {"message_ts": workspace.new_ts()}


def permalink(workspace: Workspace, args: Json) -> Json:
    channel = workspace.channel(args.get("channel"))
    message = workspace.message(channel, args.get("message_ts"))
    query = f"?thread_ts={message.thread_ts}&cid={channel.id}" if message.is_reply else ""
    link = f"https://apidown.slack.example/archives/{channel.id}/p{message.ts.replace('.', '')}{query}"
    return {"channel": channel.id, "permalink": link}


_CONTENT = "channel text blocks attachments metadata markdown_text parse link_names as_user"
_POST = f"{_CONTENT} thread_ts icon_emoji icon_url username mrkdwn"
METHODS = {
    "chat.postMessage": Method(
        post_message, scope="chat:write", args=f"{_POST} reply_broadcast unfurl_links unfurl_media client_msg_id"
    ),
    "chat.update": Method(
        update, tier=3, scope="chat:write", args=f"{_CONTENT} ts reply_broadcast file_ids unfurl_links unfurl_media"
    ),
    "chat.delete": Method(delete, tier=3, scope="chat:write", args="channel ts as_user"),
    "chat.postEphemeral": Method(post_ephemeral, tier=4, scope="chat:write", args=f"{_POST} user"),
    "chat.getPermalink": Method(permalink, args="channel message_ts", reads=True),
}
