"""Which API server processes answer at an address, and since when each runs; pure.

At its start an API server makes itself a certificate that only it has, with the second of its start in the name. It presents that
to whoever asks for its loopback client's name. So a handshake without any rights tells one process from another, and a server
that is started again from one that shares an address with a dead one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from bot.clock import stamp, utc
from bot.model.base import Json, Value
from bot.model.finding import Status
from bot.model.observation import Failure, Handshake, PresentedCertificate
from bot.probes._shared.words import ago, listed

LOOPBACK_NAME = "apiserver-loopback-client"

OUTCOMES = {
    "running": "whatever answers was started more than ten minutes ago",
    "started-lately": "an API server that answers was started less than ten minutes ago",
    "dies-young": "an API server was started less than ten minutes ago, answered, and is gone again",
    "loopback-certificate-expired": "the certificate that the API server made for itself at its start has expired",
    "start-not-told": "what answers does not present an API server's own certificate: a proxy that ends TLS, or no API server",
    "proxied": "a proxy makes the connections, and may send each elsewhere",
    "not-reached": "no handshake ends well at this address",
    "deadline-capped": "the round's time was over before anything answered",
}
STATUS = {
    "running": Status.OK,
    "started-lately": Status.OK,
    "start-not-told": Status.NOT_APPLICABLE,
    "not-reached": Status.NOT_APPLICABLE,
    "deadline-capped": Status.INCONCLUSIVE,
}
LATELY = timedelta(minutes=10)
_SOON = timedelta(days=30)
_CLOCKS = timedelta(seconds=2)
"""What a name of whole seconds and two clocks that agree may differ by."""
_NAME = re.compile(rf"CN={LOOPBACK_NAME}@(\d{{9,11}})(?:,|$)")
_OURS = frozenset({Failure.LOCAL_FAILURE, Failure.DEADLINE_CAPPED})


class Process(Value):
    """One API server process, by the certificate that only it has."""

    fingerprint: str
    started: datetime
    expires: datetime


class Sample(Value):
    """One handshake: when it ended, and which process answered it, if one did; ``failed`` is why none did."""

    at: datetime
    process: Process | None = None
    failed: str | None = None


class Verdict(Value):
    """An outcome, its sentence, to which the address is put in front, and what it warns of."""

    outcome: str
    says: str
    warning: str | None = None


def process_of(chain: Sequence[PresentedCertificate]) -> Process | None:
    """The process that presents this chain; None for any other certificate."""
    found = _NAME.search(chain[0].subject) if chain else None
    if found is None:
        return None
    started = datetime.fromtimestamp(int(found.group(1)), UTC)
    return Process(fingerprint=chain[0].fingerprint_sha256, started=started, expires=chain[0].not_after)


def samples_of(seen: Sequence[Handshake]) -> list[Sample]:
    """In the order in which they ended, without those that say nothing of the target."""
    told = [
        Sample(
            at=one.started_at + timedelta(seconds=one.duration_s),
            process=process_of(one.chain),
            failed=one.failure.value if one.failure else None,
        )
        for one in seen
        if one.failure not in _OURS
    ]
    return sorted(told, key=lambda one: one.at)


def is_steady(samples: Sequence[Sample], now: datetime) -> bool:
    """Whether all answer, and no process is young: then there is nothing to wait for."""
    return all(one.process is not None and now - one.process.started > LATELY for one in samples)


def judge(samples: Sequence[Sample], now: datetime) -> Verdict:
    """The outcome at one address, of handshakes in the order in which they ended."""
    if not samples:
        return Verdict(outcome="deadline-capped", says="had not answered when the round's time was over")
    known = processes(samples)
    failed = [one.failed for one in samples if one.failed]
    if not known:
        if failed and len(failed) == len(samples):
            return Verdict(outcome="not-reached", says=f"completes no handshake ({failed[-1]})")
        return Verdict(outcome="start-not-told", says="does not present an API server's own certificate to who asks for it")
    old = [one for one in known if one.expires < now]
    if old:
        says = (
            f"runs since {utc(old[0].started)}, and the certificate that it made for itself then expired at {utc(old[0].expires)}"
        )
        return Verdict(outcome="loopback-certificate-expired", says=says)
    gone = died_young(samples, now)
    if gone:
        words = [f"one started at {utc(one.started)} was gone by {utc(when)}" for one, when in gone]
        says = f"has API servers that die young: {listed(words, most=3)}; {len(failed)} of {len(samples)} handshakes failed"
        return Verdict(outcome="dies-young", says=says)
    who = "an API server" if len(known) == 1 else f"{len(known)} API servers"
    since = listed([f"{utc(one.started)} ({ago(now - one.started)} ago)" for one in known], most=3)
    also = f"; {len(failed)} of {len(samples)} handshakes failed" if failed else ""
    outcome = "started-lately" if any(_is_young(one, now) for one in known) else "running"
    return Verdict(outcome=outcome, says=f"is answered by {who}, started at {since}{also}", warning=_warning(known, now))


def processes(samples: Sequence[Sample]) -> list[Process]:
    """Each process once, the oldest first."""
    found = {one.process.fingerprint: one.process for one in samples if one.process is not None}
    return sorted(found.values(), key=lambda one: one.started)


def died_young(samples: Sequence[Sample], now: datetime) -> list[tuple[Process, datetime]]:
    """The young processes that answered and are gone; each with the moment of the first failure after it.

    One is gone when another was started after it had been seen, or when it was started under our eyes and nothing has answered
    since. That it is not seen again says too little: a balancer has others. Where a server's clock is ahead of ours nothing is
    said.
    """
    known = processes(samples)
    seen = {one.fingerprint: [place for place, item in enumerate(samples) if item.process == one] for one in known}
    if any(one.started - samples[seen[one.fingerprint][0]].at > _CLOCKS for one in known):
        return []
    gone = []
    for process in known:
        last = seen[process.fingerprint][-1]
        failures = [one for one in samples[last + 1 :] if one.failed]
        followed = any(one.started > samples[last].at - _CLOCKS for one in known if one != process)
        born = process.started > samples[0].at - _CLOCKS and len(failures) > 1 and len(failures) == len(samples) - last - 1
        if failures and _is_young(process, now) and (followed or born):
            gone.append((process, failures[0].at))
    return gone


def _is_young(process: Process, now: datetime) -> bool:
    return now - process.started <= LATELY


def _warning(known: Sequence[Process], now: datetime) -> str | None:
    first = min(known, key=lambda one: one.expires)
    if first.expires - now > _SOON:
        return None
    return (
        f"The API server that runs since {utc(first.started)} needs a restart before {utc(first.expires)}: the certificate that "
        "it made for itself at its start expires then."
    )


def evidence(samples: Sequence[Sample]) -> Json:
    """What was seen, in the form that travels. ``order`` has a letter for each process and ``-`` for a failure."""
    letters = {one.fingerprint: chr(ord("a") + number % 26) for number, one in enumerate(processes(samples))}
    marks = [letters[one.process.fingerprint] if one.process else "-" if one.failed else "?" for one in samples]
    return {
        "handshakes": len(samples),
        "order": "".join(marks),
        "started": {letters[one.fingerprint]: stamp(one.started) for one in processes(samples)},
        "failures": sorted({one.failed for one in samples if one.failed}),
    }
