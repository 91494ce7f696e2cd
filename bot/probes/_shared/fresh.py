"""What a row of fresh connections to one address means; pure, so that every order of results can be tested.

Whether a connection *works* is whether its handshake ends, whatever is thought of the certificate. The order of what works
decides between recovered, broke and comes-and-goes, and nothing else. Certificates are compared only where all work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise

from cryptography import x509

from bot.clock import utc
from bot.model.base import Json, Value
from bot.model.finding import Status
from bot.model.observation import Connection, Failure, Handshake, PresentedCertificate
from bot.model.target import Target
from bot.probes._shared.tls import names_server, same_key
from bot.probes._shared.words import listed, took

OUTCOMES = {
    "steady": "every one of them works, and what answers is in order",
    "steadily-failing": "every one of them fails, as the layers below say already",
    "comes-and-goes": "some work and some fail, in no order",
    "recovered": "the first ones failed, and every later one works",
    "broke": "the first ones worked, and every later one fails",
    "one-certificate-expired": "all work, several certificates are presented, and one of them has expired",
    "one-certificate-not-yet-valid": "all work, several certificates are presented, and one of them is not valid yet",
    "one-certificate-misnamed": "all work, several certificates are presented, and one of them is for other names",
    "one-certificate-untrusted": "all work, several certificates are presented, and another authority signed one of them",
    "certificates-differ": "all work, and several authorities signed what is presented; which one is right nobody said",
    "plain-http-target": "the server is configured with plain http",
    "local-failure": "this machine cannot open the connections: its own limit or policy",
    "deadline-capped": "the round's time was over before enough of them were made",
    "not-reached": "the name gives no address to connect to",
}
STATUS = {
    "steady": Status.OK,
    "steadily-failing": Status.NOT_APPLICABLE,
    "certificates-differ": Status.INCONCLUSIVE,
    "local-failure": Status.ERROR,
    "deadline-capped": Status.INCONCLUSIVE,
}
ENOUGH = 3
"""So many must have ended before all of them are called well."""
_ALTERNATING = 4
_FLAWS = {
    "certificate-expired": ("one-certificate-expired", "has expired"),
    "certificate-unknown-authority": ("one-certificate-untrusted", "is of another authority"),
    "certificate-name-mismatch": ("one-certificate-misnamed", "is for other names"),
    "certificate-not-yet-valid": ("one-certificate-not-yet-valid", "is not valid yet"),
}
_OURS = frozenset({Failure.LOCAL_FAILURE, Failure.DEADLINE_CAPPED})


class Try(Value):
    """One connection, when it ended, and what answered it."""

    ended_at: datetime
    failure: str | None = None
    chain: tuple[PresentedCertificate, ...] = ()


class Verdict(Value):
    """An outcome, its sentence, to which the address is put in front, and what was seen."""

    outcome: str
    says: str
    evidence: Json = {}


def tries_of(seen: Sequence[Connection | Handshake]) -> list[Try]:
    """In the order in which they ended, without those that say nothing of the target."""
    told = [
        Try(
            ended_at=one.started_at + timedelta(seconds=one.duration_s),
            failure=one.failure.value if one.failure else None,
            chain=one.chain if isinstance(one, Handshake) else (),
        )
        for one in seen
        if one.failure not in _OURS
    ]
    return sorted(told, key=lambda one: one.ended_at)


def judge(tries: Sequence[Try], target: Target, now: datetime) -> Verdict:
    """The outcome at one address, of tries in the order in which they ended."""
    if not tries:
        return Verdict(outcome="deadline-capped", says="had answered no fresh connection when the round's time was over")
    works = [one.failure is None for one in tries]
    flaws = [flaw(one.chain, target, now) for one in tries]
    seen = _evidence(tries, flaws)
    if not any(works):
        says = f"fails all of {len(tries)} fresh connections ({_failures(tries)})"
        return Verdict(outcome="steadily-failing", says=says, evidence=seen)
    if not all(works):
        outcome, says = _mixed(tries, works)
        return Verdict(outcome=outcome, says=says + _presented(tries, flaws), evidence=seen)
    if all(flaws):
        says = f"completes all of {len(tries)} fresh handshakes, with the same flaw{_presented(tries, flaws)}"
        return Verdict(outcome="steadily-failing", says=says, evidence=seen)
    if any(flaws):
        outcome = next(_FLAWS[kind][0] for kind in _FLAWS if kind in flaws)
        says = f"completes all of {len(tries)} fresh handshakes, and not with the same certificate{_presented(tries, flaws)}"
        return Verdict(outcome=outcome, says=says, evidence=seen)
    if target.ca_pem is None and len({one.chain[-1].issuer for one in tries if one.chain}) > 1:
        says = f"presents certificates of several authorities on {len(tries)} fresh handshakes{_presented(tries, flaws)}"
        return Verdict(outcome="certificates-differ", says=says, evidence=seen)
    if len(tries) < ENOUGH:
        says = f"completed {len(tries)} fresh handshakes; the round's time was over before there were {ENOUGH}"
        return Verdict(outcome="deadline-capped", says=says, evidence=seen)
    span = took((tries[-1].ended_at - tries[0].ended_at).total_seconds())
    says = f"completes all of {len(tries)} fresh handshakes, within {span}{_presented(tries, flaws)}"
    return Verdict(outcome="steady", says=says, evidence=seen)


def _mixed(tries: Sequence[Try], works: Sequence[bool]) -> tuple[str, str]:
    spells = [(good, len(list(group))) for good, group in groupby(works)]
    first = spells[0][1]
    turned = utc(tries[first].ended_at)
    if len(spells) == 2 and spells[1][0]:
        says = f"failed the first {first} of {len(tries)} fresh connections ({_failures(tries)}), and works since {turned}"
        return "recovered", says
    if len(spells) == 2:
        says = f"completed the first {first} of {len(tries)} fresh handshakes, and fails since {turned} ({_failures(tries)})"
        return "broke", says
    turns = ", strictly by turns" if alternates(works) else ""
    says = f"fails {works.count(False)} of {len(tries)} fresh connections ({_failures(tries)}) and completes the others{turns}"
    return "comes-and-goes", says


def alternates(works: Sequence[bool]) -> bool:
    """Every other one, often enough not to be chance."""
    return len(works) >= _ALTERNATING and all(one != other for one, other in pairwise(works))


def flaw(chain: Sequence[PresentedCertificate], target: Target, now: datetime) -> str | None:
    """What is wrong with what was presented, as far as one sees without checking signatures."""
    if not chain:
        return None
    if any(one.not_after < now for one in chain):
        return "certificate-expired"
    if any(one.not_before > now for one in chain):
        return "certificate-not-yet-valid"
    if target.ca_pem is not None and not _known(chain, target.ca_pem):
        return "certificate-unknown-authority"
    return None if names_server(chain[0], target.server_name) else "certificate-name-mismatch"


def _known(chain: Sequence[PresentedCertificate], ca_pem: str) -> bool:
    """Whether an authority of the bundle issued one of the chain, by its name and its key's id."""
    try:
        ours = x509.load_pem_x509_certificates(ca_pem.encode("ascii", "ignore"))
    except ValueError:
        return True
    return any(one.issuer == anchor.subject.rfc4514_string() and same_key(one, anchor) for one in chain for anchor in ours)


def _failures(tries: Sequence[Try]) -> str:
    counted = Counter(one.failure for one in tries if one.failure)
    if len(counted) == 1:
        return next(iter(counted))
    return ", ".join(f"{name} {times} times" for name, times in counted.most_common())


def _presented(tries: Sequence[Try], flaws: Sequence[str | None]) -> str:
    """Which certificates answered, when there are several or one has a flaw."""
    shown: dict[str, tuple[PresentedCertificate, str | None, int]] = {}
    for one, wrong in zip(tries, flaws, strict=True):
        if one.chain:
            leaf = one.chain[0]
            shown[leaf.fingerprint_sha256] = (leaf, wrong, shown.get(leaf.fingerprint_sha256, (leaf, wrong, 0))[2] + 1)
    if len(shown) < 2 and not any(wrong for _, wrong, _ in shown.values()):
        return ""
    words = [f"serial {leaf.serial[:16]} {times} times{_wrong(wrong)}" for leaf, wrong, times in shown.values()]
    servers = f"{len(shown)} certificates answer" if len(shown) > 1 else "the certificate"
    return f"; {servers}: {listed(words, most=3)}"


def _wrong(flaw: str | None) -> str:
    return f", which {_FLAWS[flaw][1]}" if flaw else ""


def _evidence(tries: Sequence[Try], flaws: Sequence[str | None]) -> Json:
    """What was seen, in the form that travels. ``order``: ``+`` works, ``-`` fails."""
    certificates: dict[str, Json] = {}
    for one, wrong in zip(tries, flaws, strict=True):
        for leaf in one.chain[:1]:
            entry = certificates.setdefault(
                leaf.fingerprint_sha256,
                {
                    "serial": leaf.serial,
                    "fingerprint_sha256": leaf.fingerprint_sha256,
                    "issuer": leaf.issuer,
                    "not_after": utc(leaf.not_after),
                    "flaw": wrong,
                    "times": 0,
                },
            )
            entry["times"] += 1
    works = [one.failure is None for one in tries]
    return {
        "connections": len(tries),
        "order": "".join("+" if good else "-" for good in works),
        "failures": dict(Counter(one.failure for one in tries if one.failure)),
        "by_turns": alternates(works),
        "certificates": list(certificates.values()),
    }
