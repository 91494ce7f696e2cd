"""The requests that health and authentication share, and what an API server's answers to them mean.

At most four requests an address and round: the two health paths and a discovery path with credentials where they may be
sent, the version without. Credentials that the server rejects must not hide its health: liveness is then asked without
them, readiness as well, and the discovery path is not. Every probe asks in the same words, so each request is sent once.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from bot.errors import Unavailable
from bot.model.base import Json, Value
from bot.model.observation import CERTIFICATE_FAILURES, Failure, HttpAnswer
from bot.model.target import Endpoint
from bot.probes._shared.layers import VERSION_PATH, Peer
from bot.probes._shared.words import listed
from bot.registry import ProbeContext

LIVE_PATH = "/livez?verbose"
READY_PATH = "/readyz?verbose"

_FAILING = re.compile(r"^\[-\](\S+)", re.M)
_PASSING = re.compile(r"^\[\+\]\S+ ok", re.M)
_FLOW_CONTROL = ("retry-after", "x-kubernetes-pf-flowschema-uid", "x-kubernetes-pf-prioritylevel-uid")
_START_UP = frozenset({"informer-sync", "autoregister-completion"})
_ETCD = frozenset({"etcd", "etcd-readiness"})
_GO_EXPECTS_TLS = "Client sent an HTTP request to an HTTPS server"

# How long readiness waits for liveness, which a rejection answers at once: then it is not asked with credentials in vain.
_HEAD_START_S = 0.3

_SILENT = {
    Failure.HTTP_TIMEOUT: ("http-silent", "completes TLS but does not answer HTTP requests"),
    Failure.HTTP_CLOSED: ("http-closed", "closes the connection without an HTTP answer"),
    Failure.HTTP_RESET: ("http-reset", "resets the connection instead of answering HTTP"),
    Failure.NOT_HTTP: ("not-an-apiserver", "answers, but not with HTTP"),
    Failure.BUDGET_SPENT: ("deadline-capped", "is not asked, because this round's requests are used up"),
    Failure.DEADLINE_CAPPED: ("deadline-capped", "had not answered when the round's time was over"),
}

# The layers below HTTP worked a moment ago: when they fail on another connection, another server answered it, or none.
_BELOW = CERTIFICATE_FAILURES | {
    Failure.CONNECTION_REFUSED,
    Failure.CONNECTION_REJECTED,
    Failure.CONNECTION_RESET,
    Failure.CONNECT_TIMEOUT,
    Failure.HOST_UNREACHABLE,
    Failure.NETWORK_UNREACHABLE,
    Failure.TLS_TIMEOUT,
    Failure.TLS_CLOSED,
    Failure.TLS_RESET,
    Failure.TLS_ALERT,
    Failure.NOT_TLS,
}


# The evidence keys that are always there, when nothing could be asked.
NOTHING: Json = {"livez": None, "readyz": None, "version": None, "git_version": None, "failing_checks": []}


class Answers(Value):
    """The three health answers of one address. ``unavailable`` says why credentials could not be used, if so."""

    live: HttpAnswer
    ready: HttpAnswer
    version: HttpAnswer
    unavailable: str | None = None

    @property
    def all(self) -> tuple[HttpAnswer, HttpAnswer, HttpAnswer]:
        return (self.live, self.ready, self.version)


class Verdict(Value):
    """An outcome and its sentence, to which the address is put in front."""

    outcome: str
    says: str


def may_authenticate(ctx: ProbeContext, peer: Peer) -> bool:
    """Credentials go to a configured cluster's verified peer, and nowhere else."""
    return peer.verified and ctx.cluster.configured and ctx.credentials is not None


async def ask(ctx: ProbeContext, place: Endpoint, peer: Peer, path: str, *, authenticated: bool) -> HttpAnswer:
    """One request; with credentials only where they may be sent."""
    credentials = ctx.credentials if authenticated and may_authenticate(ctx, peer) else None
    return await ctx.network.request(place.host, ctx.cluster.target, path, credentials=credentials, verify=peer.verified)


async def ask_health(ctx: ProbeContext, place: Endpoint, peer: Peer) -> Answers:
    """The three health requests, side by side. Credentials that cannot be had are left out, and that is said."""
    try:
        return await _ask_health(ctx, place, peer, authenticated=True)
    except Unavailable as error:
        answers = await _ask_health(ctx, place, peer, authenticated=False)
        return answers.model_copy(update={"unavailable": error.what})


async def _ask_health(ctx: ProbeContext, place: Endpoint, peer: Peer, *, authenticated: bool) -> Answers:
    live, ready, version = await together(
        _ask_live(ctx, place, peer, authenticated=authenticated),
        _ask_ready(ctx, place, peer, authenticated=authenticated),
        ask(ctx, place, peer, VERSION_PATH, authenticated=False),
    )
    return Answers(live=live, ready=ready, version=version)


async def _ask_live(ctx: ProbeContext, place: Endpoint, peer: Peer, *, authenticated: bool) -> HttpAnswer:
    live = await ask(ctx, place, peer, LIVE_PATH, authenticated=authenticated)
    return await ask(ctx, place, peer, LIVE_PATH, authenticated=False) if is_rejection(live) else live


async def _ask_ready(ctx: ProbeContext, place: Endpoint, peer: Peer, *, authenticated: bool) -> HttpAnswer:
    live: HttpAnswer | None = None
    with suppress(TimeoutError):
        async with asyncio.timeout(_HEAD_START_S):
            live = await ask(ctx, place, peer, LIVE_PATH, authenticated=authenticated)
    rejected = live is not None and is_rejection(live)
    return await ask(ctx, place, peer, READY_PATH, authenticated=authenticated and not rejected)


def is_rejection(answer: HttpAnswer) -> bool:
    """Whether credentials were sent and the server does not accept them."""
    return answer.with_credentials and answer.status == 401


async def together(*requests: Coroutine[Any, Any, HttpAnswer]) -> list[HttpAnswer]:
    """All of them at once; the first error is raised as itself, when the others are over."""
    answers: list[HttpAnswer] = []
    for answer in await asyncio.gather(*requests, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer
        answers.append(answer)
    return answers


def judge(answers: Answers) -> Verdict:
    """The outcome at one address, from all three answers."""
    live, ready, version = answers.all
    codes = [one.status for one in answers.all]
    failing = failing_checks(answers)
    if 429 in codes:
        return Verdict(outcome="overloaded", says="turns requests away because it is overloaded (429)")
    if failing:
        return _failing(failing)
    gone = [one for one in answers.all if one.failure in _BELOW]
    if gone:
        return _comes_and_goes(gone[0], worked=len(answers.all) - len(gone))
    if any(_GO_EXPECTS_TLS in one.body for one in answers.all):
        return Verdict(outcome="https-expected", says="speaks https, and is asked in plain http")
    if live.failure is not None:
        outcome, says = _SILENT.get(live.failure, ("not-reached", f"failed before it could be asked: {live.failure.value}"))
        also = f", although {VERSION_PATH} is answered with {version.status}" if version.status is not None else ""
        return Verdict(outcome=outcome, says=says + also)
    if all(code is not None and code < 500 for code in codes) and not any(map(is_kubernetes, answers.all)):
        return Verdict(outcome="not-an-apiserver", says=f"answers HTTP with {live.status} but is no Kubernetes API server")
    return _by_code(live, ready)


def _failing(failing: list[str]) -> Verdict:
    start_up = [name for name in failing if name.startswith("poststarthook/") or name in _START_UP]
    others = set(failing).difference(start_up)
    # Checks of the start end well once and for all; etcd's fails as well until its first connection stands.
    if start_up and others <= _ETCD:
        names = listed(failing, most=3)
        return Verdict(outcome="starting", says=f"is starting: {len(failing)} checks are not done ({names})")
    if others & _ETCD:
        return Verdict(outcome="etcd-check-failing", says=f"answers, but its etcd check fails ({listed(failing)})")
    return Verdict(outcome="checks-failing", says=f"answers, but these health checks fail: {listed(failing)}")


def _comes_and_goes(bad: HttpAnswer, *, worked: int) -> Verdict:
    says = f"took a connection and then failed others ({shown(bad)})"
    if worked:
        says = f"fails on some connections ({shown(bad)}) and works on others"
    return Verdict(outcome="comes-and-goes", says=f"{says}: it is unsteady, or several servers share the address")


def _by_code(live: HttpAnswer, ready: HttpAnswer) -> Verdict:
    worst = max(code for code in (live.status, ready.status) if code is not None)
    if worst >= 500:
        return Verdict(outcome="server-error", says=f"answers health requests with {worst} and no list of checks")
    if live.status == 401:
        return Verdict(outcome="authentication-required", says="answers, but tells its health to known clients only (401)")
    if live.status == 403:
        return Verdict(outcome="forbidden", says="answers, but does not tell us its health (403)")
    if live.status != 200:
        return Verdict(outcome="not-an-apiserver", says=f"answers /livez with {live.status}, as no API server does")
    if ready.failure is not None:
        outcome, _ = _SILENT.get(ready.failure, ("http-silent", ""))
        return Verdict(outcome=outcome, says=f"is alive, but /readyz fails: {ready.failure.value}")
    if ready.status != 200:
        return Verdict(outcome="forbidden", says=f"is alive, but answers /readyz with {ready.status}")
    return Verdict(outcome="healthy", says="is alive and ready: /livez and /readyz pass")


def failing_checks(answers: Answers) -> list[str]:
    """The names of failing checks in both lists, each once, in their order."""
    names = [name for one in (answers.live, answers.ready) for name in _FAILING.findall(one.body) if (one.status or 0) >= 400]
    return list(dict.fromkeys(names))


def is_kubernetes(answer: HttpAnswer) -> bool:
    """Whether this answer has a form that only an API server gives: a check list, a Status object, a version."""
    if _PASSING.search(answer.body) or _FAILING.search(answer.body):
        return True
    body = parsed(answer)
    return body.get("kind") == "Status" or "gitVersion" in body


def parsed(answer: HttpAnswer) -> Json:
    """The body as a JSON object; an empty one when it is something else."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def evidence(answers: Answers, *, verified: bool) -> Json:
    """Codes, version and failing checks; an answer that failed shows its failure instead of a code."""
    live, ready, version = answers.all
    said: Json = {
        "livez": shown(live),
        "readyz": shown(ready),
        "version": shown(version),
        "git_version": parsed(version).get("gitVersion"),
        "failing_checks": failing_checks(answers),
        "verified": verified,
        "with_credentials": live.with_credentials,
        "duration_s": live.duration_s,
    }
    for shed in (one for one in answers.all if one.status == 429):
        said.setdefault("flow_control", {}).update({name: shed.headers[name] for name in _FLOW_CONTROL if name in shed.headers})
    if answers.unavailable:
        said["credentials_unavailable"] = answers.unavailable
    return said


def shown(answer: HttpAnswer) -> int | str | None:
    """The status code, or the failure's name."""
    return answer.failure.value if answer.failure is not None else answer.status
