"""Socket Mode: tickets, connections, envelopes, acknowledgements and their deadline, retries of events."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from tests.fakes.slack_server.values import Attempt, Delivery, Json
from tests.fakes.slack_server.web import reset
from tests.fakes.slack_server.workspace import APP, Workspace

_CLOSE_WAIT = 0.5


@dataclass(kw_only=True, eq=False)
class Connection:
    """One open WebSocket of the app. A frozen one neither answers nor listens."""

    number: int
    socket: web.WebSocketResponse
    request: web.Request
    frozen: bool = False


@dataclass(kw_only=True)
class _Sent:
    delivery: Delivery
    attempt: Attempt
    acked: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False


class Sockets:
    """The server's side of every Socket Mode connection."""

    def __init__(self, workspace: Workspace, *, max_connections: int) -> None:
        self.workspace = workspace
        self.max_connections = max_connections
        self.link_enabled = True
        self.refuse = 0
        self.refused = 0
        self.tickets_issued = 0
        self.open: list[Connection] = []
        self.deliveries: list[Delivery] = []
        self._tickets: dict[str, float] = {}
        self._sent: dict[str, list[_Sent]] = {}
        self._count = 0

    def issue(self) -> Json:
        """The answer to apps.connections.open: an address that works once, soon."""
        ticket = secrets.token_hex(16)
        self.tickets_issued += 1
        self._tickets[ticket] = time.monotonic() + self.workspace.scaled(self.workspace.timing.ticket_ttl)
        host = self.workspace.base_url.removeprefix("http://").removesuffix("/api/")
        return {"url": f"ws://{host}/link?ticket={ticket}&app_id={APP}"}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        expires = self._tickets.pop(request.query.get("ticket", ""), None)
        if expires is None or time.monotonic() > expires:
            self.refused += 1
            return web.Response(status=408, text="the ticket was used or has expired")
        if self.refuse:
            self.refuse -= 1
            self.refused += 1
            return web.Response(status=503, text="try again")
        socket = web.WebSocketResponse(autoping=False, timeout=_CLOSE_WAIT)
        await socket.prepare(request)
        refusal = "link_disabled" if not self.link_enabled else None
        if len(self.open) >= self.max_connections:
            refusal = "too_many_websockets"
        if refusal:
            await socket.send_json({"type": "disconnect", "reason": refusal, "debug_info": {"host": "fake"}})
            await socket.close()
            return socket
        self._count += 1
        connection = Connection(number=self._count, socket=socket, request=request)
        self.open.append(connection)
        try:
            await socket.send_json(self._hello())
            await self._listen(connection)
        except ConnectionError:
            pass  # the peer went away while it was spoken to; what it missed is found by the deadline
        finally:
            self.open.remove(connection)
        return socket

    def _hello(self) -> Json:
        debug = {"host": "fake", "build_number": 10, "approximate_connection_time": 18060}
        return {"type": "hello", "num_connections": len(self.open), "connection_info": {"app_id": APP}, "debug_info": debug}

    async def _listen(self, connection: Connection) -> None:
        async for frame in connection.socket:
            if connection.frozen:
                continue
            if frame.type == WSMsgType.PING:
                await connection.socket.pong(frame.data)
            elif frame.type == WSMsgType.TEXT:
                self._hear(connection, frame.data)
            elif frame.type == WSMsgType.BINARY:
                self.workspace.violations.append("a binary frame on the socket")

    def _hear(self, connection: Connection, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            frame = None
        if not isinstance(frame, dict):
            self.workspace.violations.append(f"a frame on the socket is no JSON object: {text[:80]!r}")
            return
        envelope = frame.get("envelope_id")
        sent = self._sent.get(envelope) if isinstance(envelope, str) else None
        if not sent:
            self.workspace.violations.append(f"an acknowledgement of an unknown envelope: {envelope!r}")
            return
        waiting = next((one for one in sent if one.attempt.acked_at is None), None)
        if waiting is None:
            self.workspace.violations.append(f"envelope {envelope} was acknowledged twice")
            return
        self._acknowledge(waiting, connection, frame.get("payload"))

    def _acknowledge(self, sent: _Sent, connection: Connection, payload: Json | None) -> None:
        delivery, attempt = sent.delivery, sent.attempt
        attempt.acked_at, attempt.acked_by, attempt.late = time.monotonic(), connection.number, sent.over
        if payload is not None and not delivery.accepts:
            self.workspace.violations.append(f"a payload in the acknowledgement of {delivery.type}, which takes none")
        if not sent.over:
            delivery.acked_at, delivery.ack_payload = attempt.acked_at, payload
            sent.acked.set()

    async def deliver(
        self, type: str, payload: Json, *, accepts: bool = False, retry: bool = False, envelope_id: str | None = None
    ) -> Delivery:
        """Hands a payload to the app; returns when it was acknowledged in time or given up."""
        delivery = Delivery(type=type, payload=payload, accepts=accepts)
        self.deliveries.append(delivery)
        waits = (0.0, *self.workspace.timing.event_retries) if retry else (0.0,)
        for number, wait in enumerate(waits):
            await asyncio.sleep(self.workspace.scaled(wait))
            delivery.error = await self._attempt(delivery, number, envelope_id or secrets.token_hex(16))
            if delivery.error is None:
                break
        delivery.done = True
        return delivery

    async def _attempt(self, delivery: Delivery, number: int, envelope_id: str) -> str | None:
        live = [connection for connection in self.open if not connection.socket.closed]
        if not live:
            return "dispatch_failed"
        connection = random.choice(live)
        envelope: Json = {"envelope_id": envelope_id, "type": delivery.type, "payload": delivery.payload}
        envelope["accepts_response_payload"] = delivery.accepts
        if delivery.type == "events_api":
            envelope |= {"retry_attempt": number, "retry_reason": "timeout" if number else ""}
        attempt = Attempt(envelope_id=envelope_id, connection=connection.number, sent_at=time.monotonic())
        sent = _Sent(delivery=delivery, attempt=attempt)
        delivery.attempts.append(attempt)
        self._sent.setdefault(envelope_id, []).append(sent)
        try:
            async with asyncio.timeout(self.workspace.scaled(self.workspace.timing.ack_deadline)):
                await connection.socket.send_json(envelope)
                await sent.acked.wait()
        except (TimeoutError, ConnectionError):
            sent.over = True
            return "operation_timeout"
        return None

    async def disconnect(self, reason: str, *, close: bool, connection: int | None) -> None:
        """Asks the app to reconnect, and closes the socket if ``close``."""
        for one in list(self.open):
            if connection in (None, one.number):
                await one.socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "fake"}})
                if close:
                    await one.socket.close()

    def drop(self) -> None:
        for connection in list(self.open):
            reset(connection.request)

    def freeze(self, frozen: bool) -> None:
        for connection in self.open:
            connection.frozen = frozen

    async def close(self) -> None:
        await asyncio.gather(*(connection.socket.close() for connection in list(self.open)))
