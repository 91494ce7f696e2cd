"""views.*: modals, at most three deep, and the Home tab."""

from __future__ import annotations

import time
from typing import Any

from tests.fakes.slack_server import limits
from tests.fakes.slack_server.blocks import check_view, view_size
from tests.fakes.slack_server.method import Method
from tests.fakes.slack_server.reading import broadcasts
from tests.fakes.slack_server.values import Json, SlackError, View
from tests.fakes.slack_server.workspace import APP, BOT, TEAM, Workspace


def view_json(view: View) -> Json:
    body = {key: view.payload[key] for key in view.payload}
    state = {"values": {}}
    ids = {"id": view.id, "team_id": TEAM, "app_id": APP, "bot_id": BOT, "hash": view.hash}
    return {"state": state, "private_metadata": "", "callback_id": "", **body, **ids, **_places(view)}


def _places(view: View) -> Json:
    return {"root_view_id": view.root_id, "previous_view_id": view.previous_id}


def check(workspace: Workspace, payload: Any, kind: str) -> None:
    """Refuses a view that Slack would not show."""
    errors = check_view(payload)
    if not errors and payload["type"] != kind:
        errors = [f"must be one of: {kind} [json-pointer:/view/type]"]
    if errors:
        raise SlackError("invalid_arguments", response_metadata={"messages": [f"[ERROR] {error}" for error in errors]})
    if view_size(payload) > limits.VIEW_MAX_BYTES:
        raise SlackError("view_too_large")
    for mention in broadcasts("", payload["blocks"], (), workspace.allowed_mentions):
        workspace.violations.append(f"a view mentions {mention}")
    external = payload.get("external_id")
    if external and any(view.payload.get("external_id") == external for view in workspace.views.values()):
        raise SlackError("duplicate_external_id")


def _redeem(workspace: Workspace, args: Json) -> str:
    """The user whose click this trigger came from; a trigger works once and not for long."""
    trigger = args.get("trigger_id") or ""
    if trigger in workspace.used_triggers:
        raise SlackError("exchanged_trigger_id")
    if trigger not in workspace.triggers:
        raise SlackError("invalid_trigger_id")
    user, expires = workspace.triggers[trigger]
    if time.monotonic() > expires:
        raise SlackError("expired_trigger_id")
    return user


def open_(workspace: Workspace, args: Json) -> Json:
    user = _redeem(workspace, args)
    check(workspace, args.get("view"), "modal")
    workspace.used_triggers.add(args["trigger_id"])
    for old in workspace.stacks.pop(user, []):
        workspace.views.pop(old, None)
    return {"view": view_json(put_on_top(workspace, user, args["view"]))}


def push(workspace: Workspace, args: Json) -> Json:
    user = _redeem(workspace, args)
    check(workspace, args.get("view"), "modal")
    if len(workspace.stacks.get(user, [])) >= limits.VIEW_STACK_MAX_ITEMS:
        raise SlackError("push_limit_reached")
    workspace.used_triggers.add(args["trigger_id"])
    return {"view": view_json(put_on_top(workspace, user, args["view"]))}


def put_on_top(workspace: Workspace, user: str, payload: Json) -> View:
    """Shows one more modal to the user, above those that are open."""
    stack = workspace.stacks.setdefault(user, [])
    view_id = workspace.new_id("V")
    view = View(
        id=view_id,
        user=user,
        payload=payload,
        hash=workspace.new_ts(),
        root_id=stack[0] if stack else view_id,
        previous_id=stack[-1] if stack else None,
    )
    workspace.views[view_id] = view
    stack.append(view_id)
    return view


def update(workspace: Workspace, args: Json) -> Json:
    external = args.get("external_id")
    by_external = [view for view in workspace.views.values() if external and view.payload.get("external_id") == external]
    view = by_external[0] if by_external else workspace.views.get(args.get("view_id") or "")
    if view is None:
        raise SlackError("not_found")
    if args.get("hash") and args["hash"] != view.hash:
        raise SlackError("hash_conflict")
    replace(workspace, view, args.get("view"))
    return {"view": view_json(view)}


def replace(workspace: Workspace, view: View, payload: Any) -> None:
    """Shows other content in an open view. Its own external id is not a duplicate."""
    del workspace.views[view.id]
    try:
        check(workspace, payload, view.payload["type"])
        view.payload, view.hash = payload, workspace.new_ts()
    finally:
        workspace.views[view.id] = view


def publish(workspace: Workspace, args: Json) -> Json:
    user = args.get("user_id")
    if user not in workspace.users:
        raise SlackError("user_not_found")
    old = workspace.home.get(user)
    if old and args.get("hash") and args["hash"] != old.hash:
        raise SlackError("hash_conflict")
    check(workspace, args.get("view"), "home")
    view_id = old.id if old else workspace.new_id("V")
    workspace.home[user] = View(id=view_id, user=user, payload=args["view"], hash=workspace.new_ts(), root_id=view_id)
    return {"view": view_json(workspace.home[user])}


METHODS = {
    "views.open": Method(open_, tier=4, args="trigger_id view interactivity_pointer"),
    "views.push": Method(push, tier=4, args="trigger_id view interactivity_pointer"),
    "views.update": Method(update, tier=4, args="view view_id external_id hash"),
    "views.publish": Method(publish, tier=4, args="user_id view hash"),
}
