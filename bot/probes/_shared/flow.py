"""The phases of a request and how long each takes; pure.

A handshake and a first byte need one round trip each besides what the server does, so that the connection's own round trip is
taken off before one is called slow. A second is slow: clients make a dozen requests for one command.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from bot.model.base import Json, Value
from bot.model.finding import Status
from bot.model.observation import Failure, HttpAnswer, Lookup
from bot.probes._shared.words import took

OUTCOMES = {
    "quick": "every phase of every request takes less than a second, round trips not counted",
    "slow-name": "the name takes a second or more to resolve",
    "slow-connect": "TCP takes a second or more, as when the first packet is lost or has to wait",
    "slow-tls": "the handshake takes a second or more: the server has no time for its arithmetic, or a box on the way looks in",
    "slow-first-byte": "every request waits a second or more for its answer, even one that needs no storage",
    "slow-storage": "what needs storage waits a second or more for its answer, and what needs none does not",
    "slow-body": "the answer begins in time and takes a second or more to arrive",
    "object-unanswered": "health and version are answered, and an object is not: not in 5 s, or with a server's error",
    "ends-early": "a request ends before its answer; the layer where it does says why",
    "not-reached": "a layer below fails at this address",
    "deadline-capped": "the round's time was over before an answer could be expected",
}
STATUS = {
    "quick": Status.OK,
    "ends-early": Status.NOT_APPLICABLE,
    "deadline-capped": Status.INCONCLUSIVE,
}
OBJECT_PATH = "/api/v1/namespaces/default"
HEALTHZ_PATH = "/healthz"
_NEEDS_NO_STORAGE = "/version"
_SLOW_S = 1.0
_NAMES = {"connect": "TCP", "tls": "TLS", "send": "request sent", "wait": "first byte", "receive": "body"}
_OWN_TROUBLE = frozenset({Failure.DEADLINE_CAPPED, Failure.BUDGET_SPENT})


class Verdict(Value):
    """An outcome, and its sentence, to which the address is put in front."""

    outcome: str
    says: str


def asked(answers: Sequence[HttpAnswer]) -> list[HttpAnswer]:
    """Those that were sent, in the order of their paths' importance."""
    return [one for one in answers if one.failure is not Failure.BUDGET_SPENT]


def judge(lookup: Lookup, answers: Sequence[HttpAnswer]) -> Verdict:
    """The outcome at one address, of the answers to all paths."""
    told = asked(answers)
    if any(one.failure in _OWN_TROUBLE for one in told) or not told:
        return Verdict(outcome="deadline-capped", says="had not answered every request when the round's time was over")
    health, objects = [one for one in told if one.path != OBJECT_PATH], [one for one in told if one.path == OBJECT_PATH]
    ended = next((one for one in health if one.failure is not None), None)
    if ended is not None:
        says = f"is asked for {ended.path} and ends it in the phase {_last(ended)}, after {took(ended.duration_s)}"
        return Verdict(outcome="ends-early", says=f"{says} ({ended.failure.value if ended.failure else 'no answer'})")
    for one in objects:
        if one.failure is not None or (one.status or 0) >= 500:
            how = one.failure.value if one.failure else str(one.status)
            says = f"answers requests for its health, and GET {one.path} ends with {how} after {took(one.duration_s)}"
            return Verdict(outcome="object-unanswered", says=says)
    slow = _slowest(lookup, told)
    picture = line(lookup, told)
    if slow is None:
        return Verdict(outcome="quick", says=f"answers without delay: {picture}")
    outcome, seconds, what = slow
    return Verdict(outcome=outcome, says=f"spends {took(seconds)} on {what}: {picture}")


def _slowest(lookup: Lookup, told: Sequence[HttpAnswer]) -> tuple[str, float, str] | None:
    """The phase that takes longest, if it takes too long."""
    trip = min(_phase(one, "connect") for one in told)
    without = [one for one in told if one.path.startswith(_NEEDS_NO_STORAGE)]
    others = [one for one in told if one not in without]
    bare = _middle(without or told, "wait") - trip
    found = [
        ("slow-name", lookup.duration_s, "the name"),
        ("slow-connect", _middle(told, "connect"), "TCP"),
        ("slow-tls", _middle(told, "tls") - trip, "the TLS handshake"),
        ("slow-first-byte", bare, "the first byte of any answer"),
        ("slow-body", _middle(told, "receive"), "the body of the answer"),
    ]
    if bare < _SLOW_S and others:
        found.append(("slow-storage", _middle(others, "wait") - trip, "the first byte of what needs storage"))
    slow = [one for one in found if one[1] >= _SLOW_S]
    return max(slow, key=lambda one: one[1], default=None)


def line(lookup: Lookup, answers: Sequence[HttpAnswer]) -> str:
    """The flow in one line: ``name 2 ms, TCP 1 ms, TLS 12 ms, first byte 3 ms``, each in the middle of all, and every path."""
    told = asked(answers)
    parts = [f"name {took(lookup.duration_s)}"]
    parts += [f"{_NAMES[phase]} {took(_middle(told, phase))}" for phase in ("connect", "tls", "wait") if _has(told, phase)]
    paths = [f"{one.path.partition('?')[0]} {one.status} in {took(one.duration_s)}" for one in told]
    return f"{', '.join(parts)}; {', '.join(paths)}"


def chart(lookup: Lookup, answers: Sequence[HttpAnswer]) -> list[Json]:
    """The phases of the slowest request, one after another, for a picture."""
    told = asked(answers)
    if not told:
        return []
    one = max(told, key=lambda answer: answer.duration_s)
    rows, start = [_row("name", 0.0, lookup.duration_s)], lookup.duration_s
    for phase, name in _NAMES.items():
        if phase in one.phases:
            rows.append(_row(name, start, _phase(one, phase)))
            start += _phase(one, phase)
    if one.failure is not None:
        rows[-1]["ended"] = False
    return rows


def _row(label: str, start: float, length: float) -> Json:
    return {"label": label, "unit": "s", "start": round(start, 6), "length": round(length, 6)}


def evidence(lookup: Lookup, answers: Sequence[HttpAnswer]) -> Json:
    """Every path with its answer and its phases."""
    paths: dict[str, Mapping[str, object]] = {}
    for one in answers:
        said = one.failure.value if one.failure else one.status
        paths[one.path] = {"answer": said, "whole_s": one.duration_s, "with_credentials": one.with_credentials, **one.phases}
    return {"name_s": lookup.duration_s, "paths": paths, "chart": chart(lookup, answers)}


def _phase(answer: HttpAnswer, phase: str) -> float:
    return float(answer.phases.get(phase, 0.0))


def _has(answers: Sequence[HttpAnswer], phase: str) -> bool:
    return any(phase in one.phases for one in answers)


def _middle(answers: Sequence[HttpAnswer], phase: str) -> float:
    return median(_phase(one, phase) for one in answers)


def _last(answer: HttpAnswer) -> str:
    return _NAMES.get(list(answer.phases)[-1], "name") if answer.phases else "name"
