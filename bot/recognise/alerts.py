"""Alerts that people paste: their names, and what each one says of the API server."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.recognise.form import NETWORK, REFUSED, TIMEOUTS


@dataclass(frozen=True, kw_only=True)
class NamedAlert:
    """What an alert of this name says. ``symptom`` is None for one that is not about the API server."""

    symptom: str | None
    playbook: str | None
    means: str


_DOWN = NamedAlert(
    symptom="connection-refused", playbook=REFUSED, means="monitoring reaches no API server, or misses one that it knew"
)
_BEHIND = NamedAlert(symptom="answers", playbook=None, means="the API server answers, and something behind it does not")
_NOT_OURS = "is not about reaching the API server"

KNOWN: dict[str, NamedAlert] = {
    "KubeAPIDown": _DOWN,
    "KubeAPIServerDown": _DOWN,
    "KubernetesApiServerDown": _DOWN,
    "APIServerDown": _DOWN,
    "KubeAPIInstanceUnreachable": _DOWN,
    "KubeletDown": NamedAlert(symptom="connection-refused", playbook=REFUSED, means="monitoring reaches no kubelet"),
    "KubeAPITerminatedRequests": NamedAlert(
        symptom="overloaded", playbook=TIMEOUTS, means="the API server ends requests because it has too many"
    ),
    "KubeAPILatencyHigh": NamedAlert(symptom="unanswered", playbook=TIMEOUTS, means="the API server answers slowly"),
    "KubernetesApiServerLatency": NamedAlert(symptom="unanswered", playbook=TIMEOUTS, means="the API server answers slowly"),
    "KubeAPIErrorsHigh": NamedAlert(symptom="server-error", playbook=None, means="the API server answers with errors"),
    "KubernetesApiServerErrors": NamedAlert(symptom="server-error", playbook=None, means="the API server answers with errors"),
    "KubernetesApiClientErrors": NamedAlert(symptom="server-error", playbook=None, means="clients of the API server see errors"),
    "KubeAggregatedAPIDown": _BEHIND,
    "KubeAggregatedAPIErrors": _BEHIND,
    "KubeClientCertificateExpiration": NamedAlert(
        symptom="client-certificate-expired", playbook=NETWORK, means="a client certificate is about to expire"
    ),
    "KubernetesClientCertificateExpiresSoon": NamedAlert(
        symptom="client-certificate-expired", playbook=NETWORK, means="a client certificate is about to expire"
    ),
    "etcdNoLeader": NamedAlert(symptom="etcd-check-failing", playbook=None, means="etcd has no leader"),
    "etcdMembersDown": NamedAlert(symptom="etcd-check-failing", playbook=None, means="members of etcd are down"),
    "etcdInsufficientMembers": NamedAlert(symptom="etcd-check-failing", playbook=None, means="too few members of etcd are up"),
}
_BUDGET = NamedAlert(
    symptom="unanswered", playbook=TIMEOUTS, means="the API server errs or is slow, and at a pace that is an outage"
)
_SLOW_BUDGET = NamedAlert(
    symptom=None, playbook=None, means="counts a budget that shrinks over days, which is no outage of the API server"
)
_OTHER = NamedAlert(symptom=None, playbook=None, means=_NOT_OURS)

# Alertmanager's own subject, the labels as templates print them, the JSON of its webhook, and sentences around a name.
_NAME = re.compile(
    r"\[FIRING(?::\d{1,5})?\]\s{0,4}\(?(?P<subject>[A-Za-z]\w{2,80})"
    r"|\balertname\W{1,12}(?P<label>[A-Za-z]\w{2,80})"
    r"|\balert:?\s{1,4}[\"'`*]{0,3}(?P<word>(?:Kube|etcd|Target|Node|Prom|Alertmanager|Watchdog|Pod|CPU|APIServer|Cert)\w{2,80})"
    r"|(?P<bare>\b(?:KubeAPI|KubeAggregatedAPI|KubeletDown|KubernetesApiServer|KubeClientCertificate|etcd(?:NoLeader|Members|Insufficient))\w{0,60})",
    re.IGNORECASE,
)
_SENTENCES = (
    (re.compile(r"\bKube(?:API|rnetes API) has disappeared from", re.IGNORECASE), "KubeAPIDown"),
    (re.compile(r"\bKubelet has disappeared from", re.IGNORECASE), "KubeletDown"),
    (re.compile(r"% of the (?:kube-?)?api-?server\S{0,60} targets", re.IGNORECASE), "KubeAPIDown"),
)
"""What the common rules say of themselves, where their name was not copied."""
_API_JOB = re.compile(r"\bjob\W{1,12}(?:kube-?)?api-?server", re.IGNORECASE)
_SLOW = re.compile(r"\b(?:long\W{1,12}(?:6h|1d|3d)|short\W{1,12}(?:30m|2h|6h))\b", re.IGNORECASE)
_BY_NAME = {name.lower(): (name, alert) for name, alert in KNOWN.items()}


def alert_in(text: str) -> tuple[str, NamedAlert] | None:
    """The alert that the text is of, with what it says; None when it is of none. The first known name wins: messages group
    several."""
    other: tuple[str, NamedAlert] | None = None
    for match in _NAME.finditer(text):
        name = match["subject"] or match["label"] or match["word"] or match["bare"]
        known = _known(name, text)
        if known is not None:
            return known
        if other is None and not match["bare"]:
            other = (name, _OTHER)
    told = next((name for sentence, name in _SENTENCES if sentence.search(text)), None)
    return (told, KNOWN[told]) if told and other is None else other


def _known(name: str, text: str) -> tuple[str, NamedAlert] | None:
    lower = name.lower()
    if lower.startswith("kubeapierrorbudgetburn"):
        return name, _SLOW_BUDGET if _SLOW.search(text) else _BUDGET
    if lower in ("targetdown", "prometheustargetmissing"):
        return (name, _DOWN) if _API_JOB.search(text) else (name, _OTHER)
    return _BY_NAME.get(lower)
