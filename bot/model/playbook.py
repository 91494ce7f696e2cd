"""Playbooks and causes as data. Loading and judging the YAML is ``bot.playbook``'s; these are its results."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from bot.model.base import Json, Value
from bot.model.vantage import VantageKind


class Domain(StrEnum):
    """Whom does the on-call engineer call? Every cause belongs to one of these."""

    CLIENT = "client"
    DNS = "dns"
    PATH = "path"
    LOAD_BALANCER = "load-balancer"
    NODE = "node"
    PROCESS = "process"
    DATASTORE = "datastore"
    TLS = "tls"
    AUTH = "auth"
    OVERLOAD = "overload"
    EXTENSION = "extension"
    TUNNEL = "tunnel"
    PROVIDER = "provider"
    HEALTHY = "healthy"


class Source(Value):
    """The document a playbook carries out, and the licence of that document."""

    document: str
    license: str | None = None
    url: str | None = None


class Selects(Value):
    """What leads to this playbook when none was named: symptoms from triage, names of alerts."""

    symptoms: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()


class Step(Value):
    """One thing the playbook does: a probe or a manual check, never both.

    ``params`` is the YAML's ``with``; ``vantages`` its ``from``. Neither the grid nor the first verdict waits for a step
    that is ``beside`` the others; what it finds revises the verdict.
    """

    id: str
    title: str
    source: tuple[str, ...] = ()
    probe: str | None = None
    params: Json = {}
    vantages: tuple[VantageKind, ...] = (VantageKind.BOT,)
    manual: str | None = None
    run: str | None = None
    beside: bool = False


class Direction(StrEnum):
    """On which side of the onset a change must lie."""

    BEFORE = "before"
    AFTER = "after"
    AROUND = "around"


class Window(Value):
    """The interval a correlation line looks in. ``widen`` is its second, larger try; None means it has none."""

    direction: Direction
    length: timedelta
    widen: timedelta | None = None


class CorrelationLine(Value):
    """One diagnosis line: changes of these kinds, about this subject (a glob), in this window around the onset."""

    id: str
    title: str
    source: tuple[str, ...] = ()
    changes: tuple[str, ...]
    subject: str | None = None
    window: Window


class Check(Value):
    """A closing check of a playbook's ``otherwise``: looked at when no line matched. A probe, or a thing to do by hand."""

    id: str
    title: str
    source: tuple[str, ...] = ()
    probe: str | None = None
    params: Json = {}
    manual: str | None = None
    run: str | None = None


class Playbook(Value):
    """What an on-call engineer edits: steps, diagnosis lines and the closing checks."""

    id: str
    title: str
    meaning: str
    impact: str
    always: bool = False
    source: Source | None = None
    selects: Selects = Selects()
    steps: tuple[Step, ...]
    diagnosis: tuple[CorrelationLine, ...] = ()
    otherwise: tuple[Check, ...] = ()


class Match(StrEnum):
    """How many of a probe's conclusive findings must have the outcome. ``every`` is ``all``, and
    like ``none`` it says nothing of a place that was out of reach."""

    ANY = "any"
    ALL = "all"
    EVERY = "every"
    NONE = "none"
    MIXED = "mixed"


class Weight(StrEnum):
    """How much one line of evidence says. Only decisive evidence makes a high confidence."""

    DECISIVE = "decisive"
    STRONG = "strong"
    WEAK = "weak"

    @property
    def points(self) -> int:
        return {"decisive": 8, "strong": 3, "weak": 1}[self.value]


class EvidenceLine(Value):
    """One line of evidence: a probe's outcome from some kind of vantage point, a correlation's result, or what a person
    answered to a manual step.

    ``outcomes`` lists alternatives. ``says`` is the sentence shown when the line holds.
    """

    probe: str | None = None
    outcomes: tuple[str, ...] = ()
    change: str | None = None
    result: str | None = None
    step: str | None = None
    answer: str | None = None
    vantage: VantageKind | None = None
    match: Match = Match.ANY
    weight: Weight
    says: str


class NextStep(Value):
    """What the on-call engineer does next: a sentence, and a command with this cluster's values filled in."""

    say: str
    run: str | None = None


class Separation(Value):
    """The check that tells this cause from others when they are tied."""

    others: tuple[str, ...]
    check: str
    run: str | None = None


class Cause(Value):
    """One named explanation. Ids are stable: the JSON output and users' own playbooks refer to them."""

    id: str
    domain: Domain
    title: str
    sentence: str
    refines: str | None = None
    source: tuple[str, ...] = ()
    evidence_for: tuple[EvidenceLine, ...]
    evidence_against: tuple[EvidenceLine, ...] = ()
    next: tuple[NextStep, ...] = ()
    separations: tuple[Separation, ...] = ()
