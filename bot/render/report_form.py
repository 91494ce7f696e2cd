"""The published form of a report, ``apidown/v1``: what scripts and other tools read from ``--output json``.

Names and meanings do not change within a version; keys may be added. ``docs/apidown.v1.schema.json`` is made from this.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bot.model.base import Json, Moment, Value
from bot.model.diagnosis import Confidence, CorrelationResult, Verdict
from bot.model.finding import Status
from bot.model.playbook import Domain


class ReportOnset(Value):
    """When the failures began: between ``last_good`` (null: never seen) and ``first_bad``."""

    first_bad: Moment
    last_good: Moment | None
    source: str
    uncertainty_s: float | None = Field(description="the interval's width in seconds; null when nothing good was ever seen")


class ReportStep(Value):
    """One finding of one step. A step without findings has one entry too."""

    id: str
    title: str
    probe: str | None = Field(description="null: a step for a person")
    vantage: str
    subject: str | None = Field(description="the address, node or object that was looked at")
    status: Status
    outcome: str | None = Field(description="the probe's code for what it saw; null when nothing was looked at")
    sentence: str
    started_at: Moment | None
    duration_s: float
    evidence: Json
    raw_error: str | None = None
    todo: str | None = Field(default=None, description="what would make it checkable, or the command to run by hand")


class ReportChange(Value):
    """A recorded change that fits a diagnosis line. ``precision_s`` is how far the true time may lie from ``at``."""

    kind: str
    at: Moment
    subject: str
    source: str
    precision_s: float
    who: str | None = None
    what: str | None = None


class ReportCorrelation(Value):
    """One diagnosis line: were there changes of its kinds in its window around the onset?"""

    id: str
    playbook: str
    title: str
    result: CorrelationResult
    window: str
    widened: bool
    sentence: str
    changes: tuple[ReportChange, ...]
    todo: str | None = None


class ReportCause(Value):
    """One ranked cause, best-supported first. Those in ``tied_with`` cannot be told apart from it by what was seen."""

    id: str
    domain: Domain
    title: str
    sentence: str
    confidence: Confidence
    score: float
    refines: str | None = None
    tied_with: tuple[str, ...]
    evidence_for: tuple[str, ...]
    evidence_against: tuple[str, ...]
    unchecked: tuple[str, ...]
    next: tuple[str, ...]


class ReportTriage(Value):
    """Which domain the layers point to, in one sentence."""

    domain: Domain | None
    symptom: str | None
    sentence: str


class ReportWarning(Value):
    """What works and would break next. It is no part of the verdict."""

    sentence: str
    probe: str
    subject: str


class Report(Value):
    """One investigation of one cluster, as of its newest round."""

    schema_: Literal["apidown/v1"] = Field(default="apidown/v1", alias="schema")
    investigation: str
    cluster: str
    server: str
    asked_at: Moment = Field(description="when the investigation was asked for")
    round: int
    state: Literal["running", "cancelling", "concluded", "cancelled", "failed", "superseded"]
    playbooks: tuple[str, ...]
    verdict: Verdict
    headline: str | None
    final: bool = Field(description="false while slower evidence may still revise the verdict")
    triage: ReportTriage | None
    onset: ReportOnset | None = Field(description="null when it is not known since when it fails")
    steps: tuple[ReportStep, ...]
    correlations: tuple[ReportCorrelation, ...]
    causes: tuple[ReportCause, ...]
    not_checked: tuple[str, ...]
    notes: tuple[str, ...]
    next_to_break: tuple[ReportWarning, ...] = Field(default=(), description="early warnings: what works and would break next")
    revised: tuple[str, ...] = Field(default=(), description="what the verdict says that an earlier one of the round did not")
    first_verdict_s: float | None = Field(description="seconds from the trigger to the first verdict")
    duration_s: float | None = Field(description="seconds the round took; null while it runs or when it was cancelled")
    requests: int | None = Field(default=None, description="HTTP requests to the API server in the round; null while it runs")
