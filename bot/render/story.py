"""What there is to say about an investigation, before any view says it: the thread, the terminal and the reports all ask
here, so that they cannot disagree on what was checked, what changed or what is over."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bot.diagnosis import ladder, warnings
from bot.model.alert import Alert
from bot.model.answer import Answer
from bot.model.change import Onset
from bot.model.diagnosis import Correlation, CorrelationResult, Diagnosis, Layer, RankedCause, Separator, Verdict
from bot.model.finding import Finding, Status, worst
from bot.model.investigation import Investigation, Progress, State, StepState
from bot.model.playbook import NextStep
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
    at = f" at {seen.address}" if seen.address and seen.symptom else ""
    return one_line(f"Pasted text: {seen.symptom or 'not about reaching an API server'}{at}. {seen.why}")


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


@dataclass(frozen=True, kw_only=True)
class Unchecked:
    """One thing that was not looked at: why, what would make it checkable, and the command to run by hand."""

    label: str
    why: str
    todo: str | None = None
    run: str | None = None
    needs_person: bool = False
    unconfigured: bool = False


def unchecked(investigation: Investigation) -> list[Unchecked]:
    """Everything that was not checked: steps for a person, steps and subjects that could not be looked at, and what the
    diagnosis says besides. The same reason for many subjects is said once."""
    items = [item for line in step_lines(investigation) for item in _unchecked_of(line)]
    diagnosis = investigation.diagnosis
    known = " ".join(one_line(f"{item.label} {item.why}") for item in items)
    named = [one_line(line.title) for line in step_lines(investigation)]
    others = [one_line(text) for text in (diagnosis.not_checked if diagnosis else ())]
    new = [text for text in others if text not in known and not any(title in text for title in named)]
    return items + [Unchecked(label="", why=text) for text in new]


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why some things were not looked at, said once for all of them."""

    why: str
    items: tuple[Unchecked, ...]

    @property
    def unconfigured(self) -> bool:
        return all(item.unconfigured for item in self.items)

    @property
    def labels(self) -> list[str]:
        return list(dict.fromkeys(item.label for item in self.items if item.label))


def not_looked_at(investigation: Investigation) -> list[Unchecked]:
    """What nobody looked at and no button asks for. Steps for a person are asked for as soon as there is a verdict; what was
    looked at and could not be told is listed as that."""
    told = {one_line(finding.sentence) for finding in investigation.findings if finding.status is not Status.NOT_CHECKED}
    asked = asks_people(investigation)
    items = unchecked(investigation)
    return [item for item in items if not (asked and item.needs_person) and (item.label or one_line(item.why) not in told)]


def asks_people(investigation: Investigation) -> bool:
    """Whether the steps for a person are worth a person's time: there is a verdict, and it is no all-clear that nobody doubts,
    neither by naming the playbook nor by an alert that fires."""
    if investigation.diagnosis is None:
        return False
    return not investigation.is_healthy or investigation.opened.playbook is not None or investigation.alerts_fire


def by_reason(items: Iterable[Unchecked]) -> list[Reason]:
    """What was not looked at, folded by reason: what most share first. ``The nodes cannot be looked at: the API server cannot
    be asked`` and the same of the pods have one reason."""
    reasons: dict[str, list[Unchecked]] = {}
    for item in items:
        why = _UNCONFIGURED if item.unconfigured else _BY_A_PERSON if item.needs_person else _reason_of(one_line(item.why))
        reasons.setdefault(why, []).append(item)
    folded = [
        # Alone, a sentence says more than its reason.
        Reason(why=why if len(same) > 1 else one_line(same[0].why), items=tuple(same))
        for why, same in reasons.items()
    ]
    return sorted(folded, key=lambda reason: (reason.why == _UNCONFIGURED, -len(reason.labels)))


def inside(text: str) -> str:
    """A sentence as a part of another one; ``TLS`` and ``DNS`` stay as they are."""
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2].isspace() else text


_BY_A_PERSON = "A person has to look"
_UNCONFIGURED = "Not configured for this cluster"
_BECAUSE = re.compile(r"^[^:]{3,120}?(?:: |, because )(?=\S)")
_NO_API = re.compile(r"\bthe API server cannot be asked\b.*", re.I)


def _reason_of(why: str) -> str:
    no_api, found = _NO_API.search(why), _BECAUSE.match(why)
    reason = no_api[0] if no_api else why[found.end() :] if found else why
    return reason[:1].upper() + reason[1:]


def for_people(investigation: Investigation) -> list[Line]:
    """The steps for a person, answered or not."""
    return [line for line in step_lines(investigation) if line.needs_person]


def found_by_people(investigation: Investigation) -> list[Line]:
    """The steps of which a person said that they are not as they should be."""
    return [line for line in for_people(investigation) if line.step.answer and line.step.answer.outcome == Answer.FOUND]


def asked_first(investigation: Investigation) -> list[Line]:
    """The steps for a person that would tell most, and that nobody has answered."""
    wanted = investigation.diagnosis.ask if investigation.diagnosis else ()
    waiting = {line.step.plan.id: line for line in for_people(investigation) if line.step.answer is None}
    return [waiting[step] for step in wanted if step in waiting]


def next_to_break(investigation: Investigation) -> list[str]:
    """What would break next, a sentence each. Beside a cause only what the cause is not about."""
    diagnosis = investigation.diagnosis
    calm = diagnosis is not None and diagnosis.verdict is Verdict.HEALTHY
    return [one_line(one.sentence) for one in warnings.next_to_break(investigation.findings, besides_a_cause=not calm)]


def by_hand(item: Unchecked) -> tuple[str, list[str]]:
    """How a person checks it: what to do, and the commands. What a probe names already is not said again."""
    found = _ON_NODE.fullmatch(item.todo or "")
    if found:
        return f"{found[1]}:", found[2].split("; ")
    return item.todo or "", [item.run] if item.run else []


_ON_NODE = re.compile(r"(On (?:a|each) [^:;]*node): ([^:].*)", re.S)
"""What probes say when a command on the node would answer."""


def _unchecked_of(line: Line) -> Iterable[Unchecked]:
    label = f"{line.number}. {line.title}"
    plan = line.step.plan
    looked_for = [finding for finding in line.step.findings if finding.status is Status.NOT_CHECKED]
    if line.status is Status.NOT_CHECKED and not looked_for:
        yield Unchecked(label=label, why=line.sentence, run=plan.run, needs_person=line.needs_person)
    reasons: dict[tuple[str, str | None], list[Finding]] = {}
    for finding in looked_for:
        reasons.setdefault((finding.sentence, finding.todo), []).append(finding)
    for index, ((why, todo), same) in enumerate(reasons.items()):
        run = plan.run if index == 0 else None
        missing = all(finding.outcome in ladder.UNCONFIGURED for finding in same)
        yield Unchecked(label=label, why=why, todo=todo, run=run, needs_person=line.needs_person, unconfigured=missing)


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
