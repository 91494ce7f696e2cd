"""What a balancer's statistics mean: for each server its state and its check, for each backend how many are left, for each
frontend whether it still takes sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.clock import stamp, utc
from bot.model.balancer import BalancerRow, BalancerStatistics
from bot.model.base import Json, Value
from bot.model.finding import Status
from bot.probes._shared.balancer import Backend, place
from bot.probes._shared.words import ago, listed

OUTCOMES = {
    "server-healthy": "the balancer has the server up, and the server itself answered its check well",
    "server-accepts": "the balancer has the server up, by a check that looks no further than the connection",
    "server-unchecked": "the balancer does not check the server",
    "server-failing-unchecked": "the balancer does not check the server, and connections to it fail",
    "server-refused": "the server's host refuses the balancer's checks",
    "server-silent": "the balancer's checks of the server are met with silence",
    "server-no-route": "the balancer finds no way, or no machine, at the server's address",
    "server-not-connected": "the balancer's checks do not connect, for another reason",
    "server-tls-silent": "the server takes the balancer's connection, and TLS stays unanswered",
    "server-tls-failed": "the balancer's check and the server do not agree on TLS",
    "server-check-silent": "the server takes the balancer's connection, and the check's request stays unanswered",
    "server-check-not-understood": "the check is answered with what the balancer cannot read, or cut off",
    "server-check-bad-request": "the check is answered 400, as when it speaks plain HTTP to a TLS port",
    "server-check-not-allowed": "the check is answered 401 or 403: it may not ask for that without credentials",
    "server-check-not-found": "the check is answered 404: it asks for a path that is not there",
    "server-check-overloaded": "the check is answered 429: the server has too many requests",
    "server-check-failing": "the check is answered 500, as by an API server whose own checks fail",
    "server-check-unavailable": "the check is answered 502, 503 or 504, as by something before an API server",
    "server-check-other-status": "the check is answered with another status that the balancer does not take for well",
    "server-recovering": "the server is still out, and its last check passed",
    "server-flapping": "the server went down and up again while this looked",
    "server-in-maintenance": "somebody, or the server's agent, took it out of service at the balancer",
    "server-draining": "it gets no new connections, by its weight or by somebody's wish",
    "server-unresolved": "the balancer cannot resolve the server's name",
    "server-full": "the server has as many sessions as the balancer gives it, and others wait",
    "server-at-other-port": "the balancer asks a control-plane node at another port than the API server's, and gets nowhere",
    "server-down": "the balancer has it down and does not tell why",
    "all-up": "every server of the backend is up",
    "not-all-checked": "the servers of the backend serve as far as the balancer knows, and it does not check all of them",
    "some-down": "some servers of the backend are up and others are not",
    "none-up": "no server of the backend is up",
    "frontend-open": "the frontend takes sessions",
    "frontend-full": "the frontend, or the whole process, has as many sessions as it takes",
    "frontend-stopped": "the frontend is stopped or paused",
    "backend-not-told": "it is not told which backend the API servers are in",
    "statistics-refused": "the balancer's statistics are refused, and so is the API server's address",
    "statistics-silent": "the balancer takes connections, for its statistics and for the API server, and answers none",
    "statistics-unreachable": "the balancer does not tell its statistics",
    "none-configured": "no balancer is configured that tells of itself",
}

STATUS = {
    **dict.fromkeys(("server-healthy", "server-accepts", "all-up", "not-all-checked", "frontend-open"), Status.OK),
    "server-unchecked": Status.INCONCLUSIVE,
    **dict.fromkeys(("backend-not-told", "statistics-unreachable", "none-configured"), Status.NOT_CHECKED),
}
"""All others are problems."""

_IN_USE = frozenset({"server-healthy", "server-accepts", "server-unchecked", "server-full"})
"""As far as the balancer knows they serve."""

_NOWHERE = frozenset(
    {
        "server-refused",
        "server-silent",
        "server-not-connected",
        "server-tls-silent",
        "server-tls-failed",
        "server-check-silent",
        "server-check-not-understood",
        "server-check-bad-request",
    }
)
"""Nobody there who could be an API server, as far as the check tells."""

_CODES = {
    400: "server-check-bad-request",
    401: "server-check-not-allowed",
    403: "server-check-not-allowed",
    404: "server-check-not-found",
    429: "server-check-overloaded",
    500: "server-check-failing",
    502: "server-check-unavailable",
    503: "server-check-unavailable",
    504: "server-check-unavailable",
}
_CHECKS = {
    "L4TOUT": ("server-silent", "its check is met with silence"),
    "L6TOUT": ("server-tls-silent", "its check gets no answer to TLS"),
    "L6RSP": ("server-tls-failed", "its check does not agree on TLS"),
    "L7TOUT": ("server-check-silent", "its check's request is not answered"),
    "L7RSP": ("server-check-not-understood", "its check's answer cannot be read"),
}
_ROUTES = ("no route to host", "host is unreachable", "host unreachable", "network is unreachable", "host is down")
_RESETS = ("connection refused", "connection reset")
_SLOW_FLAPS, _RECENT_S = 3, 600
_TURNING_S = 10
_NEARLY_FULL = 0.9


class Said(Value):
    """What is to be said of one row; ``says`` follows its name."""

    outcome: str
    says: str
    evidence: Json = {}
    warning: str | None = None

    @property
    def status(self) -> Status:
        return STATUS.get(self.outcome, Status.PROBLEM)


def server(row: BalancerRow, before: BalancerRow | None, now: datetime, *, api_port: int | None, waiting: int) -> Said:
    """One server, with its row of some seconds ago where there is one. ``api_port`` is the port of the API server at its
    address, where that is known; ``waiting`` are the sessions that wait for any server of its backend."""
    outcome, why = _state(row)
    host, port = place(row)
    if outcome in _NOWHERE and port is not None and api_port not in (None, port):
        outcome, why = "server-at-other-port", f"it is asked at port {port}, the API server of {host} is at {api_port}; {why}"
    elif outcome in _IN_USE and waiting and row.session_limit and (row.sessions or 0) >= row.session_limit:
        outcome, why = "server-full", f"{waiting} wait for one of its {row.session_limit} sessions"
    turns = 0 if before is None else changes(before, row)
    if turns > 1:
        outcome, why = "server-flapping", f"it changed {turns} times while this looked; {why}"
    elif outcome == "server-unchecked" and before is not None and _more(before.connection_errors, row.connection_errors):
        outcome, why = "server-failing-unchecked", "it is not checked, and connections to it fail at this moment"
    since, evidence = _since(row, now)
    evidence |= {
        "check": row.check,
        "code": row.code,
        "said": row.said,
        "address": row.address,
        "went_down": row.went_down,
        "down_s": row.down_s,
        "sessions": row.sessions,
        "session_limit": row.session_limit,
        # Nothing is said of what has not happened.
        "connection_errors": row.connection_errors or None,
        "response_errors": row.response_errors or None,
        "redispatched": row.redispatched or None,
    }
    shown = {key: value for key, value in evidence.items() if value not in (None, "")}
    return Said(outcome=outcome, says=f"is {row.status or 'in an unknown state'}{since}: {why}", evidence=shown)


def _since(row: BalancerRow, now: datetime) -> tuple[str, Json]:
    """When the row's status changed, as text and as evidence: when the balancer noticed is near when it began."""
    if row.changed_s is None:
        return "", {"status": row.status}
    age = timedelta(seconds=row.changed_s)
    return f" since {utc(now - age)} ({ago(age)})", {"status": row.status, "changed_at": stamp(now - age)}


def _state(row: BalancerRow) -> tuple[str, str]:
    word = row.status.upper()
    if word.startswith("MAINT") and "RESOLUTION" in word:
        return "server-unresolved", "its name does not resolve at the balancer"
    if word.startswith("MAINT") or "AGENT" in word:
        return "server-in-maintenance", "it was taken out of service"
    if word.startswith(("DRAIN", "NOLB")) or (word.startswith("UP") and row.weight == 0):
        return "server-draining", "it gets no new connections"
    if word.startswith("NO CHECK"):
        return "server-unchecked", "it is not checked"
    outcome, why = _check(row)
    if word.startswith("UP") and outcome in ("server-healthy", "server-accepts", "server-down"):
        return ("server-accepts", "by what check is not told") if outcome == "server-down" else (outcome, why)
    if outcome in ("server-healthy", "server-accepts"):
        return "server-recovering", f"its last check passed ({_told(row)})"
    return outcome, why


def _check(row: BalancerRow) -> tuple[str, str]:
    """What the last check met. A server whose check fails may still be up: it takes some failures to be taken out."""
    told = f" ({_told(row)})"
    if row.check.startswith("L7OK"):
        return "server-healthy", f"it answers its check well{told}"
    if row.check in ("L4OK", "L6OK"):
        return "server-accepts", f"it takes connections{told}, and no more is checked"
    if row.check == "L7STS":
        outcome = _CODES.get(row.code or 0, "server-check-other-status")
        return outcome, f"its check is answered {row.code or 'with a wrong status'}{told}"
    if row.check in _CHECKS:
        outcome, says = _CHECKS[row.check]
        return outcome, f"{says}{told}"
    if row.check in ("L4CON", "SOCKERR"):
        return _connection(row)
    return "server-down", f"why is not told{told if row.check else ''}"


def _connection(row: BalancerRow) -> tuple[str, str]:
    text = row.said.lower()
    if any(words in text for words in _ROUTES):
        return "server-no-route", f"its check finds no way there ({_told(row)})"
    if row.check == "L4CON" and any(words in text for words in _RESETS):
        return "server-refused", f"its check is refused ({_told(row)})"
    if any(words in text for words in _RESETS):
        return "server-check-not-understood", f"its check is cut off ({_told(row)})"
    return "server-not-connected", f"its check does not connect ({_told(row)})"


def _told(row: BalancerRow) -> str:
    return ", ".join(part for part in (f"{row.check} {row.code}" if row.code else row.check, row.said) if part)


def serves(row: BalancerRow) -> bool:
    """Whether connections are given to the server now and then, as far as one reading tells: it is up, or was a moment ago
    and not for the first time."""
    turning = (row.went_down or 0) > 1 and row.changed_s is not None and row.changed_s <= _TURNING_S
    return turning or row.status.upper().startswith(("UP", "NO CHECK"))


def untold(row: BalancerRow) -> bool:
    """Whether the next check runs already, so that the reason of the last one is not told."""
    return row.checking and ((row.check == "L7STS" and row.code is None) or (row.check in ("L4CON", "SOCKERR") and not row.said))


def changes(before: BalancerRow, after: BalancerRow) -> int:
    """How often the server went down or up between two readings: each way down that is counted has a way up beside it, but for
    the first and the last."""
    downs = (after.went_down or 0) - (before.went_down or 0)
    up = [row.status.upper().startswith("UP") for row in (before, after)]
    return max(2 * downs + up[1] - up[0], 0) if downs >= 0 else 0


def _more(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after > before


def often(row: BalancerRow, said: BalancerStatistics) -> str | None:
    """What goes down now and then, and did so a moment ago, will do it again."""
    if (row.went_down or 0) < _SLOW_FLAPS or not said.uptime_s or (row.changed_s or 0) > _RECENT_S:
        return None
    if said.uptime_s / (row.went_down or 1) > _RECENT_S:
        return None
    started = ago(timedelta(seconds=said.uptime_s))
    return f"Server {row.proxy}/{row.name} went down {row.went_down} times since the balancer started, {started} ago."


def backend(one: Backend, servers: Sequence[Said], now: datetime) -> Said:
    """How many of its servers are left."""
    good = sum(said.outcome in _IN_USE for said in servers)
    count = len(servers)
    evidence: Json = {"servers": count, "up": good}
    blind = sum(said.outcome == "server-unchecked" for said in servers)
    if good == count and blind:
        warning = f"The balancer does not check {blind} of {count} API servers: when one of them fails, so do its connections."
        says = f"has {count} servers, and the balancer does not check {blind} of them"
        return Said(outcome="not-all-checked", says=says, evidence=evidence, warning=warning)
    if good == count:
        return Said(outcome="all-up", says=f"has every server up: {count}", evidence=evidence)
    if not good:
        since, lost = _since(one.own, now) if one.own and one.own.status.upper().startswith("DOWN") else ("", {})
        return Said(outcome="none-up", says=f"has none of {count} servers up{since}", evidence=evidence | lost)
    bad = [row.name for row, said in zip(one.servers, servers, strict=True) if said.outcome not in _IN_USE]
    warning = (
        f"Behind the balancer {good} of {count} API servers serve, without {listed(bad)[:200]}: nobody notices until more fail."
    )
    return Said(outcome="some-down", says=f"has {good} of {count} servers up", evidence=evidence, warning=warning)


def frontend(row: BalancerRow, said: BalancerStatistics) -> Said:
    """Whether new sessions get in, by the frontend's own limit and by the process's."""
    open_, limit = row.sessions or 0, row.session_limit or 0
    evidence: Json = {"status": row.status, "sessions": open_, "session_limit": limit or None}
    if said.connection_limit is not None:
        evidence |= {"connections": said.connections, "connection_limit": said.connection_limit}
    of = f"{open_} of {limit} sessions" if limit else f"{open_} sessions"
    if row.status.upper().startswith(("STOP", "PAUSE")):
        return Said(outcome="frontend-stopped", says=f"is {row.status}: it takes nobody", evidence=evidence)
    shares = [open_ / limit] if limit else []
    if said.connection_limit and said.connections is not None:
        shares.append(said.connections / said.connection_limit)
    share = max(shares, default=0.0)
    if share >= 1 or row.status.upper().startswith("FULL"):
        return Said(outcome="frontend-full", says=f"has {of}: who comes now waits", evidence=evidence)
    warning = (
        f"The balancer's frontend {row.proxy} has {share:.0%} of the sessions that it takes." if share > _NEARLY_FULL else None
    )
    return Said(outcome="frontend-open", says=f"is open, with {of}", evidence=evidence, warning=warning)
