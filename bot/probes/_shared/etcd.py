"""How one member of etcd is, from its own health and metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from bot.model.base import Json, Value
from bot.model.finding import Status
from bot.model.observation import CERTIFICATE_FAILURES, Failure, HttpAnswer, Lookup

HEALTH, LOCAL_HEALTH, METRICS = "/health", "/health?serializable=true", "/metrics"
"""The first needs a majority of members, the second does not."""

MOST_BYTES = 256 * 1024
"""Of the metrics. What is wanted of them stands in the first half."""

NEARLY_FULL = 0.8
"""The share of its quota from which a database is nearly full."""

OUTCOMES = {
    "healthy": "the member is healthy, and so has a leader and a majority",
    "no-space": "the member has raised the alarm for want of space: it takes no writes",
    "corrupt": "the member has raised the alarm that data differ between members",
    "no-leader": "the member knows no leader",
    "no-majority": "the member answers for itself, and not for all: no majority answers it",
    "unhealthy": "the member says that it is not healthy, for another reason",
    "refused": "nothing listens at the member's port, or connections are ended at once",
    "silent": "nothing comes back from the member",
    "unreachable": "there is no way to the member, or no address for it",
    "certificate-expired": "the member's own certificate has expired",
    "certificate-rejected": "the member's certificate is of another authority, or for another name",
    "credentials-rejected": "the member does not accept the client certificate that is configured, or wants one",
    "not-an-etcd": "what answers there is no etcd",
    "not-looked-at": "the time was over, nobody could say a name's address, or the files that are configured cannot be used",
    "none-configured": "no etcd is configured",
}
STATUS = {
    "healthy": Status.OK,
    "not-looked-at": Status.NOT_CHECKED,
    "none-configured": Status.NOT_CHECKED,
}
"""All others are problems."""

_BELOW = {
    Failure.CONNECTION_REFUSED: ("refused", "refuses connections"),
    Failure.CONNECTION_RESET: ("refused", "resets the connection"),
    Failure.TLS_CLOSED: ("refused", "closes the connection when TLS begins"),
    Failure.TLS_RESET: ("refused", "resets the connection when TLS begins"),
    Failure.CONNECTION_REJECTED: ("unreachable", "is rejected on the way"),
    Failure.HOST_UNREACHABLE: ("unreachable", "cannot be found"),
    Failure.NETWORK_UNREACHABLE: ("unreachable", "cannot be reached"),
    Failure.CONNECT_TIMEOUT: ("silent", "does not answer"),
    Failure.TLS_TIMEOUT: ("silent", "accepts TCP and does not answer TLS"),
    Failure.HTTP_TIMEOUT: ("silent", "completes TLS and does not answer"),
    Failure.CERTIFICATE_EXPIRED: ("certificate-expired", "presents a certificate that has expired"),
    Failure.TLS_ALERT: ("credentials-rejected", "refuses this client by a TLS alert"),
    Failure.NOT_TLS: ("not-an-etcd", "does not speak TLS"),
    Failure.NOT_HTTP: ("not-an-etcd", "does not speak HTTP"),
}
_UNTIMELY = frozenset({Failure.DEADLINE_CAPPED, Failure.BUDGET_SPENT, Failure.LOCAL_FAILURE, Failure.NO_ADDRESS_FAMILY})
_ALARMS = (("NOSPACE", "no-space"), ("CORRUPT", "corrupt"), ("NO LEADER", "no-leader"))
_SAMPLE = re.compile(r"^(etcd_[a-z_]+)(?:\{[^}\n]*\})? (\S+)$", re.M)


class Said(Value):
    """What is to be said of one member; ``says`` completes "Member … "."""

    outcome: str
    says: str
    warning: str | None = None
    evidence: Json = {}


def unresolved(lookup: Lookup) -> tuple[str, str]:
    """The outcome, and why it is not asked, of a member whose name gives no address. That nobody could say is no fault of it."""
    if lookup.failure in (Failure.NAME_NOT_FOUND, Failure.NAME_HAS_NO_ADDRESS):
        return "unreachable", "its name gives no address"
    return "not-looked-at", "nobody could be asked for the address of its name"


def judge(health: HttpAnswer, local: HttpAnswer, metrics: HttpAnswer) -> Said:
    """Its health first, and its metrics for how full it is."""
    known = _samples(metrics)
    said = _health(health, local, known)
    size, quota = known.get("etcd_mvcc_db_total_size_in_bytes"), known.get("etcd_server_quota_backend_bytes")
    evidence: Json = {"health": health.body[:200] or None, "status": health.status, "leader": known.get("etcd_server_has_leader")}
    evidence |= {"db_bytes": size, "quota_bytes": quota}
    full = f"{size / quota:.0%} of its quota of {quota / 2**20:,.0f} MiB" if size and quota else None
    warning = None
    if full and size and quota and size >= NEARLY_FULL * quota:
        warning = f"has used {full}, and takes no writes any more when that is full"
    says = f"{said.says}, with {full} used" if full and said.outcome == "healthy" else said.says
    return said.model_copy(update={"says": says, "warning": warning, "evidence": evidence})


def _health(health: HttpAnswer, local: HttpAnswer, known: dict[str, float]) -> Said:
    if health.failure is None:
        return _said(health)
    if health.failure is Failure.HTTP_TIMEOUT and local.failure is None and _is_healthy(local):
        if known.get("etcd_server_has_leader") == 0:
            return Said(outcome="no-leader", says="knows no leader")
        return Said(outcome="no-majority", says="answers for itself, and gets no answer from a majority of members")
    return below(health)


def below(seen: HttpAnswer) -> Said:
    """What a failure below HTTP, or none of HTTP's answers, means."""
    failure = seen.failure
    assert failure is not None
    if failure in _UNTIMELY:
        return Said(outcome="not-looked-at", says=f"could not be asked ({failure.value})")
    if failure in _BELOW:
        outcome, says = _BELOW[failure]
        return Said(outcome=outcome, says=says)
    if failure in CERTIFICATE_FAILURES:
        return Said(outcome="certificate-rejected", says=f"presents a certificate that does not verify ({failure.value})")
    # A server that wants a certificate and gets none, or a wrong one, ends the connection after the handshake.
    if "tls" in seen.phases and failure in (Failure.HTTP_CLOSED, Failure.HTTP_RESET):
        return Said(outcome="credentials-rejected", says="ends the connection right after the handshake")
    return Said(outcome="unreachable", says=f"cannot be asked ({failure.value})")


def _said(answer: HttpAnswer) -> Said:
    if answer.status in (401, 403):
        return Said(outcome="credentials-rejected", says=f"refuses this client ({answer.status})")
    told = _json(answer)
    if "health" not in told:
        return Said(outcome="not-an-etcd", says=f"answers {answer.status}, and not as an etcd does")
    if _is_healthy(answer):
        return Said(outcome="healthy", says="is healthy")
    reason = str(told.get("reason") or "no reason given")
    outcome = next((outcome for word, outcome in _ALARMS if word in reason.upper()), "unhealthy")
    return Said(outcome=outcome, says=f"says that it is not healthy: {reason[:160]}")


def _is_healthy(answer: HttpAnswer) -> bool:
    return answer.status == 200 and str(_json(answer).get("health")).lower() == "true"


def _json(answer: HttpAnswer) -> Json:
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _samples(answer: HttpAnswer) -> dict[str, float]:
    if answer.status != 200:
        return {}
    found: Sequence[tuple[str, str]] = _SAMPLE.findall(answer.body)
    known = {}
    for name, text in found:
        try:
            known[name] = float(text)
        except ValueError:
            continue
    return known
