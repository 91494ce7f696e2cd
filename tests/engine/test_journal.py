"""Events as the journal makes them: redacted, within their size, and the same each time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.engine.journal import make_event
from bot.model.events import MAX_BYTES, Event, EventType, FindingRecorded, PlaybookSelected, StepPlan
from bot.model.finding import Finding, Status
from bot.redact import Redactor

AT = datetime(2026, 11, 20, 14, 3, tzinfo=UTC)
SECRET = "s3cret-value/with+signs"


def recorded(redactor: Redactor | None = None, **given: Any) -> Event:
    values: dict[str, Any] = {
        "probe": "tcp-connect",
        "subject": "10.0.0.1:6443",
        "status": Status.PROBLEM,
        "outcome": "connection-refused",
        "sentence": "It refuses.",
        "started_at": AT,
    }
    finding = Finding(**{**values, **given})
    return make_event(
        EventType.FINDING_RECORDED,
        finding.key,
        data=FindingRecorded(finding=finding, steps=("tcp",)),
        round=1,
        at=AT,
        by="replica-1",
        redactor=redactor or Redactor(),
        epoch=1,
    )


def size(event: Event) -> int:
    return len(event.model_dump_json().encode())


def back(event: Event) -> Finding:
    return FindingRecorded.model_validate(event.data, strict=False).finding


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=400)
json_values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=60), inner, max_size=30), max_leaves=60
)


@settings(max_examples=150, deadline=None)
@given(evidence=st.dictionaries(st.text(max_size=60), json_values, max_size=30), repeat=st.integers(1, 60))
@example(evidence={"log": "x" * 200_000}, repeat=1)
@example(evidence={"lines": ["ü" * 300] * 5_000}, repeat=1)
@example(evidence={f"key-{number}": "v" * 50 for number in range(5_000)}, repeat=1)
@example(evidence={"k" * 40_000: "v"}, repeat=1)
@example(evidence={"path": "caf\udce9"}, repeat=1)
@example(evidence={"nan": float("nan"), "inf": float("inf")}, repeat=1)
def test_any_evidence_fits_or_is_cut_and_the_finding_stays(evidence: dict[str, Any], repeat: int) -> None:
    event = recorded(evidence={"more": [evidence] * repeat, **evidence})
    assert size(event) <= MAX_BYTES
    finding = back(event)
    assert (finding.subject, finding.outcome, finding.sentence) == ("10.0.0.1:6443", "connection-refused", "It refuses.")
    assert Event.model_validate_json(event.model_dump_json()).id == event.id


@settings(max_examples=60, deadline=None)
@given(
    subject=st.text(min_size=1, max_size=30_000),
    sentence=st.text(max_size=30_000),
    raw=st.text(max_size=60_000),
    todo=st.text(max_size=30_000),
)
@example(subject="\x00" * 599, sentence="", raw="\x00" * 60_000, todo="")
@example(subject="s" * 60_000, sentence="é" * 60_000, raw="\x00" * 60_000, todo="\U0001f4a5" * 20_000)
def test_texts_of_any_length_fit_or_are_cut(subject: str, sentence: str, raw: str, todo: str) -> None:
    event = recorded(subject=subject, sentence=sentence, raw_error=raw, todo=todo, params={"p": todo})
    assert size(event) <= MAX_BYTES
    assert back(event).status is Status.PROBLEM


def test_a_cut_says_how_much_it_left_out_and_evidence_goes_first() -> None:
    event = recorded(evidence={"log": "x" * 60_000}, sentence="y" * 3_000)
    finding = back(event)
    assert finding.evidence["log"] == "x" * 2_000 + "… (58000 characters left out)"
    assert finding.sentence == "y" * 3_000


def test_what_fits_is_not_touched() -> None:
    evidence = {"log": "x" * 9_000, "list": list(range(500))}
    assert back(recorded(evidence=evidence)).evidence == evidence


def test_a_long_plan_loses_words_and_no_step() -> None:
    steps = tuple(
        StepPlan(id=f"step-{number}", title="t" * 100, playbook="p", manual="m" * 600, run="r" * 300) for number in range(40)
    )
    data = PlaybookSelected(playbook="p", title="P", reason="because", steps=steps)
    event = make_event(EventType.PLAYBOOK_SELECTED, 1, data=data, round=1, at=AT, by="r", redactor=Redactor())
    assert size(event) <= MAX_BYTES
    shown = PlaybookSelected.model_validate(event.data, strict=False).steps
    assert [step.id for step in shown] == [step.id for step in steps]


def test_secrets_leave_every_string_names_and_ids_included() -> None:
    event = recorded(
        Redactor([SECRET]),
        subject=f"host/{SECRET}",
        sentence=f"It says {SECRET}.",
        raw_error=f"boom {SECRET}",
        todo=f"run with {SECRET}",
        params={"header": SECRET},
        evidence={SECRET: [SECRET, {"deep": f"a{SECRET}b"}], "authorization": "Bearer abcdefgh12345678"},
    )
    text = event.model_dump_json()
    assert SECRET not in text
    assert "abcdefgh12345678" not in text
    assert "[redacted]" in event.id


def test_whoever_wrote_it_is_redacted_as_well() -> None:
    event = make_event(EventType.CLOSED, 1, data=None, round=1, at=AT, by=f"user {SECRET}", redactor=Redactor([SECRET]))
    assert event.by == "user [redacted]"


def test_the_same_fact_has_the_same_id_and_content() -> None:
    assert recorded() == recorded()
    assert recorded().id == "finding-recorded/1/tcp-connect@bot/10.0.0.1:6443"
    assert recorded(params={"a": 1, "b": 2}).id == recorded(params={"b": 2, "a": 1}).id
    assert recorded(params={"a": 1}).id != recorded(params={"a": 2}).id


def test_two_long_subjects_stay_two() -> None:
    first, second = recorded(subject="s" * 5_000 + "1"), recorded(subject="s" * 5_000 + "2")
    assert first.id != second.id
    assert len(first.id.encode()) <= 600
