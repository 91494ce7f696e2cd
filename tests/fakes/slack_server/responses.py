"""Response URLs: five answers within half an hour to what one person did."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.fakes.slack_server import limits
from tests.fakes.slack_server.chat import revise
from tests.fakes.slack_server.values import Ephemeral, Json, Message, SlackError
from tests.fakes.slack_server.web import Web, read_arguments
from tests.fakes.slack_server.workspace import APP, BOT, BOT_USER, Workspace

_USES = 5


@dataclass(kw_only=True)
class _Address:
    user: str
    channel: str
    message: Message | None
    expires: float
    uses: int = 0


class Responses:
    """Issues the URLs and takes what is posted to them."""

    def __init__(self, workspace: Workspace, front: Web) -> None:
        self.workspace = workspace
        self.front = front
        self._addresses: dict[str, _Address] = {}

    def issue(self, kind: str, *, user: str, channel: str, message: Message | None = None) -> str:
        """A new URL; ``kind`` is commands or actions."""
        key = secrets.token_hex(12)
        expires = time.monotonic() + self.workspace.scaled(self.workspace.timing.response_url_ttl)
        self._addresses[key] = _Address(user=user, channel=channel, message=message, expires=expires)
        return f"{self.workspace.base_url.removesuffix('/api/')}/{kind}/{key}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        try:
            args, problem = await read_arguments(request), None
        except SlackError as error:
            args, problem = {}, error
        address = self._addresses.get(request.match_info["key"])

        def work() -> tuple[int, str]:
            if problem:
                return 400, problem.code
            if address is None:
                return 404, "no_such_url"
            if address.uses >= _USES:
                return 404, "used_url"
            if time.monotonic() > address.expires:
                return 404, "expired_url"
            address.uses += 1
            try:
                self._say(address, args)
            except SlackError as error:
                return 400, error.code
            return 200, "ok"

        return await self.front.answer(request, "response_url", args, work)

    def _say(self, address: _Address, args: Json) -> None:
        workspace = self.workspace
        channel = workspace.channels[address.channel]
        if args.get("delete_original"):
            if address.message is not None and not address.message.deleted:
                workspace.erase(channel, address.message.ts)
            return
        if args.get("replace_original") and address.message is not None:
            workspace.check_content(args, where="a response")
            parts = {key: args[key] for key in ("blocks", "attachments") if args.get(key) is not None}
            revise(workspace, address.message, args.get("text"), parts)
            return
        speak(workspace, args, user=address.user, channel=address.channel, via="response_url")


def speak(workspace: Workspace, args: Json, *, user: str, channel: str, via: str) -> None:
    """Says something new to the person, or to the channel if the app asks for that."""
    workspace.check_content(args, where=f"the {via}")
    text, blocks = args.get("text") or "", args.get("blocks") or []
    if not (text or blocks or args.get("attachments")):
        raise SlackError("no_text")
    if not blocks and len(text) > limits.MESSAGE_UNSPLIT_TEXT_MAX_LENGTH:
        workspace.violations.append(f"a text-only {via} of {len(text)} characters: Slack splits it into several messages")
    place = workspace.channels[channel]
    thread_ts: Any = args.get("thread_ts")
    root = workspace.root_for(place, thread_ts) if thread_ts is not None else None
    if args.get("response_type") == "in_channel":
        workspace.add(place, user=BOT_USER, bot_id=BOT, app_id=APP, text=text, blocks=blocks, thread_ts=root)
        return
    ephemeral = Ephemeral(at=time.monotonic(), user=user, channel=channel, thread_ts=root, text=text, blocks=blocks, via=via)
    workspace.ephemerals.append(ephemeral)
