"""The event log's vocabulary: the truth of an investigation, from which every view is made.

An envelope is at most ``MAX_BYTES`` of JSON. Its id is deterministic, so appending the same fact twice is a no-op. Readers
keep and ignore types they do not know; ``v`` tells an older binary to leave a newer log alone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from bot.model.alert import Alert
from bot.model.base import Json, Moment, Value
from bot.model.diagnosis import Correlation, Diagnosis, Triage
from bot.model.finding import Finding, Status
from bot.model.recognised import Recognised
from bot.model.target import Cluster

VERSION = 1
"""Of the envelope and of every type's data. It is raised whenever any of them changes, a new field included: readers are strict
about their own version, pass over what they cannot read of a newer one, and never take over a log that holds such."""

MAX_BYTES = 16 * 1024


class EventType(StrEnum):
    """Every kind of event, in three groups by who may append it."""

    # Intake: from any replica, without a lease.
    TRIGGER_JOINED = "trigger-joined"
    CANCEL_REQUESTED = "cancel-requested"
    RERUN_REQUESTED = "rerun-requested"
    WIDEN_REQUESTED = "widen-requested"
    MANUAL_ANSWERED = "manual-answered"
    FEEDBACK_GIVEN = "feedback-given"
    # Owner: with the lease's epoch.
    OPENED = "opened"
    OWNER_CHANGED = "owner-changed"
    ROUND_STARTED = "round-started"
    TRIAGED = "triaged"
    PLAYBOOK_SELECTED = "playbook-selected"
    STEP_STARTED = "step-started"
    FINDING_RECORDED = "finding-recorded"
    STEP_FINISHED = "step-finished"
    ONSET_ESTABLISHED = "onset-established"
    CORRELATION_EVALUATED = "correlation-evaluated"
    DIAGNOSED = "diagnosed"
    CONCLUDED = "concluded"
    RECOVERED = "recovered"
    REOPENED = "reopened"
    CLOSED = "closed"
    DURABILITY_CHANGED = "durability-changed"
    # Delivery: with the lease's epoch.
    DELIVERY_PLANNED = "delivery-planned"
    DELIVERED = "delivered"
    DELIVERY_FAILED = "delivery-failed"


INTAKE = frozenset(
    {
        EventType.TRIGGER_JOINED,
        EventType.CANCEL_REQUESTED,
        EventType.RERUN_REQUESTED,
        EventType.WIDEN_REQUESTED,
        EventType.MANUAL_ANSWERED,
        EventType.FEEDBACK_GIVEN,
    }
)
DELIVERY = frozenset({EventType.DELIVERY_PLANNED, EventType.DELIVERED, EventType.DELIVERY_FAILED})


class Event(Value):
    """One fact. ``by`` is the replica, user or agent that appended it; ``type`` is a string so that a reader keeps what a
    newer writer wrote; ``data`` is the JSON of the type's own value (see ``bot.model.events``)."""

    v: int = VERSION
    id: str
    type: str
    round: int
    epoch: int = 0
    at: Moment
    by: str
    data: Json = {}


class Thread(Value):
    """Where a thread lives: a Slack channel and, once it is posted, its root's timestamp. Empty for the command line."""

    channel: str
    root_ts: str | None = None


TriggerKind = Literal["slash-command", "button", "alert", "alert-resolved", "heartbeat", "command-line"]


class Trigger(Value):
    """What started or joined an investigation. ``text`` is what was typed, shortened; ``recognised`` is what it was recognised
    as, where it was pasted. ``alert`` is there for the two kinds of alert; a resolved one starts nothing by
    itself. One that joins says what ``Opened`` says of one that starts: where it was asked, and what it wants of the next
    round."""

    kind: TriggerKind
    who: str
    text: str = ""
    name: str | None = None
    alert: Alert | None = None
    thread: Thread | None = None
    playbook: str | None = None
    since: Moment | None = None
    recognised: Recognised | None = None


class Opened(Value):
    """Data of ``opened``. ``playbook`` is set when the person named one; ``thread`` is None without Slack."""

    cluster: Cluster
    trigger: Trigger
    playbook: str | None = None
    since: Moment | None = None
    thread: Thread | None = None


class StepPlan(Value):
    """One line of the thread's step list. ``manual`` steps carry what to do and the command, filled in."""

    id: str
    title: str
    playbook: str
    probe: str | None = None
    vantage: str = "bot"
    source: tuple[str, ...] = ()
    manual: str | None = None
    run: str | None = None


class RoundStarted(Value):
    """Data of ``round-started``: the ladder's steps, and the server URL as the cluster's files give it in this round."""

    reason: str
    server: str | None = None
    steps: tuple[StepPlan, ...]


class PlaybookSelected(Value):
    """Data of ``playbook-selected``. ``playbook`` is None when nothing fits the symptom; ``steps`` are those it adds."""

    playbook: str | None
    title: str | None
    reason: str
    steps: tuple[StepPlan, ...] = ()


class StepStarted(Value):
    step: str


class FindingRecorded(Value):
    """Data of ``finding-recorded``; ``steps`` are the ids of all steps that share it."""

    finding: Finding
    steps: tuple[str, ...]


class StepFinished(Value):
    """Data of ``step-finished``: the worst of its findings, and one sentence for the step list."""

    step: str
    status: Status
    sentence: str
    duration_s: float


class Triaged(Value):
    triage: Triage


class CorrelationEvaluated(Value):
    correlation: Correlation


class Diagnosed(Value):
    """Data of ``diagnosed``. ``heard`` is how many answers to manual steps of its round it takes into account."""

    diagnosis: Diagnosis
    heard: int = 0


class Concluded(Value):
    """Data of ``concluded``: seconds from the trigger to the first verdict and to the end, and requests made."""

    first_verdict_s: float
    duration_s: float
    requests: int = 0


ClosedReason = Literal["completed", "cancelled", "superseded", "failed"]


class Closed(Value):
    """Data of ``closed``. ``heard`` is how many intake events its
    owner had seen: when there are more by then, it is not closed."""

    reason: ClosedReason
    by: str = ""
    heard: int | None = None


class Durability(Value):
    """Data of ``durability-changed``: whether what is seen from here on survives the replica that sees it."""

    durable: bool


class DeliveryPlanned(Value):
    """Data of ``delivery-planned``: the message that is about to be posted, before it is, so that a successor looks
    whether it was. ``message`` is the view's stable key (``root``, ``steps/1``, ``verdict/1``)."""

    message: str
    events: tuple[str, ...] = ()


class Delivered(Value):
    """Data of ``delivered``: where the message is, and the digest of what it shows."""

    message: str
    channel: str
    ts: str
    digest: str


class DeliveryFailed(Value):
    """Data of ``delivery-failed``: one message that cannot be shown, or, when ``final``, nothing more in this round."""

    message: str
    error: str
    final: bool
