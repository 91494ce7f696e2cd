"""What the diagnosis says: the grid, the correlations, the ranked causes and the verdict."""

from __future__ import annotations

from enum import StrEnum

from bot.model.base import Value
from bot.model.change import Change, Onset
from bot.model.finding import Status
from bot.model.playbook import Domain, NextStep


class Layer(StrEnum):
    """The ladder's rungs, bottom up. Each needs the one below it."""

    NAME = "name"
    TCP = "tcp"
    TLS = "tls"
    HTTP = "http"
    AUTH = "auth"


class Cell(Value):
    """One layer at one address from one vantage point. ``outcome`` is the finding's; a cell not reached has none."""

    layer: Layer
    address: str
    vantage: str = "bot"
    status: Status
    outcome: str | None = None
    duration_s: float | None = None


class Triage(Value):
    """The grid in one sentence: which domain to look in, what the symptom is called, which playbook that selects.

    ``domain`` is None when the grid does not point anywhere; ``symptom`` is the outcome that playbooks select by. ``notes``
    are what is wrong with the access itself, such as credentials that cannot be used: often that is the fault.
    """

    cells: tuple[Cell, ...]
    domain: Domain | None
    symptom: str | None
    sentence: str
    playbook: str | None = None
    notes: tuple[str, ...] = ()


class CorrelationResult(StrEnum):
    MATCH = "match"
    MATCH_AFTER_WIDENING = "match-after-widening"
    NO_MATCH = "no-match"
    NOT_CHECKED = "not-checked"


class Correlation(Value):
    """One evaluated diagnosis line. ``todo`` says what is missing when it could not be checked; ``kinds`` are the kinds of
    change that were looked for, which is what causes refer to."""

    id: str
    title: str
    playbook: str
    source: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    result: CorrelationResult
    window: str
    widened: bool = False
    changes: tuple[Change, ...] = ()
    sentence: str
    todo: str | None = None


class Confidence(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Separator(Value):
    """The one check that would break a tie."""

    between: tuple[str, ...]
    check: str
    run: str | None = None


class RankedCause(Value):
    """One cause with its evidence. ``next`` has this cluster's values filled in."""

    id: str
    domain: Domain
    title: str
    sentence: str
    confidence: Confidence
    score: float
    refines: str | None = None
    tied_with: tuple[str, ...] = ()
    evidence_for: tuple[str, ...] = ()
    evidence_against: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    next: tuple[NextStep, ...] = ()
    separator: Separator | None = None


class Verdict(StrEnum):
    CAUSE = "cause"
    HEALTHY = "healthy"
    INCONCLUSIVE = "inconclusive"


class Diagnosis(Value):
    """The ranked causes and the verdict at one moment; a later revision replaces it.

    ``revised`` says what is new against the diagnosis before; where nothing is, what was new last. ``ask`` are the manual steps
    whose answers would tell most.
    ``final`` is false while slower evidence is still running; ``still_running`` and ``not_checked`` are what a reader must
    know before believing it. ``notes`` are findings about the whole, such as "nothing changed".
    """

    revision: int
    verdict: Verdict
    headline: str
    causes: tuple[RankedCause, ...] = ()
    onset: Onset | None = None
    not_checked: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    still_running: tuple[str, ...] = ()
    revised: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    final: bool = False
