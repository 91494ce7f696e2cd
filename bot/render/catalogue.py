"""A playbook or a cause in words, for whoever wants to know beforehand what would be looked at and weighed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from bot.model.playbook import Cause, Check, CorrelationLine, EvidenceLine, Playbook, Step
from bot.template import PLACEHOLDERS, fill


def playbook_text(playbook: Playbook) -> str:
    """The playbook as text: what it is for, its steps, its diagnosis lines with their windows, its closing checks."""
    parts = [
        f"{playbook.id} - {playbook.title}",
        f"Meaning: {playbook.meaning.strip()}",
        f"Impact: {playbook.impact.strip()}",
        _selected(playbook),
        _block("Steps", (_step(step) for step in playbook.steps)),
        _block("Diagnosis", map(_line, playbook.diagnosis)),
        _block("Otherwise", (_step(check) for check in playbook.otherwise)),
    ]
    return "\n\n".join(part for part in parts if part)


def cause_text(cause: Cause) -> str:
    """The cause as text: what speaks for it and against it, with its weight, and what to do next."""
    parts = [
        f"{cause.id} - {cause.title} (domain {cause.domain.value}{f', refines {cause.refines}' if cause.refines else ''})",
        cause.sentence.strip(),
        _block("For", map(_evidence, cause.evidence_for)),
        _block("Against", map(_evidence, cause.evidence_against)),
        _block("Told apart", (f"from {', '.join(one.others)}: {one.check}{_command(one.run)}" for one in cause.separations)),
        _block("Next", (f"{step.say}{_command(step.run)}" for step in cause.next)),
    ]
    return "\n\n".join(part for part in parts if part)


def _selected(playbook: Playbook) -> str:
    if playbook.always:
        return "Runs in every investigation."
    names = [*(f"symptom {name}" for name in playbook.selects.symptoms), *(f"alert {name}" for name in playbook.selects.alerts)]
    return f"Selected by: {', '.join(names) or 'its name only'}"


def _block(title: str, lines: Iterable[str]) -> str:
    shown = [f"  - {line}" for line in lines]
    return "\n".join([f"{title}:", *shown]) if shown else ""


def _step(step: Step | Check) -> str:
    how = f"probe {step.probe}" if step.probe else "by hand"
    source = f" [{', '.join(step.source)}]" if step.source else ""
    return f"{step.title} ({how}){source}{_command(step.run)}"


def _line(line: CorrelationLine) -> str:
    window = f"{line.window.direction.value} {span(line.window.length)}"
    widen = f", widened to {span(line.window.widen)}" if line.window.widen else ""
    source = f" [{', '.join(line.source)}]" if line.source else ""
    return f"{line.title} ({', '.join(line.changes)}; {window}{widen}){source}"


def _evidence(line: EvidenceLine) -> str:
    if line.step is not None:
        return f"{line.weight.value}: {line.says} (step {line.step}, answered by a person: {line.answer})"
    what = f"{line.probe}: {' or '.join(line.outcomes)}" if line.probe else f"{line.change}: {line.result}"
    where = f" from {line.vantage.value}" if line.vantage else ""
    return f"{line.weight.value}: {line.says} ({what}, {line.match.value}{where})"


def _command(run: str | None) -> str:
    """As it is written, but for what stands for a brace: that is for those who write playbooks."""
    return f"\n      {fill(run.strip(), {name: f'{{{name}}}' for name in PLACEHOLDERS})}" if run else ""


def span(length: timedelta) -> str:
    """``2 min``, ``1 h``, as windows are spoken of."""
    minutes, seconds = divmod(round(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} h" if hours else "", f"{minutes} min" if minutes else "", f"{seconds} s" if seconds else ""]
    return " ".join(part for part in parts if part) or "0 s"
