"""What Prometheus's last scrapes of the control plane mean, once they are new enough to mean anything.

A scrape is a second look from a second place: Prometheus asks API servers at their own addresses, past whatever clients
go through. How it fails is in its own words, which are those of Go's network library. A scrape that times out says so in the
same words whether its packets were dropped or the process is silent.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from bot.model.base import Json, Value
from bot.model.finding import Status
from bot.model.metrics import ScrapedTarget
from bot.probes._shared.words import listed

OUTCOMES = {
    "asked-up": "the very address that clients ask answers Prometheus, by a process that ran when it was looked at from here",
    "apiserver-up": "every API server answers Prometheus at its own address, by a process that ran when it failed from here",
    "apiserver-at-other-port": "an API server answers Prometheus at the very machine that clients ask, and at another port",
    "apiserver-answers": "they answer Prometheus, and whether they did at that moment is not known",
    "apiserver-restarted": "they answer Prometheus, and an API server began to run after it had failed from here",
    "apiserver-refused": "every API server refuses Prometheus at its own address",
    "apiserver-silent": "no API server answers Prometheus in time: packets are dropped, or the process says nothing",
    "apiserver-no-route": "Prometheus finds no machine at the API servers' own addresses, or no way there",
    "apiserver-closed": "every API server ends Prometheus's connections without an answer",
    "apiserver-failing": "every API server answers Prometheus with a server error",
    "apiserver-shedding": "every API server turns Prometheus away because it is overloaded (429)",
    "apiserver-certificate-expired": "the certificate at the API servers' own addresses is out of its dates, says Prometheus",
    "apiserver-down": "no API server can be scraped, for different reasons or for one that is not told",
    "apiservers-differ": "some API servers can be scraped and others cannot",
    "others-up": "the API servers beside the one that is asked can be scraped",
    "others-down": "an API server beside the one that is asked cannot be scraped",
    "node-up": "the machines of these API servers answer Prometheus on other ports",
    "node-silent": "nothing on the machines of these API servers answers Prometheus",
    "node-no-route": "Prometheus finds no machine, or no way, at the addresses of these API servers",
    "node-gone": "Prometheus finds no machine at the addresses of these API servers, and their neighbours answer",
    "asked-host-up": "the machine at the address that clients ask, which is no API server's, answers Prometheus",
    "asked-host-silent": "nothing at the address that clients ask answers Prometheus",
    "asked-host-no-route": "Prometheus finds no machine at the address that clients ask, or no way there",
    "asked-host-unknown": "no machine is watched at an address of the name where nothing answers, and one is at another",
    "etcd-up": "every member of etcd can be scraped",
    "etcd-refused": "so many members refuse Prometheus that there is no majority",
    "etcd-silent": "so many members do not answer Prometheus that there is no majority",
    "etcd-no-route": "Prometheus finds no machine for so many members that there is no majority",
    "etcd-down": "so many members cannot be scraped that there is no majority, for different reasons or for one that is not told",
    "etcd-member-down": "a member of etcd cannot be scraped, and the others are a majority",
    "balancer-up": "the balancer's own metrics can be scraped",
    "balancer-refused": "the balancer's machine refuses Prometheus, where its metrics were before",
    "balancer-gone": "the balancer's metrics are refused where they were before, and its machine answers on another port",
    "balancer-silent": "the balancer does not answer Prometheus",
    "balancer-no-route": "Prometheus finds no machine at the balancer's address, or no way there",
    "stale": "the last scrape is from before it was looked at from here, and no newer one came in time",
    "never-up": "it could not be scraped all day, so that this says nothing about now",
    "not-told": "the scrape fails in a way that says more of Prometheus than of what it scrapes, or the machines differ",
    "no-such-target": "Prometheus scrapes no API server of this cluster",
    "clusters-mixed": "Prometheus scrapes the API servers of several clusters, and nobody said which are this one's",
    "not-configured": "no Prometheus is configured for the cluster",
    "not-answered": "Prometheus itself does not answer, or not as one",
}

_STATUSES = {
    **dict.fromkeys(
        ("asked-up", "apiserver-up", "apiserver-at-other-port", "apiserver-answers", "others-up", "node-up"), Status.OK
    ),
    **dict.fromkeys(("asked-host-up", "etcd-up", "balancer-up"), Status.OK),
    **dict.fromkeys(("stale", "never-up", "not-told", "no-such-target", "clusters-mixed"), Status.INCONCLUSIVE),
    **dict.fromkeys(("not-configured", "not-answered"), Status.NOT_CHECKED),
}

_WORDS = (
    # Prometheus's own proxy and its own resolver come first: they say "refused" of themselves.
    (
        ("proxyconnect", "no such host", "lookup ", "context canceled", "certificate signed by", "x509: certificate is"),
        "not-told",
    ),
    (("certificate has expired", "not yet valid"), "certificate-expired"),
    (("connection refused",), "refused"),
    (("no route to host", "network is unreachable", "host is unreachable", "host is down"), "no-route"),
    (("deadline exceeded", "i/o timeout", "timed out", "timeout"), "silent"),
    (("connection reset", "broken pipe", "eof", "connection lost", "goaway"), "closed"),
    (("x509", "tls:", "malformed http"), "not-told"),
)
_SAYS = {
    "up": "can be scraped",
    "answers": "answers",
    "refused": "refuses connections",
    "silent": "does not answer in time",
    "no-route": "cannot be found",
    "closed": "ends the connection",
    "failing": "answers with a server error",
    "shedding": "turns requests away (429)",
    "certificate-expired": "presents a certificate that is out of its dates",
    "down": "cannot be scraped",
}
_TALKS = frozenset({"up", "answers", "refused", "closed", "failing", "shedding", "certificate-expired"})
"""A machine that does any of these is on."""


class Seen(Value):
    """One target by a scrape that counts, and what kind of end the scrape had."""

    target: ScrapedTarget
    kind: str


class Said(Value):
    """What is to be said of some targets together."""

    subject: str
    outcome: str
    says: str
    evidence: Json = {}
    warning: str | None = None
    raw_error: str | None = None

    @property
    def status(self) -> Status:
        return _STATUSES.get(self.outcome, Status.PROBLEM)


def kind_of(target: ScrapedTarget) -> str:
    """How its last scrape ended: ``up``, or what kept it from that; ``not-told`` says nothing of the target."""
    if target.healthy:
        return "up"
    if target.healthy is None:
        return "not-told"
    if target.error is None:
        return "down"
    said = target.error.lower()
    status = re.search(r"http status ([0-9]{3})", said)
    if status is not None:
        code = int(status[1])
        return "failing" if code >= 500 else "shedding" if code == 429 else "answers"
    if re.search(r"parsing|limit exceeded|invalid metric|content-type|\bexpected ", said):
        return "answers"
    return next((kind for words, kind in _WORDS if any(word in said for word in words)), "not-told")


def of_apiservers(group: Sequence[Seen], *, asked: bool, kinds: Mapping[str, str], hosts: Collection[str] = ()) -> Said:
    """The API servers that clients come to. ``hosts`` are the machines that clients ask; ``kinds`` are the servers' kinds by
    address, with what is known of their start."""
    subject = group[0].target.address if len(group) == 1 else "API servers"
    found = {one.target.address: kinds.get(one.target.address, one.kind) for one in group}
    evidence = _evidence(group) | {"kinds": found}
    distinct = set(found.values())
    up = {"up", "answers", "restarted"}
    if distinct <= up:
        worst = next(kind for kind in ("restarted", "answers", "up") if kind in distinct)
        outcome = "asked-up" if asked and worst == "up" else f"apiserver-{worst}"
        beside = [] if asked else [one for one in group if one.target.host in hosts]
        if worst == "up" and beside:
            says = f"{_who(beside)} answers Prometheus, at the machine that clients ask, and at another port"
            return Said(subject=subject, outcome="apiserver-at-other-port", says=says, evidence=evidence)
        extra = {"restarted": " by a process that began after it had failed from here", "answers": ""}.get(worst, "")
        return Said(subject=subject, outcome=outcome, says=f"{_who(group)} answers Prometheus{extra}", evidence=evidence)
    if distinct & up:
        bad = [one for one in group if found[one.target.address] not in up]
        says = f"{len(bad)} of {len(group)} API servers cannot be scraped: {_each(bad)}"
        warning = f"{len(bad)} of {len(group)} API servers are down for Prometheus: {_each(bad)}."
        return Said(
            subject=subject, outcome="apiservers-differ", says=says, evidence=evidence, warning=warning, raw_error=_error(bad)
        )
    outcome = f"apiserver-{distinct.pop()}" if len(distinct) == 1 else "apiserver-down"
    return Said(subject=subject, outcome=outcome, says=f"{_each(group)}", evidence=evidence, raw_error=_error(group))


def of_others(group: Sequence[Seen]) -> Said:
    """API servers that are not asked; one that is down is what breaks next."""
    bad = [one for one in group if one.kind not in ("up", "answers")]
    if not bad:
        return Said(
            subject="other API servers", outcome="others-up", says=f"{_who(group)} answers Prometheus", evidence=_evidence(group)
        )
    warning = f"An API server beside the one that is asked is down for Prometheus: {_each(bad)}."
    return Said(
        subject="other API servers",
        outcome="others-down",
        says=_each(bad),
        evidence=_evidence(group),
        warning=warning,
        raw_error=_error(bad),
    )


def of_hosts(hosts: Mapping[str, Sequence[Seen]], prefix: str, neighbours: Collection[str] = ()) -> Said:
    """Machines by everything on them that is scraped: one that answers anything is on. ``neighbours`` are machines that can be
    scraped; where one in the same small network is, a missing machine is no missing way."""
    kinds = {_host_kind(seen) for seen in hosts.values()}
    several = "API servers' machines" if prefix == "node" else "machines that are asked"
    subject = f"machine {min(hosts)}" if len(hosts) == 1 else several
    all_seen = [one for seen in hosts.values() for one in seen]
    names = listed(sorted(hosts), most=4)
    if len(kinds) > 1 or "not-told" in kinds:
        says = f"Of the machines {names} some answer Prometheus and others do not, or why not is not told"
        return Said(subject=subject, outcome="not-told", says=says, evidence=_evidence(all_seen))
    kind = kinds.pop()
    if kind == "no-route" and prefix == "node" and all(_has_neighbour(host, neighbours) for host in hosts):
        kind = "gone"
    words = {
        "up": "answers Prometheus",
        "silent": "does not answer Prometheus",
        "no-route": "cannot be found by Prometheus",
        "gone": "cannot be found by Prometheus, which finds its neighbours",
    }
    says = f"The machine {names} {words[kind]}" if len(hosts) == 1 else f"Each of the machines {names} {words[kind]}"
    return Said(subject=subject, outcome=f"{prefix}-{kind}", says=says, evidence=_evidence(all_seen), raw_error=_error(all_seen))


def _has_neighbour(host: str, others: Collection[str]) -> bool:
    """Whether one of the others is in the same /24, or /64."""
    try:
        own = ip_address(host)
        network = ip_network((own, 24 if own.version == 4 else 64), strict=False)
    except ValueError:
        return False
    return any(_is_in(network, other) for other in others if other != host)


def _is_in(network: IPv4Network | IPv6Network, host: str) -> bool:
    try:
        return ip_address(host) in network
    except ValueError:
        return False


def _host_kind(seen: Sequence[Seen]) -> str:
    kinds = {one.kind for one in seen}
    if kinds & _TALKS:
        return "up"
    return next(iter(kinds)) if kinds <= {"silent"} or kinds <= {"no-route"} else "not-told"


def of_etcd(group: Sequence[Seen]) -> Said:
    """The members together: what counts is whether there can be a majority."""
    bad = [one for one in group if one.kind not in _TALKS - {"refused"}]
    evidence = _evidence(group)
    if not bad:
        return Said(subject="etcd", outcome="etcd-up", says=f"{_who(group, 'member')} of etcd can be scraped", evidence=evidence)
    if any(one.kind == "not-told" for one in bad):
        says = "Why a member of etcd cannot be scraped is not told"
        return Said(subject="etcd", outcome="not-told", says=says, evidence=evidence, raw_error=_error(bad))
    if len(group) - len(bad) >= len(group) // 2 + 1:
        says = f"{len(bad)} of {len(group)} members of etcd cannot be scraped: {_each(bad)}"
        warning = f"etcd has lost {len(bad)} of {len(group)} members: {_each(bad)}."
        return Said(
            subject="etcd", outcome="etcd-member-down", says=says, evidence=evidence, warning=warning, raw_error=_error(bad)
        )
    kinds = {one.kind for one in bad}
    outcome = f"etcd-{kinds.pop()}" if len(kinds) == 1 else "etcd-down"
    return Said(subject="etcd", outcome=outcome, says=f"etcd: {_each(bad)}", evidence=evidence, raw_error=_error(bad))


def of_balancer(one: Seen, beside: Sequence[Seen] = ()) -> Said:
    """The balancer by its own exporter, which is mostly its very process; ``beside`` is what else is scraped on its machine."""
    kind = "up" if one.kind in _TALKS - {"refused"} else one.kind
    outcome = {"up": "balancer-up", "refused": "balancer-refused", "silent": "balancer-silent", "no-route": "balancer-no-route"}
    if kind == "refused" and any(other.kind == "up" for other in beside):
        outcome = {"refused": "balancer-gone"}
    says = f"The balancer's metrics at {_each([one])}"
    return Said(
        subject=f"balancer {one.target.address}",
        outcome=outcome.get(kind, "not-told"),
        says=says,
        evidence=_evidence([one]),
        raw_error=_error([one]),
    )


def _who(group: Sequence[Seen], what: str = "API server") -> str:
    if len(group) == 1:
        return f"The {what} {group[0].target.address}"
    return f"Each of {len(group)} {what}s"


def _each(group: Iterable[Seen]) -> str:
    """``10.0.0.1:6443 and 10.0.0.2:6443 refuses connections``: the addresses of each kind together."""
    found = list(group)
    kinds = Counter(one.kind for one in found)
    parts = []
    for kind in kinds:
        places = [one.target.address for one in found if one.kind == kind]
        parts.append(f"{listed(places, most=3)} {_SAYS.get(kind, 'cannot be judged')}")
    return ", ".join(parts)


def _error(group: Sequence[Seen]) -> str | None:
    return next((one.target.error for one in group if one.target.error), None)


def _evidence(group: Sequence[Seen]) -> Json:
    """What Prometheus said of each, for whoever reads on."""
    shown: list[Json] = [
        {
            "job": one.target.job,
            "instance": one.target.instance,
            "address": one.target.address,
            "scrape": one.kind,
            "error": one.target.error or None,
            "scraped_at": None if one.target.scraped_at is None else one.target.scraped_at.isoformat(timespec="milliseconds"),
        }
        for one in group[:8]
    ]
    return {"targets": shown}
