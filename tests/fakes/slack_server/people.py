"""The small methods: who the bot is, users, groups, reactions, pins, bookmarks, the status line."""

from __future__ import annotations

from tests.fakes.slack_server.method import Method
from tests.fakes.slack_server.values import Channel, Json, Message, SlackError
from tests.fakes.slack_server.workspace import BOT, BOT_USER, TEAM, Workspace

_MOST_REACTIONS = 23


def auth_test(workspace: Workspace, args: Json) -> Json:
    return {
        "url": "https://apidown.slack.example/",
        "team": "apidown",
        "user": "apidown",
        "team_id": TEAM,
        "user_id": BOT_USER,
        "bot_id": BOT,
        "is_enterprise_install": False,
    }


def user_info(workspace: Workspace, args: Json) -> Json:
    user = workspace.users.get(args.get("user", ""))
    if user is None:
        raise SlackError("user_not_found")
    profile = {"real_name": user.name, "display_name": user.name}
    shown = {"id": user.id, "team_id": TEAM, "name": user.name, "real_name": user.name, "deleted": False, "tz": "Etc/UTC"}
    return {"user": {**shown, "is_bot": user.is_bot, "profile": profile}}


def group_users(workspace: Workspace, args: Json) -> Json:
    if args.get("usergroup") not in workspace.usergroups:
        raise SlackError("no_such_subteam")
    return {"users": list(workspace.usergroups[args["usergroup"]][1])}


def list_groups(workspace: Workspace, args: Json) -> Json:
    groups = [
        {"id": group, "team_id": TEAM, "is_usergroup": True, "name": handle, "handle": handle, "date_delete": 0}
        for group, (handle, _) in workspace.usergroups.items()
    ]
    return {"usergroups": groups}


def _target(workspace: Workspace, args: Json) -> tuple[Channel, Message]:
    channel = workspace.joined(args.get("channel"))
    if channel.archived:
        raise SlackError("is_archived")
    return channel, workspace.message(channel, args.get("timestamp"))


def add_reaction(workspace: Workspace, args: Json) -> Json:
    _, message = _target(workspace, args)
    emoji = str(args.get("name") or "").strip(":")
    if not emoji:
        raise SlackError("invalid_name")
    if BOT_USER in message.reactions.get(emoji, set()):
        raise SlackError("already_reacted")
    if emoji not in message.reactions and len(message.reactions) >= _MOST_REACTIONS:
        raise SlackError("too_many_emoji")
    message.reactions.setdefault(emoji, set()).add(BOT_USER)
    return {}


def remove_reaction(workspace: Workspace, args: Json) -> Json:
    _, message = _target(workspace, args)
    emoji = str(args.get("name") or "").strip(":")
    if BOT_USER not in message.reactions.get(emoji, set()):
        raise SlackError("no_reaction")
    message.reactions[emoji].discard(BOT_USER)
    if not message.reactions[emoji]:
        del message.reactions[emoji]
    return {}


def add_pin(workspace: Workspace, args: Json) -> Json:
    channel, message = _target(workspace, args)
    if (channel.id, message.ts) in workspace.pins:
        raise SlackError("already_pinned")
    workspace.pins.add((channel.id, message.ts))
    return {}


def add_bookmark(workspace: Workspace, args: Json) -> Json:
    channel = workspace.joined(args.get("channel_id"))
    if not args.get("title") or args.get("type") != "link" or not str(args.get("link", "")).startswith(("http://", "https://")):
        raise SlackError("invalid_arguments")
    bookmark = {"id": workspace.new_id("Bk"), "channel_id": channel.id, "title": args["title"], "link": args["link"]}
    workspace.bookmarks.append(bookmark)
    return {"bookmark": bookmark}


def set_status(workspace: Workspace, args: Json) -> Json:
    channel = workspace.joined(args.get("channel_id"))
    root = channel.messages.get(args.get("thread_ts", ""))
    if root is None or root.is_reply:
        raise SlackError("invalid_thread_ts")
    workspace.statuses[channel.id, root.ts] = str(args.get("status") or "")
    return {}


METHODS = {
    "auth.test": Method(auth_test, reads=True),
    "users.info": Method(user_info, tier=4, scope="users:read", args="user include_locale", reads=True),
    "usergroups.list": Method(
        list_groups,
        tier=2,
        scope="usergroups:read",
        args="include_count include_disabled include_users team_id",
        reads=True,
    ),
    "usergroups.users.list": Method(
        group_users, tier=2, scope="usergroups:read", args="usergroup include_disabled team_id", reads=True
    ),
    "reactions.add": Method(add_reaction, tier=3, scope="reactions:write", args="channel name timestamp"),
    "reactions.remove": Method(remove_reaction, tier=2, scope="reactions:write", args="channel name timestamp"),
    "pins.add": Method(add_pin, tier=2, scope="pins:write", args="channel timestamp"),
    "bookmarks.add": Method(
        add_bookmark, tier=2, scope="bookmarks:write", args="channel_id title type link emoji entity_id parent_id"
    ),
    "assistant.threads.setStatus": Method(
        set_status, scope="chat:write", args="channel_id thread_ts status loading_messages icon_emoji icon_url username"
    ),
}
