"""What people and other apps do in the fake Slack, each through the interface Slack gives them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.fakes.slack_server import interactions, views
from tests.fakes.slack_server.responses import Responses, speak
from tests.fakes.slack_server.sockets import Sockets
from tests.fakes.slack_server.values import Ack, Delivery, Json, Message, SlackError, View, live_elements
from tests.fakes.slack_server.workspace import BOT_USER, Workspace


class People:
    """The drivers of a test. They fail with AssertionError where a person could not do that at all."""

    workspace: Workspace
    sockets: Sockets
    responses: Responses

    async def slash(self, user: str, channel: str, text: str = "", *, command: str = "/apidown", in_thread: bool = False) -> Ack:
        assert not in_thread, "Slack does not take slash commands in a thread"
        trigger = self.workspace.new_trigger(user)
        url = self.responses.issue("commands", user=user, channel=channel)
        payload = interactions.command(
            self.workspace, user=user, channel=channel, text=text, command=command, response_url=url, trigger=trigger
        )
        delivery = await self.sockets.deliver("slash_commands", payload, accepts=True)
        ack = _ack(delivery, trigger, url)
        if ack.payload:
            try:
                speak(self.workspace, ack.payload, user=user, channel=channel, via="ack")
            except SlackError as error:
                self.workspace.violations.append(f"the acknowledgement of {command} was refused: {error.code} {error.more}")
        return ack

    async def click(self, user: str, channel: str, ts: str, action_id: str, *, value: str | None = None) -> Ack:
        assert user in self.workspace.channels[channel].members, f"{user} is not in the channel and sees no button"
        message = self.workspace.channels[channel].messages[ts]
        block, element = _find(message.blocks, action_id, value)
        trigger = self.workspace.new_trigger(user)
        url = self.responses.issue("actions", user=user, channel=channel, message=message)
        action = interactions.action(block, element, value)
        payload = interactions.click(self.workspace, message, action, user=user, response_url=url, trigger=trigger)
        return _ack(await self.sockets.deliver("interactive", payload), trigger, url)

    async def press(self, user: str, view_id: str, action_id: str, *, value: str | None = None) -> Ack:
        view = self._seen(user, view_id)
        block, element = _find(view.blocks, action_id)
        trigger = self.workspace.new_trigger(user)
        payload = interactions.press(self.workspace, view, interactions.action(block, element, value), trigger=trigger)
        return _ack(await self.sockets.deliver("interactive", payload), trigger, "")

    async def shortcut(self, user: str, channel: str, ts: str, callback_id: str) -> Ack:
        message = self.workspace.channels[channel].messages[ts]
        trigger = self.workspace.new_trigger(user)
        url = self.responses.issue("actions", user=user, channel=channel)
        payload = interactions.shortcut(self.workspace, message, callback_id, user=user, response_url=url, trigger=trigger)
        return _ack(await self.sockets.deliver("interactive", payload), trigger, url)

    async def submit(self, user: str, view_id: str, values: dict[str, dict[str, Any]]) -> Ack:
        view = self._seen(user, view_id)
        trigger = self.workspace.new_trigger(user)
        payload = interactions.submission(self.workspace, view, values, trigger=trigger)
        ack = _ack(await self.sockets.deliver("interactive", payload, accepts=True), trigger, "")
        if ack.error is None:
            try:
                self._after_submit(view, ack.payload)
            except SlackError as error:
                self.workspace.violations.append(f"the view in a response_action was refused: {error.code} {error.more}")
        return ack

    def _seen(self, user: str, view_id: str) -> View:
        stack = self.workspace.stacks.get(user, [])
        home = self.workspace.home.get(user)
        on_screen = [self.workspace.views[stack[-1]]] if stack else []
        on_screen += [home] if home else []
        view = next((view for view in on_screen if view.id == view_id), None)
        assert view is not None, f"{self.workspace.name(user)} does not see view {view_id}, only {[v.id for v in on_screen]}"
        return view

    def _after_submit(self, view: View, answer: Json) -> None:
        stack = self.workspace.stacks[view.user]
        match answer.get("response_action"):
            case None:
                self.workspace.views.pop(stack.pop(), None)
            case "clear":
                for one in stack:
                    self.workspace.views.pop(one, None)
                stack.clear()
            case "update":
                views.replace(self.workspace, view, answer.get("view"))
            case "push":
                views.check(self.workspace, answer.get("view"), "modal")
                views.put_on_top(self.workspace, view.user, answer["view"])
            case "errors":
                inputs = {block.get("block_id") for block in view.blocks if block["type"] == "input"}
                wrong = set(answer.get("errors", {})) - inputs
                if wrong or not answer.get("errors"):
                    self.workspace.violations.append(f"errors for inputs {sorted(wrong)} that the view does not have")
            case other:
                self.workspace.violations.append(f"a response_action that Slack does not know: {other}")

    def say(self, user: str, channel: str, text: str, *, thread_ts: str | None = None) -> Message:
        place = self.workspace.channels[channel]
        assert user in place.members, f"{user} is not in #{place.name}"
        assert not place.archived, f"#{place.name} is archived"
        root = self.workspace.root_for(place, thread_ts) if thread_ts else None
        message = self.workspace.add(place, user=user, text=text, thread_ts=root)
        if f"<@{BOT_USER}" in text:
            mention = {**self.workspace.as_json(message), "type": "app_mention", "channel": channel, "event_ts": message.ts}
            self.workspace.emit(mention)
        return message

    def alert(
        self, channel: str, text: str = "", *, webhook: bool = True, attachments: Iterable[Json] = (), blocks: Iterable[Json] = ()
    ) -> Message:
        """Another app's post: as an incoming webhook sends it, or with ``webhook`` False as a modern app does."""
        return self.workspace.add(
            self.workspace.channels[channel],
            user=None if webhook else "U0ALERTS01",
            bot_id="B0ALERTS01",
            text=text,
            attachments=list(attachments),
            blocks=list(blocks),
            subtype="bot_message" if webhook else None,
            username="Alertmanager" if webhook else None,
            app_id=None if webhook else "A0ALERTS01",
        )

    def open_home(self, user: str) -> None:
        event = {"type": "app_home_opened", "user": user, "tab": "home", "channel": self.workspace.dm(user).id}
        self.workspace.emit({**event, "event_ts": self.workspace.new_ts()})

    def erase(self, channel: str, ts: str) -> None:
        self.workspace.erase(self.workspace.channels[channel], ts)


def _find(blocks: list[Json], action_id: str, value: str | None = None) -> tuple[Json, Json]:
    """The first element with this id; of several buttons the first with this in its value."""
    there = live_elements(blocks)
    found = next((pair for pair in there if pair[1]["action_id"] == action_id and _is_meant(pair[1], value)), None)
    assert found is not None, f"no {action_id} to press, only {[element['action_id'] for _, element in there]}"
    return found


def _is_meant(element: Json, value: str | None) -> bool:
    return value is None or element["type"] != "button" or value in element.get("value", "")


def _ack(delivery: Delivery, trigger: str, url: str) -> Ack:
    latency = delivery.acked_at - delivery.attempts[0].sent_at if delivery.acked_at is not None else None
    payload = delivery.ack_payload or {}
    return Ack(latency=latency, payload=payload, error=delivery.error, trigger_id=trigger, response_url=url, delivery=delivery)
