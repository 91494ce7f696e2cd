"""What there is to say about an investigation, before any view says it: the thread, the terminal and the reports all ask
here, so that they cannot disagree on what was checked, what changed or what is over."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bot.diagnosis import ladder, warnings
from bot.model.alert import Alert
from bot.model.change import Onset
from bot.model.diagnosis import Correlation, CorrelationResult, Diagnosis, Layer, RankedCause, Separator, Verdict
from bot.model.finding import Status, worst
from bot.model.investigation import Investigation, Progress, State, StepState
from bot.model.playbook import NextStep
from bot.model.recognised import About
from bot.render.clean import one_line
from bot.render.phrases import STATUS_WORDS, confidence, count

MATCHES = frozenset({CorrelationResult.MATCH, CorrelationResult.MATCH_AFTER_WIDENING})
TROUBLE = frozenset({Status.PROBLEM, Status.ERROR})
TOP_CAUSES = 3


class Phase(StrEnum):
    """Where an investigation is, as a reader sees it."""

    RUNNING = "running"
    CANCELLING = "cancelling"
    CONCLUDED = "concluded"
    CANCELLED = "cancelled"
    FAILED = "failed"
    SUPERSEDED = "superseded"


def phase(investigation: Investigation) -> Phase:
    """The phase; a conclusion stays one when the investigation is closed as completed."""
    if investigation.state is State.CLOSED and investigation.closed is not None:
        reason = investigation.closed.reason
        return Phase(reason) if reason in (Phase.CANCELLED, Phase.FAILED, Phase.SUPERSEDED) else Phase.CONCLUDED
    if investigation.state is State.RUNNING:
        return Phase.CANCELLING if investigation.cancel_requested_by else Phase.RUNNING
    return Phase.CONCLUDED


def is_over(investigation: Investigation) -> bool:
    """Whether nothing will run any more in this round."""
    return phase(investigation) not in (Phase.RUNNING, Phase.CANCELLING)


def round_number(investigation: Investigation) -> int:
    """The round that is shown: the first one also before it has begun."""
    return max(investigation.round, 1)


def has_server(investigation: Investigation) -> bool:
    """Whether it is known which server is meant: a kubeconfig that cannot be read names none."""
    return investigation.server is not None or bool(investigation.opened.cluster.target.host)


def started_by(investigation: Investigation) -> tuple[str, str | None]:
    """Who asked: an id and, where known, a name."""
    trigger = investigation.opened.trigger
    return trigger.who, trigger.name


def alerts(investigation: Investigation) -> str:
    """All its alerts in one line: how often each, and its end where that is known. Empty without any."""
    told = investigation.alerts
    by_name: dict[str, list[Alert]] = {}
    for alert in told:
        by_name.setdefault(one_line(alert.name), []).append(alert)
    named = [f"{name}{_times(same)}{_ends(same)}" for name, same in by_name.items()]
    more = f" and {count(len(named) - _NAMED_ALERTS, 'more name')}" if len(named) > _NAMED_ALERTS else ""
    return f"{count(len(told), 'alert')}: {', '.join(named[:_NAMED_ALERTS])}{more}" if told else ""


_NAMED_ALERTS = 6


def _times(same: list[Alert]) -> str:
    return f" \N{MULTIPLICATION SIGN}{len(same)}" if len(same) > 1 else ""


def _ends(same: list[Alert]) -> str:
    ends = [alert.resolved_at for alert in same if alert.resolved_at is not None]
    if not ends:
        return ""
    part = f"{len(ends)} of {len(same)} " if len(ends) < len(same) else ""
    return f" ({part}resolved at {max(ends):%H:%M} UTC)"


def alert_that_opened(investigation: Investigation) -> str:
    """The alert that opened it, with the labels that tell it from its like: ``KubeAPIDown (critical)``. Empty if none did."""
    alert = investigation.opened.trigger.alert
    if alert is None:
        return ""
    told = [one_line(alert.labels[label]) for label in ("severity", "instance") if label in alert.labels]
    return f"{one_line(alert.name)} ({', '.join(told)})" if told else one_line(alert.name)


def pasted(investigation: Investigation) -> str:
    """What a pasted text was recognised as, in one line. Empty where nothing was."""
    seen = investigation.recognised
    if seen is None:
        return ""
    if seen.about is About.SOMETHING_ELSE:
        return one_line(f"Pasted text: not about reaching an API server. {seen.why}")
    at = f" at {seen.address}" if seen.address else ""
    return one_line(f"Pasted text: {seen.symptom or 'a failure without a known name'}{at}. {seen.why}")


def cancelled_by(investigation: Investigation) -> str:
    closed = investigation.closed
    return (closed.by if closed and closed.by else "") or investigation.cancel_requested_by or "nobody known"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One step as the step list shows it. ``status`` is None while it waits or runs; ``needs_person`` marks manual ones."""

    number: int
    step: StepState
    status: Status | None

    @property
    def title(self) -> str:
        return self.step.plan.title

    @property
    def needs_person(self) -> bool:
        return self.step.plan.probe is None

    @property
    def sentence(self) -> str:
        """The step's own sentence; failing that its worst finding's; for a step that never ran, that."""
        if self.step.sentence:
            return self.step.sentence
        if self.step.findings:
            return next(finding.sentence for finding in self.step.findings if finding.status is self.status)
        if self.needs_person:
            return self.step.plan.manual or "needs a person"
        if self.step.progress is Progress.RUNNING:
            return "It was still running when this ended." if self.status is not None else ""
        return "It was not run." if self.status is not None else ""


def step_lines(investigation: Investigation) -> list[Line]:
    """Every step of the round in the playbook's order, numbered."""
    over = is_over(investigation)
    return [
        Line(number=number, step=step, status=_ending(step, over=over))
        for number, step in enumerate(investigation.steps, start=1)
    ]


def _ending(step: StepState, *, over: bool) -> Status | None:
    if step.progress is Progress.FINISHED:
        return step.status or worst([finding.status for finding in step.findings])
    return worst([finding.status for finding in step.findings]) if over else None


def progress(investigation: Investigation) -> str:
    """``4 of 8 steps done, 1 problem``; when it is over, what became of each: that a step is done with is not that somebody
    looked."""
    listed = step_lines(investigation)
    if is_over(investigation) and not listed:
        return "nothing was looked at"
    if is_over(investigation):
        words = [FOR_A_PERSON if line.needs_person and line.status is Status.NOT_CHECKED else _ended(line) for line in listed]
        order = sorted(set(words), key=lambda word: _ENDINGS.index(word))
        return f"{count(len(listed), 'step')}: {', '.join(_counted(words.count(word), word) for word in order)}"
    done = sum(line.step.progress is Progress.FINISHED for line in listed)
    problems = sum(line.status is Status.PROBLEM for line in listed)
    text = f"{done} of {count(len(listed), 'step')} done"
    return f"{text}, {count(problems, 'problem')}" if problems else text


FOR_A_PERSON = "for a person"
_ENDINGS = [
    *(STATUS_WORDS[status] for status in (Status.PROBLEM, Status.ERROR, Status.OK, Status.INCONCLUSIVE, Status.NOT_APPLICABLE)),
    STATUS_WORDS[Status.NOT_CHECKED],
    FOR_A_PERSON,
]


def _counted(number: int, word: str) -> str:
    """``2 problems``, ``4 not applicable``."""
    return count(number, word) if word in (STATUS_WORDS[Status.PROBLEM], STATUS_WORDS[Status.ERROR]) else f"{number} {word}"


def _ended(line: Line) -> str:
    return STATUS_WORDS[line.status or Status.NOT_CHECKED]


def addresses(investigation: Investigation) -> list[str]:
    """The addresses under test that are known so far, in the order they were seen."""
    cells = investigation.triage.cells if investigation.triage else ladder.cells(investigation.findings)
    return list(dict.fromkeys(cell.address for cell in cells if cell.layer is not Layer.NAME))


def inside(text: str) -> str:
    """A sentence as a part of another one; ``TLS`` and ``DNS`` stay as they are."""
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2].isspace() else text


def next_to_break(investigation: Investigation) -> list[str]:
    """What would break next, a sentence each. Beside a cause only what the cause is not about."""
    diagnosis = investigation.diagnosis
    calm = diagnosis is not None and diagnosis.verdict is Verdict.HEALTHY
    return [one_line(one.sentence) for one in warnings.next_to_break(investigation.findings, besides_a_cause=not calm)]


def changed(investigation: Investigation) -> str:
    """What changed, in one sentence. That nothing did is a finding; that nothing is recorded is none."""
    evaluated = investigation.correlations
    found = matching(investigation)
    if found:
        more = f" And {count(len(found) - 3, 'more line')}." if len(found) > 3 else ""
        return " ".join(item.sentence for item in found[:3]) + more
    if not evaluated:
        return ""
    blind = sum(item.result is CorrelationResult.NOT_CHECKED for item in evaluated)
    if blind == len(evaluated):
        return f"not known: none of {count(blind, 'diagnosis line')} could be checked"
    looked = count(len(evaluated) - blind, "diagnosis line")
    rest = f"; {blind} more could not be checked" if blind else ""
    return f"no recorded change fits the onset ({looked} checked{rest})"


def any_change_recorded(investigation: Investigation) -> bool:
    """Whether any diagnosis line could be looked at. That none could is listed with what was not checked."""
    return any(item.result is not CorrelationResult.NOT_CHECKED for item in investigation.correlations)


def matching(investigation: Investigation) -> list[Correlation]:
    return [item for item in investigation.correlations if item.result in MATCHES]


def onset(investigation: Investigation) -> Onset | None:
    diagnosis = investigation.diagnosis
    return diagnosis.onset if diagnosis and diagnosis.onset else investigation.onset


def headline(diagnosis: Diagnosis) -> str:
    """The verdict in one line, without the word that views put before it: the leading cause with its confidence and
    its rivals; else what the diagnosis says."""
    if diagnosis.verdict is Verdict.CAUSE and diagnosis.causes:
        first = diagnosis.causes[0]
        rivals = f", tied with {count(len(first.tied_with), 'other')}" if first.tied_with else ""
        return f"{one_line(first.title)} ({confidence(first.confidence)}{rivals})"
    said = one_line(diagnosis.headline).removesuffix(" This is not an all-clear.").rstrip(".")
    said = re.sub(r"^(?:inconclusive|healthy)( so far)?: ", lambda found: "so far, " if found.group(1) else "", said, flags=re.I)
    return said[:1].upper() + said[1:]


def says_something_new(investigation: Investigation) -> bool:
    """Whether the round's verdict is the first that is shown, or differs from that of the round before: in its kind, or in
    the cause that leads."""
    own = f"verdict/{round_number(investigation)}"
    shown = any(key.startswith("verdict/") and key != own for key in investigation.messages)
    return not shown or _gist(investigation.before) != _gist(investigation.diagnosis)


def _gist(diagnosis: Diagnosis | None) -> tuple[Verdict, str | None] | None:
    return None if diagnosis is None else (diagnosis.verdict, diagnosis.causes[0].id if diagnosis.causes else None)


def leaders(investigation: Investigation) -> list[RankedCause]:
    """The best-supported cause and those tied with it, best first. Empty when no cause is named."""
    causes = investigation.diagnosis.causes if investigation.diagnosis else ()
    if not causes:
        return []
    tied = {causes[0].id, *causes[0].tied_with}
    return [cause for cause in causes if cause.id in tied]


def separators(causes: Iterable[RankedCause]) -> list[Separator]:
    """The checks that would break the tie, best first; one that tells no more causes apart than an earlier one is left
    out, because one check is what a tired reader runs."""
    kept: list[Separator] = []
    for item in (cause.separator for cause in causes):
        if item is not None and not any(set(item.between) <= set(other.between) for other in kept):
            kept.append(item)
    return kept


def commands(steps: Iterable[NextStep]) -> list[str]:
    """Next steps ready to paste: what it is for as a comment, the command under it. What changes something comes last, under
    a heading of its own."""
    steps = list(steps)
    remedies = [step for step in steps if _REMEDY.match(step.say)]
    rows = [row for step in steps if step not in remedies for row in _pasted(step)]
    if remedies:
        rows += [*([""] if rows else []), "# REMEDY: from here on it changes something; be sure of the cause first."]
        rows += [
            row
            for step in remedies
            for row in _pasted(
                NextStep(say=_REMEDY.sub(lambda found: f"{found[1]}: " if found[1] else "", step.say), run=step.run)
            )
        ]
    return rows


_REMEDY = re.compile(r"^Remedy(?:,? ([^:]{1,40}))?: ")
"""How the next steps of causes mark what is no mere look."""


def _pasted(step: NextStep) -> list[str]:
    say = one_line(step.say)
    return [f"# {say[:1].upper()}{say[1:]}", *([step.run] if step.run else [])]


def titles(ids: Iterable[str], causes: Iterable[RankedCause]) -> str:
    """Causes by title where known: ``A, B or C`` reads better than three ids."""
    known = {cause.id: cause.title for cause in causes}
    return ", ".join(known.get(name, name.replace("-", " ")) for name in ids)


def first_next(investigation: Investigation) -> list[str]:
    """The one thing to do first: the check that breaks a tie, else what the best-supported cause asks for."""
    named = leaders(investigation)
    checks = [check for check in separators(named) if check.run]
    if checks:
        return [f"# {one_line(checks[0].check)}", checks[0].run or ""]
    return commands(named[0].next[:2]) if named else []


def next_first(investigation: Investigation, steps: int) -> list[str]:
    """What to do before all else, ready to paste: the one check that breaks a tie, then the first steps of the
    best-supported cause; all of them where nothing is tied with it."""
    named = leaders(investigation)
    checks = separators(named)
    if len(named) < 2:
        return what_next(investigation)
    rows = [f"# Tells them apart: {one_line(checks[0].check)}", *([checks[0].run] if checks[0].run else [])] if checks else []
    looks = [step for step in named[0].next if not _REMEDY.match(step.say)][:steps]
    if looks:
        rows += [*([""] if rows else []), f"# If it is this: {one_line(named[0].title)}", *commands(looks)]
    return rows


def what_next(investigation: Investigation) -> list[str]:
    """What to do, ready to paste: first the checks that break a tie, then each leading cause's own next steps."""
    named = leaders(investigation)
    diagnosis = investigation.diagnosis
    rows: list[str] = []
    for check in separators(named):
        between = titles(check.between, diagnosis.causes if diagnosis else ())
        rows += [f"# Tells apart: {one_line(between)}", f"# {one_line(check.check)}", *([check.run] if check.run else []), ""]
    for cause in named[:TOP_CAUSES]:
        if cause.next:
            rows += [*([f"# If it is this: {one_line(cause.title)}"] if len(named) > 1 else []), *commands(cause.next), ""]
    return rows[:-1]
