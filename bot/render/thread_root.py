"""The root message: the one that everybody sees and few open the thread of. It says where things are, in emoji and word,
how far one gets at each address, what is known of the cause, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bot.model.diagnosis import Diagnosis, Verdict
from bot.model.finding import Status
from bot.model.investigation import Investigation, Progress, State
from bot.model.message import Message
from bot.render import missing, people, phrases, story
from bot.render.clean import shorten
from bot.render.grid import grid
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
    header,
    lines,
    person,
    preformatted,
    section,
)
from bot.render.story import Line, Phase

CANCEL = "apidown.cancel"
RERUN = "apidown.rerun"

# While it runs, the shown age moves in these steps, so that an unchanged state is not edited every second.
_AGE_STEP_S = 30

STATUS_EMOJI = {
    Status.OK: Markup(":white_check_mark:"),
    Status.PROBLEM: Markup(":x:"),
    Status.INCONCLUSIVE: Markup(":warning:"),
    Status.NOT_CHECKED: Markup(":grey_question:"),
    Status.NOT_APPLICABLE: Markup(":fast_forward:"),
    Status.ERROR: Markup(":boom:"),
}
VERDICT_EMOJI = {
    Verdict.CAUSE: Markup(":x:"),
    Verdict.HEALTHY: Markup(":white_check_mark:"),
    Verdict.INCONCLUSIVE: Markup(":grey_question:"),
}


def root(investigation: Investigation, now: datetime) -> Message:
    """The root as it should be now."""
    phase = story.phase(investigation)
    over = story.is_over(investigation)
    drafts = [
        header(f"API server investigation: {investigation.opened.cluster.called}"),
        section(_state(investigation, phase, now)),
        *_verdict(investigation),
        *_where(investigation),
        section(lines(_steps(investigation))),
        context(_footer(investigation)),
        *_buttons(investigation, phase),
    ]
    return message("root", fallback(investigation, phase), drafts, terminal=over)


def _steps(investigation: Investigation) -> Iterator[Markup]:
    """The steps that say something: what is wrong, what cannot be told, what runs. The rest is counted above, and listed in the
    thread."""
    listed = story.step_lines(investigation)
    for statuses, most, kind in ((story.TROUBLE, 8, "problem"), ({Status.INCONCLUSIVE}, 4, "inconclusive step")):
        found = [line for line in listed if line.status in statuses]
        yield from map(step_line, found[:most])
        if len(found) > most:
            yield fmt("{} in the thread", phrases.count(len(found) - most, f"more {kind}"))
    for progress, emoji in (
        (Progress.RUNNING, Markup(":hourglass_flowing_sand:")),
        (Progress.WAITING, Markup(":white_circle:")),
    ):
        found = [line for line in listed if line.status is None and line.step.progress is progress]
        if found:
            names = "; ".join(f"{line.number}. {line.title}" for line in found[:_NAMED_STEPS])
            more = f"; and {len(found) - _NAMED_STEPS} more" if len(found) > _NAMED_STEPS else ""
            yield fmt("{} {}: {}{}", emoji, progress.value, shorten(names, 600), more)


_NAMED_STEPS = 6


def step_line(line: Line) -> Markup:
    """``:white_check_mark: 1. Name resolves - ok``; what is wrong or missing is said beside it, shortly."""
    title = shorten(line.title, 90)
    if line.status is None:
        running = line.step.progress is Progress.RUNNING
        emoji = Markup(":hourglass_flowing_sand:" if running else ":white_circle:")
        return fmt("{} {}. {} - {}", emoji, line.number, title, "running" if running else "waiting")
    if line.needs_person and line.status is Status.NOT_CHECKED:
        return fmt(":raised_hand: {}. {} - needs a person", line.number, title)
    word = phrases.STATUS_WORDS[line.status]
    said = f"{word}: {shorten(line.sentence, 110)}" if line.status in story.TROUBLE and line.sentence else word
    return fmt("{} {}. {} - {}", STATUS_EMOJI[line.status], line.number, title, said)


def verdict_line(diagnosis: Diagnosis) -> Markup:
    """``*Verdict:* The API server is not running (high confidence)``, with its emoji."""
    emoji, word = VERDICT_EMOJI[diagnosis.verdict], phrases.VERDICT_WORDS[diagnosis.verdict]
    return fmt("{} *{}:* {}", emoji, word, shorten(story.headline(diagnosis), 400))


def said_by(who: str) -> Markup:
    """By whom, in a fallback text: there a mention would ring a phone, and Slack's id of a person tells nobody anything."""
    by = person(who)
    return Markup("") if by.startswith("<@") else fmt(" by {}", by)


def fallback(investigation: Investigation, phase: Phase) -> Markup:
    """What notifications and screen readers say: the state by itself."""
    cluster = shorten(investigation.opened.cluster.called, 120)
    diagnosis = investigation.diagnosis
    if phase is Phase.CANCELLED:
        text = fmt("API server of {}: cancelled{}", cluster, said_by(story.cancelled_by(investigation)))
        return fmt("{}. {}", text, _spoken(diagnosis)) if diagnosis else fmt("{} before there was a verdict", text)
    if phase in (Phase.FAILED, Phase.SUPERSEDED):
        return fmt("API server of {}: the investigation ended without a verdict ({})", cluster, phase.value)
    if diagnosis is not None:
        done = fmt(". {}", story.progress(investigation)) if investigation.steps else Markup("")
        return fmt("API server of {}: {}{}{}", cluster, _spoken(diagnosis), done, _spoken_breaks(investigation))
    if phase is Phase.CANCELLING:
        return fmt("API server of {}: cancelling, {}", cluster, story.progress(investigation))
    said = investigation.triage.sentence if investigation.triage else ""
    text = fmt("API server of {}: investigating, {}", cluster, story.progress(investigation))
    return fmt("{}. {}", text, shorten(said, 600)) if said else text


def _spoken(diagnosis: Diagnosis) -> Markup:
    word = phrases.VERDICT_WORDS[diagnosis.verdict].lower()
    return fmt("{}: {}", word, shorten(story.headline(diagnosis), 600))


def _spoken_breaks(investigation: Investigation) -> Markup:
    told = story.next_to_break(investigation) if investigation.is_healthy else []
    return fmt(". Next to break: {}", shorten("; ".join(told), 600)) if told else Markup("")


def _state(investigation: Investigation, phase: Phase, now: datetime) -> Markup:
    diagnosis = investigation.diagnosis
    done = story.progress(investigation)
    said = [] if diagnosis is None else [verdict_line(diagnosis)]
    if phase is Phase.RUNNING:
        said.insert(0, fmt(":hourglass_flowing_sand: *Running* - {}{}", done, _age(investigation, now)))
    elif phase is Phase.CANCELLING:
        who = person(investigation.cancel_requested_by or "")
        said.insert(0, fmt(":hourglass_flowing_sand: *Cancelling*, asked for by {} - {}", who, done))
    elif phase is Phase.CANCELLED:
        who = person(story.cancelled_by(investigation))
        said.insert(0, fmt(":no_entry_sign: *Cancelled* by {} - {}. What was found so far stays in the thread.", who, done))
        if diagnosis is None:
            said.append(Markup("There is no verdict."))
    elif phase is Phase.FAILED:
        said.insert(0, fmt(":boom: *Failed* - {}. This is a defect of apidown and says nothing of the cluster.", done))
    elif phase is Phase.SUPERSEDED:
        said.insert(0, fmt(":fast_forward: *Superseded* by a newer investigation - {}", done))
    elif diagnosis is None:
        said.insert(0, fmt(":grey_question: *Inconclusive* - {}. This is not an all-clear.", done))
    else:
        took = f", took {phrases.duration(investigation.concluded.duration_s)}" if investigation.concluded else ""
        said.append(fmt("{}{}", done, took))
    told = [text for text in (story.alerts(investigation), story.pasted(investigation)) if text]
    return lines([*said, *(fmt("{}", shorten(text, 400)) for text in told)])


def _age(investigation: Investigation, now: datetime) -> str:
    started = investigation.round_started_at or investigation.opened_at
    age = int(max((now - started).total_seconds(), 0)) // _AGE_STEP_S * _AGE_STEP_S
    return f", for {phrases.duration(age)}" if age else ""


def _where(investigation: Investigation) -> Iterator[Draft]:
    """The triage sentence, and the grid under it. Before anything is known: what is being asked, of whom."""
    if investigation.triage is not None:
        said = [fmt("*Where:* {}", shorten(investigation.triage.sentence, 600))]
        # What is wrong with the access often is the cause, so it stands beside the grid.
        said += [fmt(":warning: {}", shorten(note, 300)) for note in investigation.triage.notes[:4]]
        yield section(lines(said))
    drawn = grid(investigation, width=90)
    if drawn:
        yield preformatted(drawn)
    elif not story.is_over(investigation) and not story.has_server(investigation):
        yield section(Markup("Reading how this cluster is reached."))
    elif not story.is_over(investigation):
        yield section(fmt("Asking {}: name, TCP, TLS, HTTP and credentials, at each address.", investigation.server_url))


def _verdict(investigation: Investigation) -> Iterator[Draft]:
    """What an on-call engineer needs without opening the thread: since when, what changed, what next, what is unknown."""
    diagnosis = investigation.diagnosis
    if diagnosis is None:
        return
    facts = [
        revised_line(diagnosis),
        Markup(phrases.NOT_AN_ALL_CLEAR) if diagnosis.verdict is Verdict.INCONCLUSIVE else Markup(""),
        tie_line(investigation),
        *(fmt("{}", shorten(note, 300)) for note in (diagnosis.notes[:4] if not investigation.steps else ())),
    ]
    onset = story.onset(investigation)
    if onset is not None and diagnosis.verdict is not Verdict.HEALTHY:
        facts.append(fmt("*Since:* {}", phrases.since(onset)))
    changed = story.changed(investigation) if story.any_change_recorded(investigation) else ""
    if changed and diagnosis.verdict is not Verdict.HEALTHY:
        facts.append(fmt("*Changed:* {}", shorten(changed, 500)))
    facts += break_lines(investigation)
    if diagnosis.still_running:
        facts.append(fmt("*Still running:* {}", shorten(", ".join(diagnosis.still_running), 300)))
    facts += [ask_line(investigation), unchecked_line(investigation)]
    yield section(lines(facts))
    rows = story.first_next(investigation)
    if rows:
        yield section(Markup("*Do next* (you run it; this bot changes nothing):"))
        yield preformatted("\n".join(rows))


def tie_line(investigation: Investigation) -> Markup:
    """Names what cannot be told apart, where it cannot."""
    named = story.leaders(investigation)
    diagnosis = investigation.diagnosis
    if len(named) < 2 or diagnosis is None or diagnosis.verdict is not Verdict.CAUSE:
        return Markup("")
    return fmt("*Cannot be told apart from here:* {}", shorten("; ".join(cause.title for cause in named), 500))


def revised_line(diagnosis: Diagnosis) -> Markup:
    """What is new in it, where a reader has seen one that said otherwise."""
    if not diagnosis.revised:
        return Markup("")
    return fmt("*Revised:* {}", "; ".join(shorten(text.rstrip("."), 260) for text in diagnosis.revised[:3]))


def found_line(investigation: Investigation) -> Markup:
    """What people found who looked at a manual step, in their words, where no evidence quotes them."""
    causes = investigation.diagnosis.causes if investigation.diagnosis else ()
    quoted = " ".join(text for cause in causes for text in cause.evidence_for)
    told = [line for line in people.found_by_people(investigation) if line.sentence.rstrip(".") not in quoted]
    found = [f"{line.number}. {line.title} - {line.sentence}" for line in told]
    if not found:
        return Markup("")
    return fmt("*Found by a person:* {}", "; ".join(shorten(text, 300) for text in found[:3]))


def ask_line(investigation: Investigation) -> Markup:
    """How much is for a person, and what of it would tell most."""
    waiting = [line for line in people.for_people(investigation) if line.step.answer is None]
    if not waiting or not people.asks_people(investigation):
        return Markup("")
    first = people.asked_first(investigation)
    tells = f"; most would tell {', '.join(f'{line.number}. {line.title}' for line in first[:2])}" if first else ""
    return fmt("*For a person:* {}, in the thread{}", phrases.count(len(waiting), "step"), shorten(tells, 300))


def break_lines(investigation: Investigation) -> list[Markup]:
    """What would break next: a list on a healthy cluster; one line while something else is the matter."""
    told = story.next_to_break(investigation)
    if not told:
        return []
    if not investigation.is_healthy:
        return [fmt("*Besides, next to break:* {}", shorten("; ".join(text.rstrip(".") for text in told), 300))]
    more = [fmt("• and {} more", len(told) - _BREAKS)] if len(told) > _BREAKS else []
    head = Markup(":calendar: *Next to break* (nothing of it is broken now):")
    return [head, *(fmt("• {}", shorten(text, 240)) for text in told[:_BREAKS]), *more]


_BREAKS = 6


def unchecked_line(investigation: Investigation) -> Markup:
    """What nobody looked at, the steps for a person apart: by reason where several share one. Sources that nobody configured are
    in the thread: they are no news of this outage."""
    reasons = missing.by_reason(item for item in missing.not_looked_at(investigation) if not item.unconfigured)
    if not reasons:
        return Markup("")
    said = [
        f"{len(reason.labels)} steps, because {story.inside(shorten(reason.why.rstrip('.'), 140))}"
        if len(reason.labels) > 1
        else shorten(reason.items[0].label or reason.why, 120)
        for reason in reasons[:4]
    ]
    more = f" and {len(reasons) - 4} more, in the thread" if len(reasons) > 4 else ""
    return fmt("*Not checked:* {}{}", "; ".join(said), more)


def _footer(investigation: Investigation) -> Markup:
    parts = [
        fmt("{}", investigation.ref.id),
        _origin(investigation),
        date(investigation.opened_at),
        fmt("{}", shorten(investigation.server_url, 200)) if story.has_server(investigation) else Markup(""),
        Markup("read-only"),
    ]
    if investigation.round > 1:
        parts.insert(1, fmt("round {}", investigation.round))
    if investigation.state is State.CLOSED:
        parts.append(fmt("closed: /apidown {} looks again", shorten(investigation.opened.cluster.asked_as, 200)))
    asked = sum(trigger.alert is None for trigger in investigation.joined)
    if asked:
        parts.append(fmt("asked for {} more", phrases.count(asked, "time")))
    if not investigation.durable:
        parts.append(Markup("not durable: the store is away"))
    return Markup(" | ".join(part for part in parts if part))


def _origin(investigation: Investigation) -> Markup:
    alert = story.alert_that_opened(investigation)
    if alert:
        return fmt("opened by the alert {}", shorten(alert, 120))
    return fmt("asked for by {}", person(*map(_bounded, story.started_by(investigation))))


def _bounded(name: str | None) -> str:
    return shorten(name or "", 80)


def _buttons(investigation: Investigation, phase: Phase) -> Iterator[Draft]:
    value = f"{investigation.ref.cluster}|{investigation.ref.id}"
    # Nothing that is closed can be run again: whoever asks again begins a new one.
    if cost(value) > VALUE_LIMIT or phase is Phase.CANCELLING or investigation.state is State.CLOSED:
        return
    if phase is Phase.RUNNING:
        question = ("Cancel this investigation?", "What was found so far stays in the thread.", "Cancel it", "Keep running")
        yield actions(button("Cancel", action_id=CANCEL, value=value, style="danger", confirm=question))
    else:
        yield actions(button("Re-run", action_id=RERUN, value=value, style="primary"))
