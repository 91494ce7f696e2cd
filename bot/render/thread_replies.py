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
from bot.render import missing, phrases, story
from bot.render.clean import one_line, shorten
from bot.render.evidence import drawn, finding_lines
from bot.render.slack_message import message
from bot.render.slack_text import (
    VALUE_LIMIT,
    Draft,
    Markup,
    actions,
    button,
    context,
    cost,
    date,
    fmt,
    lines,
    person,
    preformatted,
    section,
)
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
    text = [again, began, *_finished_lines(shown)]
    at = date(investigation.round_started_at or investigation.opened_at)
    so_far = f"{phrases.count(len(shown), 'step')} unremarkable so far" if shown else "Nothing finished yet"
    spoken = fmt("{}{}. {}", f"Round {investigation.round}. " if again else "", began, so_far)
    drafts = [section(lines(text)), *_charts(shown), context(at)]
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


def has_unchecked(investigation: Investigation) -> bool:
    return bool(missing.not_looked_at(investigation)) or bool(_blind(investigation))


def _blind(investigation: Investigation) -> list[Correlation]:
    return [item for item in investigation.correlations if item.result is CorrelationResult.NOT_CHECKED]


def unchecked(investigation: Investigation) -> Message:
    """``unchecked/<round>``: what nobody looked at, folded by reason; how to do it by hand where that is short, else for who
    asks."""
    items, blind = missing.not_looked_at(investigation), _blind(investigation)
    names = list(dict.fromkeys(item.label or item.why for item in items))
    said = phrases.count(len(names), "thing") if names else "what changed"
    rows = [_reason(reason) for reason in missing.by_reason(items)]
    if blind:
        rows.append(_blind_line(blind))
    head = fmt(":grey_question: *Not checked: {}*. None of it counts as ok.", said)
    drafts = [section(lines([head, *rows]))]
    commands = _commands(items)
    value = f"{investigation.ref.cluster}|{investigation.ref.id}"
    if len(commands) > _INLINE and cost(value) <= VALUE_LIMIT:
        drafts.append(actions(button("How to check them by hand", action_id=BY_HAND, value=value)))
    elif commands:
        drafts += [section(Markup("*To check them* (you run it):")), preformatted("\n\n".join(commands))]
    what = "; ".join(names) or phrases.count(len(blind), "diagnosis line")
    text = fmt("Not checked: {}. {}", said, shorten(what, 900))
    return message(f"unchecked/{story.round_number(investigation)}", text, drafts)


BY_HAND = "apidown.byhand"
_INLINE = 3
"""How many commands for what was not checked stand in the thread; more are for who asks."""


def by_hand(investigation: Investigation) -> Message:
    """For whoever asks, and only for them: how to check what was not checked, each with its command."""
    commands = _commands(missing.not_looked_at(investigation))
    pages: list[list[str]] = [[]]
    for command in commands:
        if pages[-1] and sum(map(cost, pages[-1])) + cost(command) > _PAGE:
            pages.append([])
        pages[-1].append(command)
    head = fmt(
        "How to check by hand what was not checked in {} (you run it; on which machine stands with it):", investigation.ref.id
    )
    return message("by-hand", head, [section(head), *(preformatted("\n\n".join(page)) for page in pages)])


_PAGE = 2_200


def _commands(items: Iterable[missing.Unchecked]) -> list[str]:
    """What to do about each, ready to paste. What a command for several says is said once."""
    made: dict[str, list[str]] = {}
    for item in items:
        say, commands = missing.by_hand(item)
        # What is no command is a remark: it must do nothing when all of it is pasted into a shell.
        remark = say[:1].isupper()
        rows = ["\n".join(f"# {row}" for row in say.split("\n")) if remark else say, *commands, item.run or ""]
        how = "\n".join(dict.fromkeys(row for row in rows if row))
        if how:
            made.setdefault(how, []).append(one_line(item.label))
    return [f"# {'; '.join(label for label in labels if label)}\n{how}" for how, labels in made.items()]


def _blind_line(blind: Sequence[Correlation]) -> Markup:
    names = "; ".join(shorten(item.title, 80) for item in blind)
    reasons = list(dict.fromkeys(item.todo or item.sentence for item in blind))
    why = shorten(reasons[0], 200) if len(reasons) == 1 else "Nothing records such changes, or nobody knows since when it fails"
    return fmt(
        ":grey_question: *What changed:* {} - {}. {}", phrases.count(len(blind), "diagnosis line"), shorten(names, 700), why
    )


def correlations(investigation: Investigation, shown: Sequence[Correlation]) -> Message:
    """``correlations/<round>``: the diagnosis lines that were looked at and need no message of their own."""
    blind = len(_blind(investigation))
    counts = f"{len(investigation.correlations) - blind} checked, {blind} not checked"
    said = phrases.count(len(investigation.correlations), "diagnosis line")
    text = fmt("What changed before it failed: {} ({})", said, counts)
    drafts = [section(lines([fmt("*What changed?* {}: {}", said, counts), *map(_line, shown)]))]
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


def _reason(reason: missing.Reason) -> Markup:
    """One reason, and all that it keeps from being looked at."""
    labels = reason.labels
    if len(labels) > 1:
        said = fmt("*{}:* {}", phrases.count(len(labels), "step"), shorten(reason.why, 300))
        return fmt(":grey_question: {} ({})", said, shorten("; ".join(labels), 500))
    label = fmt("*{}* - ", shorten(labels[0], 160)) if labels else Markup("")
    return fmt(":grey_question: {}{}", label, shorten(reason.why, 300))


def _finished_lines(shown: Sequence[Line]) -> list[Markup]:
    """What is fine, a line each; what does not apply, a line for each reason."""
    idle: dict[str, list[Line]] = {}
    for line in shown:
        if line.status is Status.NOT_APPLICABLE:
            idle.setdefault(line.sentence, []).append(line)
    told = [_finished(line) for line in shown if line.status is not Status.NOT_APPLICABLE]
    return [*told, *(_not_applicable(why, same) for why, same in idle.items())]


def _finished(line: Line) -> Markup:
    status = line.status or Status.NOT_APPLICABLE
    head = fmt("{} {}. {} - {}", STATUS_EMOJI[status], line.number, shorten(line.title, 120), phrases.STATUS_WORDS[status])
    took = f" ({phrases.duration(line.step.duration_s)})" if line.step.duration_s else ""
    return fmt("{}: {}{}", head, shorten(line.sentence, 200), took) if line.sentence else fmt("{}{}", head, took)


def _not_applicable(why: str, same: Sequence[Line]) -> Markup:
    names = "; ".join(f"{line.number}. {line.title}" for line in same)
    said = fmt(": {}", shorten(why, 200)) if why else Markup("")
    return fmt("{} not applicable: {}{}", STATUS_EMOJI[Status.NOT_APPLICABLE], shorten(names, 600), said)


def _charts(shown: Sequence[Line]) -> Iterable[Draft]:
    """Pictures of what is fine: problems have theirs in their own message."""
    rows = [row for line in shown for finding in line.step.findings for row in drawn(finding)]
    return [preformatted("\n".join(rows[:_MOST_CHART_ROWS]))] if rows else []


_MOST_CHART_ROWS = 24


def _told(finding: Finding) -> str:
    subject = "" if finding.subject in finding.sentence else f"{shorten(finding.subject, 80)}: "
    return f"{subject}{shorten(finding.sentence, 300)} ({phrases.milliseconds(finding.duration_s)})"


def _look_at(findings: Iterable[Finding], line: Line) -> list[str]:
    findings = list(findings)
    rows = [row for finding in findings for row in (*finding_lines(finding), *drawn(finding))]
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
