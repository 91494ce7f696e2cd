"""The payloads Slack sends when people act: commands, clicks, shortcuts, submitted modals, events."""

from __future__ import annotations

import secrets
import time
from typing import Any

from tests.fakes.slack_server.values import Json, Message, View
from tests.fakes.slack_server.views import view_json
from tests.fakes.slack_server.workspace import APP, BOT_USER, TEAM, Workspace

_TEAM = {"id": TEAM, "domain": "apidown"}


def command(workspace: Workspace, *, user: str, channel: str, text: str, command: str, response_url: str, trigger: str) -> Json:
    return {
        "token": "verification",
        "team_id": TEAM,
        "team_domain": "apidown",
        "channel_id": channel,
        "channel_name": workspace.channels[channel].name,
        "user_id": user,
        "user_name": workspace.users[user].name,
        "command": command,
        "text": text,
        "api_app_id": APP,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger,
    }


def _person(workspace: Workspace, user: str) -> Json:
    name = workspace.users[user].name
    return {"id": user, "username": name, "name": name, "team_id": TEAM}


def _base(workspace: Workspace, kind: str, user: str, trigger: str) -> Json:
    return {
        "type": kind,
        "user": _person(workspace, user),
        "api_app_id": APP,
        "token": "verification",
        "trigger_id": trigger,
        "team": _TEAM,
        "enterprise": None,
        "is_enterprise_install": False,
    }


def action(block: Json, element: Json, value: str | None) -> Json:
    """One entry of ``actions``: what was pressed, or what was chosen."""
    body = {"action_id": element["action_id"], "type": element["type"], "action_ts": f"{time.time():.6f}"}
    body["block_id"] = block.get("block_id", "auto")
    if element["type"] == "button":
        return {**body, **{key: element[key] for key in ("text", "value", "style", "url") if key in element}}
    return {**body, **chosen(element, value)}


def chosen(element: Json, value: Any) -> Json:
    """What an input element reports for a value a person gave it. AssertionError if a person could not have given it."""
    kind = element["type"]
    if kind in ("plain_text_input", "number_input"):
        most = element.get("max_length", 3000)
        assert value is None or len(value) <= most, f"the field takes {most} characters"
        return {"value": value}
    if kind in ("multi_static_select", "checkboxes"):
        return {"selected_options": [_pick(element, one) for one in value or ()]}
    if kind in ("static_select", "radio_buttons", "overflow"):
        return {"selected_option": None if value is None else _pick(element, value)}
    field = {
        "users_select": "selected_user",
        "channels_select": "selected_channel",
        "conversations_select": "selected_conversation",
        "datepicker": "selected_date",
        "timepicker": "selected_time",
    }[kind]
    return {field: value}


def _pick(element: Json, value: str) -> Json:
    picked = next((option for option in element["options"] if option["value"] == value), None)
    assert picked is not None, f"no option {value!r} in {[option['value'] for option in element['options']]}"
    return picked


def click(workspace: Workspace, message: Message, action: Json, *, user: str, response_url: str, trigger: str) -> Json:
    container = {"type": "message", "message_ts": message.ts, "channel_id": message.channel, "is_ephemeral": False}
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    return {
        **_base(workspace, "block_actions", user, trigger),
        "container": container,
        "channel": {"id": message.channel, "name": workspace.channels[message.channel].name},
        "message": workspace.as_json(message),
        "state": {"values": {}},
        "response_url": response_url,
        "actions": [action],
    }


def press(workspace: Workspace, view: View, action: Json, *, trigger: str) -> Json:
    container = {"type": "view", "view_id": view.id}
    return {
        **_base(workspace, "block_actions", view.user, trigger),
        "container": container,
        "view": view_json(view),
        "actions": [action],
    }


def shortcut(workspace: Workspace, message: Message, callback_id: str, *, user: str, response_url: str, trigger: str) -> Json:
    return {
        **_base(workspace, "message_action", user, trigger),
        "callback_id": callback_id,
        "channel": {"id": message.channel, "name": workspace.channels[message.channel].name},
        "message_ts": message.ts,
        "message": workspace.as_json(message),
        "response_url": response_url,
        "action_ts": f"{time.time():.6f}",
    }


def submission(workspace: Workspace, view: View, values: dict[str, dict[str, Any]], *, trigger: str) -> Json:
    state: dict[str, Json] = {}
    blocks = {block.get("block_id", str(number)): block for number, block in enumerate(view.blocks) if block["type"] == "input"}
    unknown = set(values) - set(blocks)
    assert not unknown, f"no input blocks {sorted(unknown)} in the view, only {sorted(blocks)}"
    for block_id, block in blocks.items():
        element = block["element"]
        given = values.get(block_id, {})
        assert set(given) <= {element["action_id"]}, f"{block_id} has the input {element['action_id']}, not {sorted(given)}"
        value = given.get(element["action_id"])
        assert value not in (None, "") or block.get("optional"), f"a person cannot submit without {block_id}"
        state[block_id] = {element["action_id"]: {"type": element["type"], **chosen(element, value)}}
    shown = {**view_json(view), "state": {"values": state}}
    return {**_base(workspace, "view_submission", view.user, trigger), "view": shown, "response_urls": []}


def event(event: Json) -> Json:
    """An event in the wrapping of the Events API, with an id of its own."""
    authorization = {"enterprise_id": None, "team_id": TEAM, "user_id": BOT_USER, "is_bot": True, "is_enterprise_install": False}
    return {
        "token": "verification",
        "team_id": TEAM,
        "api_app_id": APP,
        "event": event,
        "type": "event_callback",
        "event_id": f"Ev{secrets.token_hex(6).upper()}",
        "event_time": int(time.time()),
        "authorizations": [authorization],
        "is_ext_shared_channel": False,
    }
