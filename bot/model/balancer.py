"""What a load balancer says of itself: its proxies and their servers, as values with names of our own."""

from __future__ import annotations

from enum import StrEnum

from bot.model.base import Value


class RowKind(StrEnum):
    """What one row of the statistics is about."""

    FRONTEND = "frontend"
    BACKEND = "backend"
    SERVER = "server"


class BalancerRow(Value):
    """One row. Texts are the balancer's own, bounded; what it does not tell is empty or None.

    ``check`` is such as ``L4CON`` or ``L7STS``, ``code`` the HTTP status that a check was answered with, ``said`` the error or
    text that came with it; while the next check runs (``checking``) an HAProxy keeps ``check`` and forgets both.
    ``changed_s`` is how long ago the status changed, ``down_s`` how long it was down in all, and ``went_down`` how often, since
    the balancer started. Counters count from then, too.
    """

    proxy: str
    name: str
    kind: RowKind
    status: str = ""
    mode: str = ""
    weight: int | None = None
    address: str = ""
    check: str = ""
    checking: bool = False
    code: int | None = None
    said: str = ""
    changed_s: int | None = None
    down_s: int | None = None
    went_down: int | None = None
    sessions: int | None = None
    session_limit: int | None = None
    queued: int | None = None
    connection_errors: int | None = None
    response_errors: int | None = None
    redispatched: int | None = None


class BalancerStatistics(Value):
    """One reading. The process's own numbers are known where its socket is asked; ``complete`` is false when there was more
    than is read."""

    rows: tuple[BalancerRow, ...]
    version: str = ""
    uptime_s: int | None = None
    connections: int | None = None
    connection_limit: int | None = None
    complete: bool = True
