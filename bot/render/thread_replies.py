"""The replies of a round, besides its verdict: what is fine in one message, each problem in its own, and what was not
looked at with what would make it checkable. Nothing here is shown as ok that was not looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.ids import event_id
from bot.model.diagnosis import Correlation, CorrelationResult
from bot.model.events import EventType
from bot.model.finding import Finding, Status
from bot.model.investigation import Investigation
from bot.model.message import Message
from bot.render import phrases, story
from bot.render.clean import one_line, shorten
from bot.render.evidence import finding_lines
from bot.render.slack_message import message
from bot.render.slack_text import Markup, context, date, fmt, lines, person, preformatted, section
from bot.render.story import Line
from bot.render.thread_root import STATUS_EMOJI, step_line

_SUBJECTS = 8
_RESULT_EMOJI = {
    CorrelationResult.MATCH: Markup(":dart:"),
    CorrelationResult.MATCH_AFTER_WIDENING: Markup(":dart:"),
    CorrelationResult.NO_MATCH: Markup(":white_circle:"),
    CorrelationResult.NOT_CHECKED: Markup(":grey_question:"),
}


def steps(investigation: Investigation, shown: Sequence[Line]) -> Message:
    """``steps/<round>``: there from the first moment, and edited as unremarkable steps finish."""
    known = len(story.addresses(investigation))
    probing = (
        f"probing {phrases.count(known, 'address', 'addresses')}" if known else "resolving its name and probing each address"
    )
    began = fmt("Started: {}; {}", shorten(investigation.server_url, 200), probing)
    if not story.has_server(investigation):
        began = Markup("Started: reading how this cluster is reached")
    again = _again(investigation)
    text = [again, began, *(_finished(line) for line in shown)]
    at = date(investigation.round_started_at or investigation.opened_at)
    so_far = f"{phrases.count(len(shown), 'step')} unremarkable so far" if shown else "Nothing finished yet"
    spoken = fmt("{}{}. {}", f"Round {investigation.round}. " if again else "", began, so_far)
    drafts = [section(lines(text)), context(at)]
    return message(f"steps/{story.round_number(investigation)}", spoken, drafts, events=_events(investigation, shown))


def _again(investigation: Investigation) -> Markup:
    """The heading of every round but the first: whose wish it is."""
    if investigation.round < 2:
        return Markup("")
    asked = investigation.asked_by
    if asked is None:
        return fmt("*Round {}*", investigation.round)
    if asked.alert is not None:
        told = "fired" if asked.alert.resolved_at is None else "is over"
        return fmt("*Round {}*: the alert {} {}", investigation.round, shorten(asked.alert.name, 120), told)
    return fmt("*Round {}*, asked for by {}", investigation.round, person(asked.who, asked.name))


def problem(investigation: Investigation, line: Line) -> Message:
    """``problem/<round>/<step>``: what is wrong at each address, the raw errors and evidence, and what to do."""
    key = f"problem/{story.round_number(investigation)}/{line.step.plan.id}"
    status = line.status or Status.PROBLEM
    word = phrases.STATUS_WORDS[status]
    head = fmt("{} *{}. {}* - {}", STATUS_EMOJI[status], line.number, shorten(line.title, 200), word)
    text = fmt("Step {}, {}: {}. {}", line.number, shorten(line.title, 200), word.upper(), shorten(line.sentence, 600))
    findings = _worst_first(line.step.findings)
    told = [fmt("• {}", _told(item)) for item in findings[:_SUBJECTS]]
    if len(findings) > _SUBJECTS:
        told.append(fmt("• and {} more", len(findings) - _SUBJECTS))
    ours = Markup("This is a defect of apidown and says nothing of the cluster." if status is Status.ERROR else "")
    drafts = [
        section(lines([head, ours, *(told or [fmt("{}", shorten(line.sentence, 600))])])),
        preformatted("\n".join(_look_at(findings, line))),
        context(_how(line)),
    ]
    return message(key, text, drafts, events=_events(investigation, [line]))


def more_problems(investigation: Investigation, shown: Sequence[Line]) -> Message:
    """``problems/<round>``: problems beyond the number that get a message of their own."""
    text = fmt("{}: {}", phrases.count(len(shown), "more problem"), shorten("; ".join(line.title for line in shown), 900))
    rows = [row for line in shown for row in _look_at(_worst_first(line.step.findings), line)]
    drafts = [
        section(lines([fmt("*{}*", phrases.count(len(shown), "more problem")), *map(step_line, shown)])),
        preformatted("\n".join(rows)),
    ]
    return message(f"problems/{story.round_number(investigation)}", text, drafts, events=_events(investigation, shown))


def unchecked(investigation: Investigation) -> Message:
    """``unchecked/<round>``: what nobody looked at, why, and how it could be."""
    items = story.unchecked(investigation)
    blind = sum(item.result is CorrelationResult.NOT_CHECKED for item in investigation.correlations)
    said = phrases.count(len(items), "thing")
    rows = [_reason(item) for item in items]
    if blind:
        rows.append(fmt("… and {}, listed with the others", phrases.count(blind, "diagnosis line")))
    commands: list[str] = []
    for item in items:
        how = [text for text in (item.todo, item.run) if text]
        if how:
            commands += [f"# {one_line(item.label)}" if item.label else "#", *how, ""]
    drafts = [section(lines([fmt(":grey_question: *Not checked: {}*. None of them counts as ok.", said), *rows]))]
    if commands:
        drafts += [section(Markup("*To check them* (you run it):")), preformatted("\n".join(commands[:-1]))]
    text = fmt("Not checked: {}. {}", said, shorten("; ".join(item.label or item.why for item in items), 900))
    return message(f"unchecked/{story.round_number(investigation)}", text, drafts)


def correlations(investigation: Investigation, shown: Sequence[Correlation]) -> Message:
    """``correlations/<round>``: the diagnosis lines that need no message of their own; unchecked ones folded by reason."""
    looked = [item for item in shown if item.result is not CorrelationResult.NOT_CHECKED]
    blind = [item for item in shown if item.result is CorrelationResult.NOT_CHECKED]
    rows = [_line(item) for item in looked]
    reasons: dict[str, list[Correlation]] = {}
    for item in blind:
        reasons.setdefault(item.todo or item.sentence, []).append(item)
    for why, items in reasons.items():
        names = "; ".join(f"{shorten(item.title, 120)} ({item.window})" for item in items)
        rows.append(fmt(":grey_question: {} - not checked. {}", shorten(names, 600), shorten(why, 300)))
    counts = f"{len(looked)} checked, {len(blind)} not checked"
    text = fmt("What changed before it failed: {} ({})", phrases.count(len(shown), "diagnosis line"), counts)
    drafts = [section(lines([fmt("*What changed?* {}: {}", phrases.count(len(shown), "diagnosis line"), counts), *rows]))]
    events = [_event(investigation, item) for item in shown]
    return message(f"correlations/{story.round_number(investigation)}", text, drafts, events=events)


def correlation(investigation: Investigation, key: str, item: Correlation) -> Message:
    """``correlation/<round>/<id>``: a line whose change fits the onset, with the changes."""
    text = fmt(
        "Diagnosis line: {} - {}. {}", shorten(item.title, 200), phrases.RESULT_WORDS[item.result], shorten(item.sentence, 600)
    )
    drafts = [
        section(lines([_line(item), Markup("A change in time is a lead, not yet a cause.") if item.changes else Markup("")])),
        preformatted("\n".join(phrases.change(change) for change in item.changes)),
        context(fmt("window: {}{}", item.window, ", widened" if item.widened else "")),
    ]
    return message(key, text, drafts, events=[_event(investigation, item)])


def _line(item: Correlation) -> Markup:
    word = phrases.RESULT_WORDS[item.result]
    return fmt(
        "{} *{}* ({}) - {}: {}",
        _RESULT_EMOJI[item.result],
        shorten(item.title, 200),
        item.window,
        word,
        shorten(item.sentence, 400),
    )


def _reason(item: story.Unchecked) -> Markup:
    emoji = Markup(":raised_hand:" if item.needs_person else ":grey_question:")
    person = "needs a person: " if item.needs_person else ""
    label = fmt("*{}* - ", shorten(item.label, 160)) if item.label else Markup("")
    return fmt("{} {}{}{}", emoji, label, person, shorten(item.why, 300))


def _finished(line: Line) -> Markup:
    status = line.status or Status.NOT_APPLICABLE
    head = fmt("{} {}. {} - {}", STATUS_EMOJI[status], line.number, shorten(line.title, 120), phrases.STATUS_WORDS[status])
    took = f" ({phrases.duration(line.step.duration_s)})" if line.step.duration_s else ""
    return fmt("{}: {}{}", head, shorten(line.sentence, 200), took) if line.sentence else fmt("{}{}", head, took)


def _told(finding: Finding) -> str:
    subject = "" if finding.subject in finding.sentence else f"{shorten(finding.subject, 80)}: "
    return f"{subject}{shorten(finding.sentence, 300)} ({phrases.milliseconds(finding.duration_s)})"


def _look_at(findings: Iterable[Finding], line: Line) -> list[str]:
    findings = list(findings)
    rows = [row for finding in findings for row in finding_lines(finding)]
    todo = list(dict.fromkeys(finding.todo for finding in findings if finding.todo))
    if line.step.plan.run:
        todo.append(line.step.plan.run)
    return [*rows, *(["", "# to do", *todo] if todo else [])]


def _how(line: Line) -> Markup:
    plan = line.step.plan
    seen_from = "; ".join(dict.fromkeys(str(finding.vantage) for finding in line.step.findings)) or plan.vantage
    return fmt("{} from {} | took {}", plan.probe or "by hand", shorten(seen_from, 200), phrases.duration(line.step.duration_s))


def _worst_first(findings: Sequence[Finding]) -> list[Finding]:
    order = [Status.PROBLEM, Status.ERROR, Status.INCONCLUSIVE, Status.NOT_CHECKED, Status.OK, Status.NOT_APPLICABLE]
    return sorted(findings, key=lambda finding: order.index(finding.status))


def _events(investigation: Investigation, shown: Sequence[Line]) -> list[str]:
    """The ids of the events that these steps show."""
    number = story.round_number(investigation)
    found = [event_id(EventType.FINDING_RECORDED, number, finding.key) for line in shown for finding in line.step.findings]
    return [*found, *(event_id(EventType.STEP_FINISHED, number, line.step.plan.id) for line in shown)]


def _event(investigation: Investigation, item: Correlation) -> str:
    return event_id(EventType.CORRELATION_EVALUATED, story.round_number(investigation), item.playbook, item.id)
