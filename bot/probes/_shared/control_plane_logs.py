"""Which logs of a control plane are worth a look, and the lines in them that say why something ended or does not work.

Lines are recognised by their form: what klog, Go's runtime, etcd and the libraries write whichever the version is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from bot.model.base import Json, Value
from bot.ports import ApiObject, KubernetesReads, LogAnswer
from bot.probes._shared.reads import condition, moment

COMPONENTS = ("kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler")
MOST = 4
"""Logs of a round. Each makes the API server connect to a kubelet."""

RECENT = timedelta(hours=1)
SINCE_S = 600
"""What one that runs wrote longer ago is over."""

_STAMP = re.compile(r"^(\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)) ?")

OUTCOMES = MappingProxyType(
    {
        "setting-wrong": "it does not accept one of its flags, or a flag's value",
        "file-unreadable": "a file that it needs is missing or cannot be used",
        "address-in-use": "its address and port are taken by something else",
        "certificate-expired": "a certificate that it uses or is shown has expired",
        "certificate-rejected": "a certificate is of an authority that it does not know, or for another name",
        "etcd-no-space": "etcd's database is full, and takes no writes",
        "etcd-no-leader": "etcd has no leader",
        "etcd-slow": "etcd says that its disk or its requests are slow",
        "etcd-not-reached": "etcd cannot be reached, or does not answer in time",
        "too-many-files": "it may not open more files or connections",
        "out-of-memory": "it cannot get memory",
        "lease-lost": "it could not renew its lease, and ended because of that",
        "panicked": "it ended because of a defect of its own",
        "fatal": "it says that it cannot go on, for another reason",
        "etcd-ended": "etcd ended, and says why",
        "controller-ended": "the controller manager or the scheduler ended, and says why",
    }
)

# The first form that fits is meant: the particular before the general.
_FORMS = {
    "etcd-no-space": (r"mvcc: database space exceeded", r"etcdserver: no space", r"alarm.{0,40}NOSPACE"),
    "too-many-files": (r"too many open files",),
    "out-of-memory": (r"cannot allocate memory", r"fatal error: runtime: (?:out of memory|cannot allocate)"),
    "address-in-use": (r"bind: address already in use",),
    "certificate-expired": (r"x509: certificate has expired", r"tls: expired certificate"),
    "certificate-rejected": (
        r"x509: certificate signed by unknown authority",
        r"x509: certificate is (?:valid for|not valid)",
        r"x509: cannot validate",
        r"tls: (?:bad certificate|unknown certificate)",
    ),
    "etcd-no-leader": (r"etcdserver: no leader", r"RAFT NO LEADER"),
    "lease-lost": (r"leader ?election lost", r"lost (?:the )?lease"),
    "setting-wrong": (
        r"unknown (?:shorthand )?flag",
        r"flag provided but not defined",
        r'invalid argument ".{0,200}" for "',
        r"is not a valid (?:mode|value)",
        r'(?:Error: |err=")\[?--[a-z]',
    ),
    "file-unreadable": (
        r"open /[^\s:]{1,200}: (?:no such file or directory|permission denied|is a directory)",
        r"tls: failed to find any PEM data",
        r"private key does not match",
        r"failed to (?:load|parse).{0,60}(?:certificate|key|CA)",
    ),
    "etcd-not-reached": (
        r"etcdserver: request timed out",
        r"dial(?:ing|: dial)? tcp.{0,80}:(?:2379|4001)\b.{0,200}(?:refused|timeout|timed out|no route)",
        r'"command failed" err="context deadline exceeded',
    ),
    "etcd-slow": (r"slow fdatasync", r"leader failed to send out heartbeat on time"),
    "panicked": (r"^panic: ", r"^goroutine \d+ \[", r"^fatal error: ", r'"level":"panic"'),
    "fatal": (r"^F\d{4} ", r'"level":"fatal"', r'^E\d{4} .{0,80}"command failed"', r"^[Ee]rror: "),
}
_COMPILED = tuple((outcome, re.compile("|".join(forms))) for outcome, forms in _FORMS.items())
_OF_CLIENTS = re.compile(r"Unable to authenticate the request|TLS handshake error from|rejected connection")
"""What a server says of those who come to it is about them."""

_OFTEN = {"etcd-slow": 3}
"""How many such lines it takes to mean something; else one."""

_ENDS = frozenset({"panicked", "fatal", "setting-wrong", "file-unreadable", "lease-lost", "address-in-use", "out-of-memory"})
"""What a component that runs says of others is no end of its own; these are."""

_END_OF = {"etcd": "etcd-ended", "kube-controller-manager": "controller-ended", "kube-scheduler": "controller-ended"}


class Look(Value):
    """One log to read."""

    component: str
    pod: ApiObject
    previous: bool
    ended: bool

    @property
    def since_s(self) -> int | None:
        """All of it where the component ended, else what is recent."""
        return None if self.ended else SINCE_S


class Line(Value):
    """A line that says something, without the time that stood before it."""

    outcome: str
    text: str
    at: datetime | None = None


async def pods(api: KubernetesReads, namespace: str) -> Sequence[ApiObject]:
    """The control plane's pods: by the label that kubeadm and most others set, else by their containers. Raises Unavailable."""
    return await api.list_pods(namespace, label_selector="tier=control-plane") or await api.list_pods(namespace)


def looks(pods: Sequence[ApiObject], now: datetime) -> list[Look]:
    """The logs to read: of those that ended or are not ready first, one of each component, the API server's first."""
    known = [look for pod in pods for look in _look(pod, now)]
    order = sorted(known, key=lambda one: (not one.ended, COMPONENTS.index(one.component), one.pod.name))
    first = {one.component: one for one in reversed(order)}
    chosen = [one for one in order if one.ended or first[one.component] is one]
    return chosen[:MOST]


def _look(pod: ApiObject, now: datetime) -> Iterator[Look]:
    for container in pod.data.get("containers", ()):
        if container["name"] not in COMPONENTS:
            continue
        running = "running" in container.get("state", {})
        end = moment((container.get("lastState", {}).get("terminated") or {}).get("finishedAt"))
        restarted = running and end is not None and now - end <= RECENT
        ready = condition(pod, "Ready").get("status") == "True" and container.get("ready", False)
        yield Look(component=container["name"], pod=pod, previous=restarted, ended=restarted or not running or not ready)


def telling(answer: LogAnswer, look: Look) -> Line | None:
    """The line that tells most: the last one of the most particular form. What it says of its own end counts where it ended,
    and why the API server did is a matter of its own."""
    found: list[tuple[int, int, Line]] = []
    for place, raw in enumerate(answer.lines):
        stamp = _STAMP.match(raw)
        text = raw[stamp.end() :] if stamp else raw
        rank, outcome = _form(text)
        if outcome and (look.ended or outcome not in _ENDS):
            if outcome in _ENDS and outcome != "lease-lost":
                outcome = _END_OF.get(look.component, outcome)
            line = Line(outcome=outcome, text=text.strip(), at=moment(stamp[1]) if stamp else None)
            found.append((-rank, place, line))
    many = Counter(line.outcome for _, _, line in found)
    enough = [one for one in found if many[one[2].outcome] >= _OFTEN.get(one[2].outcome, 1)]
    return max(enough, key=lambda one: one[:2])[2] if enough else None


def _form(text: str) -> tuple[int, str | None]:
    if not _OF_CLIENTS.search(text):
        for rank, (outcome, form) in enumerate(_COMPILED):
            if form.search(text):
                return rank, outcome
    return 0, None


def evidence(look: Look, answer: LogAnswer, line: Line | None) -> Json:
    """Which log was read, how much of it, and the line; not the log."""
    said: Json = {"component": look.component, "node": look.pod.data.get("nodeName"), "attempt_before": look.previous}
    said |= {"lines_read": len(answer.lines), "status": answer.status}
    return said | ({"line": line.text, "written_at": line.at.isoformat() if line.at else None} if line else {})
