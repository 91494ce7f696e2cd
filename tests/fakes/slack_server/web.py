"""The HTTP side: arguments in every form the SDK sends, the order of Slack's checks, and the faults."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.fakes.slack_server import chat, conversations, files, people, views
from tests.fakes.slack_server.method import Method
from tests.fakes.slack_server.pace import Pace
from tests.fakes.slack_server.values import AFTER_THE_DEED, Call, Fault, Json, SlackError
from tests.fakes.slack_server.workspace import Workspace

METHODS: dict[str, Method] = {
    **chat.METHODS,
    **conversations.METHODS,
    **files.METHODS,
    **people.METHODS,
    **views.METHODS,
}
CONNECT = "apps.connections.open"
_BAD_JSON = {
    "blocks": "invalid_blocks_format",
    "attachments": "invalid_attachments",
    "metadata": "invalid_metadata_format",
    "view": "invalid_arguments",
    "files": "invalid_arguments",
}
_FLAGS = frozenset(
    {
        "as_user",
        "delete_original",
        "exclude_archived",
        "include_all_metadata",
        "include_disabled",
        "include_locale",
        "include_num_members",
        "inclusive",
        "link_names",
        "mrkdwn",
        "replace_original",
        "reply_broadcast",
        "return_im",
        "unfurl_links",
        "unfurl_media",
    }
)
_TRUE = frozenset({"1", "true", "True"})


class Web:
    """Answers requests to ``/api``, ``/upload`` and the response URLs, and keeps the journal of them."""

    def __init__(self, workspace: Workspace, pace: Pace, *, bot_token: str, app_token: str, connect: Callable[[], Json]) -> None:
        self.workspace = workspace
        self.pace = pace
        self.bot_token = bot_token
        self.app_token = app_token
        self.connect = connect
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.failures: list[BaseException] = []
        self.token_errors: dict[str, str] = {}
        self.unknown_arguments: list[tuple[str, str]] = []

    async def api(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        try:
            args, problem = await read_arguments(request), None
        except SlackError as error:
            args, problem = {}, error

        def work() -> tuple[int, Json]:
            if problem:
                raise problem
            return self._call(name, args, request)

        return await self.answer(request, name, args, work)

    async def upload(self, request: web.Request) -> web.StreamResponse:
        file = self.workspace.files.get(request.match_info["file"])
        content = await request.read()

        def work() -> tuple[int, str]:
            if file is None or file.content is not None:
                return 404, "no such upload"
            if len(content) != file.length:
                return 400, f"{file.length} bytes were announced and {len(content)} came"
            file.content = content
            return 200, f"OK - {len(content)}"

        return await self.answer(request, "upload", {"file": request.match_info["file"], "length": len(content)}, work)

    async def answer(
        self, request: web.Request, name: str, args: Json, work: Callable[[], tuple[int, Json | str]]
    ) -> web.StreamResponse:
        """Does the work, unless a fault is in the way, and writes the call down."""
        shown = {key: value for key, value in args.items() if key != "token"}
        call = Call(method=name, verb=request.method, args=shown, at=time.monotonic())
        self.calls.append(call)
        try:
            return await self._answer(request, call, work)
        except Exception as error:
            self.failures.append(error)  # the fake's own defect: aiohttp answers 500, assert_clean names it
            raise
        finally:
            call.took = time.monotonic() - call.at

    async def _answer(self, request: web.Request, call: Call, work: Callable[[], tuple[int, Json | str]]) -> web.StreamResponse:
        fault = self._armed(call, after=False)
        if fault:
            fault.fire()
            call.fault = fault.kind
            if fault.kind != "slow":
                return self._broken(request, call, fault)
            await asyncio.sleep(fault.delay)
        status, body = self._perform(call, work)
        done = status == 200 and call.error is None
        fault = self._armed(call, after=True) if done else None
        if fault is None:
            return self._response(call, status, body)
        fault.fire()
        call.fault = fault.kind
        if fault.kind == "reset_after":
            return self._reset(request, call)
        if fault.kind == "slow_after":
            await asyncio.sleep(fault.delay)
            return self._response(call, status, body)
        call.status = status
        whole = body if isinstance(body, str) else json.dumps(body)
        return web.Response(text=whole[: len(whole) // 2], content_type="application/json")

    def _perform(self, call: Call, work: Callable[[], tuple[int, Json | str]]) -> tuple[int, Json | str]:
        try:
            status, body = work()
        except SlackError as error:
            call.error = error.code
            status, body = 200, {"ok": False, "error": error.code, **error.more}
        if status != 200:
            call.error = str(body["error"]) if isinstance(body, dict) else body
        return status, body

    def _armed(self, call: Call, *, after: bool) -> Fault | None:
        right_time = (f for f in self.faults if (f.kind in AFTER_THE_DEED) is after)
        return next((fault for fault in right_time if fault.meets(call.method, call.args)), None)

    def _broken(self, request: web.Request, call: Call, fault: Fault) -> web.StreamResponse:
        match fault.kind:
            case "reset_before":
                return self._reset(request, call)
            case "429":
                call.error = "ratelimited"
                return self._response(call, 429, {"ok": False, "error": "ratelimited"}, retry_after=fault.retry_after)
            case "5xx":
                call.status = fault.status
                return web.Response(status=fault.status, text="upstream connect error")
            case "html":
                call.status = 503
                return web.Response(status=503, text="<html><body>Service unavailable</body></html>", content_type="text/html")
        call.error = fault.error
        return self._response(call, 200, {"ok": False, "error": fault.error})

    def _reset(self, request: web.Request, call: Call) -> web.StreamResponse:
        call.error = "reset"
        reset(request)
        return web.Response()

    def _response(self, call: Call, status: int, body: Json | str, *, retry_after: int | None = None) -> web.Response:
        call.status = status
        if isinstance(body, str):
            return web.Response(status=status, text=body)
        headers = {"X-OAuth-Scopes": ",".join(sorted(self.workspace.scopes))} if body.get("ok") else {}
        wait = body.pop("retry_after", retry_after)
        if wait is not None:
            headers["Retry-After"] = str(wait)
        return web.json_response(body, status=status, headers=headers)

    def _call(self, name: str, args: Json, request: web.Request) -> tuple[int, Json]:
        self._check_token(name, args, request.headers.get("Authorization"))
        method = METHODS.get(name)
        if method is None and name != CONNECT:
            raise SlackError("unknown_method")
        wait = self._wait(name, args, method)
        if wait:
            return 429, {"ok": False, "error": "ratelimited", "retry_after": wait}
        if method is None:
            return 200, {"ok": True, **self.connect()}
        self._check_scope(method, args)
        if request.method == "GET" and not method.reads:
            raise SlackError("invalid_post_type")
        self.unknown_arguments += [(name, key) for key in args if key not in method.known]
        return 200, {"ok": True, **method.run(self.workspace, args)}

    def _check_token(self, name: str, args: Json, header: str | None) -> None:
        token = header.removeprefix("Bearer ") if header else None
        if token is None and name != CONNECT:
            token = args.get("token")
        if not token:
            raise SlackError("not_authed")
        if token not in (self.bot_token, self.app_token):
            raise SlackError("invalid_auth")
        if token in self.token_errors:
            raise SlackError(self.token_errors[token])
        if (token == self.app_token) is not (name == CONNECT):
            raise SlackError("not_allowed_token_type")

    def _wait(self, name: str, args: Json, method: Method | None) -> int:
        if name == "chat.postMessage":
            return self.pace.post(str(args.get("channel")))
        return self.pace.call(name, method.tier if method else 3)

    def _check_scope(self, method: Method, args: Json) -> None:
        if method.scope is None:
            return
        kind = self.workspace.channel(args.get("channel")).kind if "{kind}" in method.scope else ""
        self.workspace.need(method.scope.format(kind=kind))


async def read_arguments(request: web.Request) -> Json:
    """Query and body merged into one set of arguments, with JSON and booleans decoded."""
    args: Json = dict(request.query)
    form = request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data")
    raw = b"" if form else await request.read()
    if raw and request.content_type == "application/json":
        body = _decode(raw.decode(), "invalid_json")
        if not isinstance(body, dict):
            raise SlackError("json_not_object")
        args |= body
    elif form:
        args |= {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    elif raw:
        raise SlackError("invalid_post_type")
    for key, value in args.items():
        if key in _BAD_JSON and isinstance(value, str):
            args[key] = _decode(value, _BAD_JSON[key])
        elif key in _FLAGS:
            args[key] = value is True or str(value) in _TRUE
    return args


def _decode(text: str, code: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise SlackError(code) from error


def reset(request: web.BaseRequest) -> None:
    """Cuts the connection the hard way: the peer sees a TCP reset."""
    if request.transport is None:
        return
    raw = request.transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
