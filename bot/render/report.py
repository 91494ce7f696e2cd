"""Reports of an investigation for other tools (JSON) and for documents (Markdown)."""

from __future__ import annotations

import re
from datetime import datetime

from bot.diagnosis.onset import ASKED
from bot.diagnosis.warnings import next_to_break
from bot.model.answer import is_answer
from bot.model.base import Json
from bot.model.diagnosis import Verdict
from bot.model.finding import Finding, Status
from bot.model.investigation import Investigation
from bot.model.playbook import NextStep
from bot.render import missing, phrases, story
from bot.render import report_form as form
from bot.render.clean import clean, one_line
from bot.render.story import Line
from bot.render.terminal import sections


def as_json(investigation: Investigation) -> Json:
    """The report as published: schema ``apidown/v1``."""
    return report(investigation).model_dump(mode="json", by_alias=True)


def as_json_schema() -> Json:
    """The JSON Schema of ``as_json``'s result."""
    schema = form.Report.model_json_schema(mode="serialization", by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "apidown/v1", **schema}


def as_markdown(investigation: Investigation, now: datetime) -> str:
    """A document for an incident's record: what the terminal shows in full, each part under a heading and in a fence that
    nothing in it closes."""
    diagnosis = investigation.diagnosis
    word = phrases.VERDICT_WORDS[diagnosis.verdict] if diagnosis else "No verdict"
    said = f"{word}: {story.headline(diagnosis)}" if diagnosis else f"{word}; this is not an all-clear."
    rows = [f"# API server investigation {investigation.ref.id}", f"**{_escaped(said)}**"]
    for place, (title, body) in enumerate(sections(investigation, now)):
        heading = title or ("Investigation" if place == 0 else "Verdict")
        rows += [f"## {heading}", _fenced("\n".join(body))]
    return "\n\n".join(rows) + "\n"


def _fenced(text: str) -> str:
    fence = "`" * max(3, _longest_run("`", text) + 1)
    return f"{fence}text\n{text.strip(chr(10))}\n{fence}"


def _escaped(text: str) -> str:
    """One line in which nothing is Markdown or HTML."""
    return re.sub(r"([\\`*_\[\]<>#|~!&])", r"\\\1", one_line(text))


def report(investigation: Investigation) -> form.Report:
    """The report as a value."""
    diagnosis, onset, triage = investigation.diagnosis, story.onset(investigation), investigation.triage
    concluded = investigation.concluded
    return form.Report(
        schema="apidown/v1",
        investigation=investigation.ref.id,
        cluster=investigation.ref.cluster,
        server=investigation.server_url,
        asked_at=investigation.opened_at,
        round=story.round_number(investigation),
        state=story.phase(investigation).value,
        playbooks=_playbooks(investigation),
        verdict=diagnosis.verdict if diagnosis else Verdict.INCONCLUSIVE,
        headline=diagnosis.headline if diagnosis else None,
        final=diagnosis.final if diagnosis else False,
        triage=form.ReportTriage(domain=triage.domain, symptom=triage.symptom, sentence=triage.sentence) if triage else None,
        onset=None
        if onset is None or onset.source == ASKED
        else form.ReportOnset(
            first_bad=onset.first_bad, last_good=onset.last_good, source=onset.source, uncertainty_s=onset.uncertainty_s
        ),
        steps=tuple(entry for line in story.step_lines(investigation) for entry in _step(line)),
        correlations=_correlations(investigation),
        causes=_causes(investigation),
        not_checked=tuple(f"{item.label}: {item.why}" if item.label else item.why for item in missing.unchecked(investigation)),
        notes=diagnosis.notes if diagnosis else (),
        next_to_break=tuple(form.ReportWarning(**one.model_dump()) for one in next_to_break(investigation.findings)),
        revised=diagnosis.revised if diagnosis else (),
        first_verdict_s=_first_verdict_s(investigation),
        duration_s=concluded.duration_s if concluded else None,
        requests=concluded.requests if concluded else None,
    )


def _playbooks(investigation: Investigation) -> tuple[str, ...]:
    chosen = investigation.playbook.playbook if investigation.playbook else None
    named = [step.plan.playbook for step in investigation.steps]
    return tuple(dict.fromkeys([*([chosen] if chosen else []), *named]))


def _first_verdict_s(investigation: Investigation) -> float | None:
    if investigation.concluded is not None:
        return investigation.concluded.first_verdict_s
    if investigation.diagnosed_at is None or investigation.diagnosis is None or investigation.diagnosis.revision > 1:
        return None
    return (investigation.diagnosed_at - (investigation.round_started_at or investigation.opened_at)).total_seconds()


def _step(line: Line) -> list[form.ReportStep]:
    if line.step.findings:
        return [_found(line, finding) for finding in line.step.findings]
    plan = line.step.plan
    return [
        form.ReportStep(
            id=plan.id,
            title=plan.title,
            probe=plan.probe,
            vantage=plan.vantage,
            subject=None,
            status=line.status or Status.NOT_CHECKED,
            outcome=None,
            sentence=line.sentence or f"It is {line.step.progress.value}.",
            started_at=None,
            duration_s=line.step.duration_s,
            evidence={},
            todo=plan.run,
        )
    ]


def _found(line: Line, finding: Finding) -> form.ReportStep:
    return form.ReportStep(
        id=line.step.plan.id,
        title=line.title,
        probe=None if is_answer(finding) else finding.probe,
        vantage=str(finding.vantage),
        subject=finding.subject,
        status=finding.status,
        outcome=finding.outcome,
        sentence=finding.sentence,
        started_at=finding.started_at,
        duration_s=finding.duration_s,
        evidence=finding.evidence,
        raw_error=finding.raw_error,
        todo=finding.todo or (line.step.plan.run if finding.status is Status.NOT_CHECKED else None),
    )


def _correlations(investigation: Investigation) -> tuple[form.ReportCorrelation, ...]:
    return tuple(
        form.ReportCorrelation(
            id=item.id,
            playbook=item.playbook,
            title=item.title,
            result=item.result,
            window=item.window,
            widened=item.widened,
            sentence=item.sentence,
            changes=tuple(form.ReportChange(**change.model_dump()) for change in item.changes),
            todo=item.todo,
        )
        for item in investigation.correlations
    )


def _causes(investigation: Investigation) -> tuple[form.ReportCause, ...]:
    ranked = investigation.diagnosis.causes if investigation.diagnosis else ()
    return tuple(
        form.ReportCause(**cause.model_dump(exclude={"separator", "next"}), next=tuple(map(_in_words, cause.next)))
        for cause in ranked
    )


def _in_words(step: NextStep) -> str:
    return step.say if step.run is None else f"{step.say} Run: {step.run}"


def _longest_run(character: str, text: str) -> int:
    longest = run = 0
    for each in clean(text):
        run = run + 1 if each == character else 0
        longest = max(longest, run)
    return longest
