"""The thread on a terminal: lines as things happen, and a report at the end: what to believe and what to do fit on one
screen, and ``full`` adds every step, every diagnosis line and how to check what was not. Plain text that needs no colour; a
``paint`` callable may add some. Nothing from outside can move the cursor or change a colour."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from bot.model.diagnosis import CorrelationResult, Diagnosis, RankedCause, Verdict
from bot.model.events import CorrelationEvaluated, Event, EventType
from bot.model.finding import Finding, Status
from bot.model.investigation import Investigation
from bot.render import missing, people, phrases, story
from bot.render.clean import clean, one_line, shorten
from bot.render.evidence import drawn, finding_lines
from bot.render.grid import grid
from bot.render.story import Line, Phase

Paint = Callable[[str, str], str]
"""Takes a text and one of ``ok problem doubt dim bold``; gives the text as the terminal should show it."""

WIDTH = 100
_BREAKS = "Next to break (nothing of it is broken now)"
_BREAKS_BESIDES = "Besides, next to break"
_MORE = "All of it, and the commands for what was not checked: run the same with --full."
_NEXT = "Next (you run it; apidown changes nothing; # says what it is for)"
_WORDS = {
    "vantage point": "where a check runs; on the command line that is this machine",
    "controls": "other places that are asked too: when they fail as well, the fault is at the vantage point",
    "ladder": "name, TCP, TLS, HTTP, credentials: each needs the one before",
    "diagnosis line": "a question to what was recorded: did this kind of thing change near the first failures?",
}
_DEEP = " " * 24
"""Where what belongs to a step begins."""
_FIRST_STEPS = 3
_FIRST_PROBLEMS = 5
_FIRST_ASKED = 2
_LIVE_DETAILS = 1
"""Of a problem's evidence while it runs: the raw error. The rest is in the report."""
_EVIDENCE_ROWS = 8
_STYLES = {
    Status.OK: "ok",
    Status.PROBLEM: "problem",
    Status.ERROR: "problem",
    Status.INCONCLUSIVE: "doubt",
    Status.NOT_CHECKED: "doubt",
    Status.NOT_APPLICABLE: "dim",
}
_VERDICT_STYLES = {Verdict.CAUSE: "problem", Verdict.HEALTHY: "ok", Verdict.INCONCLUSIVE: "doubt"}
_WORD_WIDTH = max(map(len, phrases.STATUS_WORDS.values()))


def no_paint(text: str, style: str) -> str:
    """For pipes, logs and documents."""
    return text


def lines_for(event: Event, investigation: Investigation, *, paint: Paint = no_paint) -> list[str]:
    """What to print when this event arrives. ``investigation`` is the state after it."""
    if event.type == EventType.ROUND_STARTED:
        return _began(investigation, paint)
    if event.type == EventType.STEP_FINISHED:
        return _step_finished(str(event.data.get("step", "")), investigation, paint)
    if event.type == EventType.TRIAGED and investigation.triage is not None:
        return ["", *_wrap(investigation.triage.sentence, indent="  "), ""]
    if event.type == EventType.PLAYBOOK_SELECTED and investigation.playbook is not None:
        chosen = investigation.playbook
        name = f"playbook {chosen.title or chosen.playbook}" if chosen.playbook else "no playbook"
        return _wrap(f"{name}: {chosen.reason}", indent="  ")
    if event.type == EventType.CORRELATION_EVALUATED:
        found = CorrelationEvaluated.model_validate(event.data, strict=False).correlation
        return _wrap(f"! {found.title}: {found.sentence}", indent="  ") if found.result in story.MATCHES else []
    if event.type == EventType.DIAGNOSED and investigation.diagnosis is not None:
        # The last one is the report's first line, which follows at once.
        return [] if investigation.diagnosis.final else ["", *_headline(investigation.diagnosis, paint)]
    if event.type == EventType.CANCEL_REQUESTED:
        return _wrap(f"cancel asked for by {event.by}", indent="  ")
    if event.type == EventType.CLOSED and story.phase(investigation) is Phase.CANCELLED:
        return _wrap(f"cancelled by {story.cancelled_by(investigation)}", indent="  ")
    return []


def summary(investigation: Investigation, now: datetime, *, paint: Paint = no_paint, full: bool = False) -> str:
    """The report as text: the verdict first, what was not checked named. ``full`` adds what it rests on. ``now`` is shown
    while it still runs."""
    parts = [
        "\n".join([paint(title, "bold"), *rows] if title else rows)
        for title, rows in sections(investigation, now, paint=paint, full=full)
    ]
    return "\n\n".join(parts if full else [*parts, _MORE])


def sections(
    investigation: Investigation, now: datetime, *, paint: Paint = no_paint, full: bool = True
) -> Iterator[tuple[str, list[str]]]:
    """The report in its parts, each with its heading and its rows; the first two have none. Empty parts are left out."""
    parts: list[tuple[str, Iterable[str]]] = [
        ("", _title(investigation, now, paint)),
        ("", _verdict(investigation, paint)),
        (_BREAKS if investigation.is_healthy else _BREAKS_BESIDES, _next_to_break(investigation)),
        (_NEXT, _what_next(investigation, full=full)),
        ("How far it gets", _where(investigation)),
        ("Problems", _problems(investigation, paint, full=full)),
    ]
    if full:
        parts += [
            ("Causes", _causes(investigation, paint)),
            ("Steps", (row for line in story.step_lines(investigation) for row in _listed(line, paint))),
            ("What changed", _changes(investigation)),
            ("Not checked", _unchecked(investigation)),
            ("Words", (row for word, means in _WORDS.items() for row in _hanging(f"  {word}: ", means))),
        ]
    else:
        parts.append(("Not checked", _unchecked_names(investigation)))
    for title, rows in parts:
        if body := list(rows):
            yield title, body


def _began(investigation: Investigation, paint: Paint) -> list[str]:
    target = investigation.server_url
    head = f"{investigation.ref.id}  {investigation.opened.cluster.called}  {target}"
    who, name = story.started_by(investigation)
    when = phrases.utc(investigation.round_started_at or investigation.opened_at)
    again = f"round {investigation.round}, " if investigation.round > 1 else ""
    told = story.pasted(investigation)
    rows = [*_wrap(f"{again}started {when} by {name or who}; read-only"), *(_wrap(told) if told else ())]
    return [paint(shorten(head, WIDTH), "bold"), *rows, ""]


def _step_finished(step: str, investigation: Investigation, paint: Paint) -> list[str]:
    line = next((line for line in story.step_lines(investigation) if line.step.plan.id == step), None)
    # What is for a person has not happened: it is in the summary, not between what just did.
    if line is None or line.status is None or line.needs_person:
        return []
    return _step(line, paint)[:1] if line.status is Status.NOT_APPLICABLE else _step(line, paint, details=_LIVE_DETAILS)


def _title(investigation: Investigation, now: datetime, paint: Paint) -> list[str]:
    who, name = story.started_by(investigation)
    rule = "─" * WIDTH
    head = f"API server investigation: {shorten(investigation.opened.cluster.called, 60)}"
    again = f"round {investigation.round}, " if investigation.round > 1 else ""
    about = [
        *_wrap(f"{investigation.server_url}, asked for by {name or who}, {phrases.utc(investigation.opened_at)}, read-only"),
        *_wrap(f"{again}{_phase(investigation, now)}"),
    ]
    return [rule, paint(head.ljust(WIDTH - len(investigation.ref.id)) + investigation.ref.id, "bold"), *about]


def _phase(investigation: Investigation, now: datetime) -> str:
    phase, done = story.phase(investigation), story.progress(investigation)
    if phase in (Phase.RUNNING, Phase.CANCELLING):
        age = phrases.duration((now - (investigation.round_started_at or investigation.opened_at)).total_seconds())
        asked = f" by {investigation.cancel_requested_by}" if phase is Phase.CANCELLING else ""
        return f"{phase.value}{asked}, {done}, for {age}"
    if phase is Phase.CANCELLED:
        return f"cancelled by {story.cancelled_by(investigation)}, {done}"
    took = f" in {phrases.duration(investigation.concluded.duration_s)}" if investigation.concluded else ""
    return f"{phase.value}{took}; {done}"


def _where(investigation: Investigation) -> list[str]:
    drawn = grid(investigation, width=WIDTH - 2)
    if not drawn:
        return ["  Nothing is known yet."] if not story.is_over(investigation) else []
    triage = investigation.triage
    said = _wrap(triage.sentence, indent="  ") if triage else []
    # What is wrong with the access often is the cause, so it stands beside the grid.
    said += [row for note in (triage.notes[:4] if triage else ()) for row in _wrap(f"! {note}", indent="  ")]
    return [*_indented(drawn), *(["", *said] if said else [])]


def _problems(investigation: Investigation, paint: Paint, *, full: bool) -> Iterator[str]:
    lines = [line for line in story.step_lines(investigation) if line.status in story.TROUBLE]
    for place, line in enumerate(lines):
        yield from _step(line, paint) if full or place < _FIRST_PROBLEMS else _step(line, paint)[:1]


def _step(line: Line, paint: Paint, *, details: int = _EVIDENCE_ROWS) -> list[str]:
    mark, word, style = _badge(line)
    head = f"  {paint(f'{mark} {word.ljust(_WORD_WIDTH)}', style)}  {line.number:>2}. "
    hang = " " * (2 + 2 + _WORD_WIDTH + 2 + 4)
    took = (
        f" ({phrases.duration(line.step.duration_s)})" if line.step.findings and line.status is not Status.NOT_APPLICABLE else ""
    )
    rows = _wrap(shorten(line.title, 200), indent=hang)
    rows[0] = head + rows[0].lstrip()
    if line.status in story.TROUBLE and line.step.findings:
        rows += [row for finding in _shown(line) for row in _finding(finding, hang, details)]
    elif line.status not in (None, Status.NOT_CHECKED) and line.sentence:
        rows += _wrap(f"{shorten(line.sentence, 400)}{took}", indent=hang)
    elif line.status is Status.NOT_CHECKED:
        rows += _wrap(shorten(line.sentence, 400), indent=hang)
    return rows


def _listed(line: Line, paint: Paint) -> list[str]:
    """As the whole thread lists it: a problem, and why a step was not checked, are said in sections of their own."""
    if line.status is Status.NOT_CHECKED or line.status in story.TROUBLE:
        return _step(line, paint)[:1]
    return [*_step(line, paint), *(f"{_DEEP}{row}" for finding in line.step.findings for row in drawn(finding))]


def _badge(line: Line) -> tuple[str, str, str]:
    if line.status is None:
        return "…", line.step.progress.value, "dim"
    if line.needs_person and line.status is Status.NOT_CHECKED:
        return "?", "for a person", "doubt"
    return phrases.STATUS_MARKS[line.status], phrases.STATUS_WORDS[line.status], _STYLES[line.status]


def _shown(line: Line) -> Sequence[Finding]:
    return [finding for finding in line.step.findings if finding.status is not Status.NOT_APPLICABLE]


def _finding(finding: Finding, indent: str, details: int) -> list[str]:
    """A problem's sentence, with the raw error and the first evidence under it."""
    subject = "" if finding.subject in finding.sentence else f"{shorten(finding.subject, 80)}: "
    rows = _wrap(f"{subject}{shorten(finding.sentence, 400)} ({phrases.milliseconds(finding.duration_s)})", indent=indent)
    if finding.status in story.TROUBLE:
        said = list(finding_lines(finding))[1:]
        rows += [row for text in said[:details] for row in _wrap(shorten(text, 240), indent=f"{indent}  ")]
        rows += [f"{indent}  {row}" for row in drawn(finding)[1:]] if details >= _EVIDENCE_ROWS else []
        if len(said) > details >= _EVIDENCE_ROWS:
            rows.append(f"{indent}  … ({len(said) - details} more lines of evidence)")
    return rows


def _changes(investigation: Investigation) -> Iterator[str]:
    blind: dict[str, list[str]] = {}
    for item in investigation.correlations:
        if item.result is CorrelationResult.NOT_CHECKED:
            blind.setdefault(item.todo or item.sentence, []).append(f"{shorten(item.title, 120)} ({item.window})")
            continue
        mark, word = phrases.RESULT_MARKS[item.result], phrases.RESULT_WORDS[item.result]
        yield from _hanging(f"  {mark} {word}: ", f"{shorten(item.title, 160)} ({item.window})")
        yield from _wrap(shorten(item.sentence, 400), indent="    ")
        yield from (row for change in item.changes for row in _wrap(phrases.change(change), indent="      "))
    for why, titles in blind.items():
        yield from _hanging("  ? not checked: ", "; ".join(titles))
        yield from _wrap(shorten(why, 400), indent="    ")


def _unchecked(investigation: Investigation) -> Iterator[str]:
    for item in missing.unchecked(investigation):
        yield from _hanging("  ? ", f"{item.label}: {shorten(item.why, 400)}" if item.label else shorten(item.why, 400))
        say, commands = missing.by_hand(item)
        yield from _wrap(shorten(say, 400), indent="      ") if say else ()
        yield from (row for command in commands for row in _command(command, "      "))


def _unchecked_names(investigation: Investigation) -> Iterator[str]:
    """How much was not looked at, and what; why and how it could be is in the full report."""
    unsure = [shorten(_numbered(line), 200) for line in story.step_lines(investigation) if line.status is Status.INCONCLUSIVE]
    if unsure:
        yield from _fill(f"{len(unsure)} looked at, and cannot tell: {'; '.join(unsure)}", first="  ~ ", rest="    ")
    items = [item for item in missing.unchecked(investigation) if not item.needs_person]
    alone = []
    for reason in missing.by_reason(items):
        if len(reason.labels) > 1:
            why = shorten(story.inside(reason.why.rstrip(".")), 400)
            # What nobody configured is no news: its numbers do until somebody wants all of it.
            names = ", ".join(label.partition(".")[0] for label in reason.labels)
            said = f"{len(reason.labels)} {why}: steps {names}"
            if not reason.unconfigured:
                names = "; ".join(shorten(label, 200) for label in reason.labels)
                said = f"{len(reason.labels)} could not be checked, because {why}: {names}"
            yield from _fill(said, first="  ? ", rest="    ")
        else:
            alone.append(shorten(reason.items[0].label or reason.why, 400))
    if alone:
        yield from _fill(f"{len(alone)} could not be checked: {'; '.join(alone)}", first="  ? ", rest="    ")
    yield from _for_people(investigation)
    blind = sum(item.result is CorrelationResult.NOT_CHECKED for item in investigation.correlations)
    if blind:
        said = f"{phrases.count(blind, 'diagnosis line')}, about what changed: not recorded, or not known since when"
        yield from _fill(said, first="  ? ", rest="    ")


def _for_people(investigation: Investigation) -> Iterator[str]:
    """What is for a person: by name, and the commands of what would tell most."""
    waiting = [line for line in people.for_people(investigation) if line.status is Status.NOT_CHECKED]
    if not waiting:
        return
    first = people.asked_first(investigation)[:_FIRST_ASKED]
    if not first:
        yield from _fill(f"{len(waiting)} for a person: {'; '.join(map(_numbered, waiting))}", first="  ? ", rest="    ")
        return
    yield from _fill(f"{phrases.count(len(waiting), 'step')} for a person; these would tell most:", first="  ? ", rest="    ")
    for line in first:
        yield from _fill(_numbered(line), first="    ", rest="    ")
        yield from _command(line.step.plan.run, "      ") if line.step.plan.run else ()


def _numbered(line: Line) -> str:
    return f"{line.number}. {line.title}"


def _verdict(investigation: Investigation, paint: Paint) -> Iterator[str]:
    diagnosis = investigation.diagnosis
    if diagnosis is None:
        if story.is_over(investigation):
            yield "  There is no verdict. This is not an all-clear."
        return
    yield from _headline(diagnosis, paint)
    named = story.leaders(investigation)
    if len(named) > 1 and diagnosis.verdict is Verdict.CAUSE:
        yield "  Cannot be told apart from here:"
        for place, cause in enumerate(named, start=1):
            yield from _hanging(f"  {place}. ", f"{one_line(cause.title)} ({cause.domain.value}) [{cause.id}]")
    elif named and diagnosis.verdict is Verdict.CAUSE:
        yield from _cause(named[0])
    others = [one_line(cause.title) for cause in diagnosis.causes if cause not in named]
    if others and diagnosis.verdict is Verdict.CAUSE:
        yield from _fill(f"Less support has: {'; '.join(others[: story.TOP_CAUSES])}", first="  ", rest="    ")
    onset, changed = story.onset(investigation), story.changed(investigation)
    if diagnosis.verdict is not Verdict.HEALTHY:
        yield from _hanging("  Since: ", phrases.since(onset)) if onset else ()
        yield from _hanging("  Changed: ", changed) if changed and story.any_change_recorded(investigation) else ()
    for note in diagnosis.notes:
        yield from _wrap(note, indent="  ")
    if diagnosis.still_running:
        yield from _hanging("  Still running, and may revise this: ", ", ".join(diagnosis.still_running))


def _next_to_break(investigation: Investigation) -> Iterator[str]:
    told = story.next_to_break(investigation)
    for text in told if investigation.is_healthy else []:
        yield from _hanging("  ! ", shorten(text, 400))
    if told and not investigation.is_healthy:
        yield from _wrap(shorten("; ".join(text.rstrip(".") for text in told), 400), indent="  ")


def _headline(diagnosis: Diagnosis, paint: Paint) -> list[str]:
    mark, word = phrases.VERDICT_MARKS[diagnosis.verdict], phrases.VERDICT_WORDS[diagnosis.verdict]
    rows = _hanging(f"  {mark} {word}: ", story.headline(diagnosis))
    style = _VERDICT_STYLES[diagnosis.verdict]
    rows = [paint(row, style) for row in rows]
    rows += [row for text in diagnosis.revised[:3] for row in _hanging("  Revised: ", shorten(text, 400))]
    return [*rows, f"  {phrases.NOT_AN_ALL_CLEAR}"] if diagnosis.verdict is Verdict.INCONCLUSIVE else rows


def _causes(investigation: Investigation, paint: Paint) -> Iterator[str]:
    causes = investigation.diagnosis.causes if investigation.diagnosis else ()
    for place, cause in enumerate(causes[: story.TOP_CAUSES], start=1):
        if place > 1:
            yield ""
        yield from (paint(row, "bold") for row in _head(place, cause))
        yield from _cause(cause)


def _head(place: int, cause: RankedCause) -> list[str]:
    said = f"{one_line(cause.title)} - {phrases.confidence(cause.confidence)}, {cause.domain.value} [{cause.id}]"
    return _hanging(f"  {place}. ", said)


def _cause(cause: RankedCause) -> Iterator[str]:
    yield from _wrap(cause.sentence, indent="     ")
    for mark, said in (("+", cause.evidence_for), ("-", cause.evidence_against), ("?", cause.unchecked)):
        yield from (row for item in said for row in _hanging(f"     {mark} ", item))


def _what_next(investigation: Investigation, *, full: bool) -> Iterator[str]:
    for row in story.what_next(investigation) if full else story.next_first(investigation, _FIRST_STEPS):
        yield from _fill(one_line(row[2:]), first="  # ", rest="  # ") if row.startswith("# ") else _command(row, "  ")


def _command(text: str, indent: str) -> list[str]:
    """A command is never wrapped: it is there to be pasted."""
    return [f"{indent}{row}".rstrip() for row in clean(text).strip().split("\n")]


def _indented(block: str) -> list[str]:
    return [f"  {row}".rstrip() for row in block.split("\n")]


def _hanging(head: str, text: str) -> list[str]:
    """The text after a head, further lines under the text."""
    deep = " " * (len(head) if len(head) <= 24 else 4)
    return _fill(one_line(text), first=head, rest=deep)


def _wrap(text: str, *, indent: str = "") -> list[str]:
    return _fill(one_line(text), first=indent, rest=indent)


def _fill(text: str, *, first: str, rest: str) -> list[str]:
    return textwrap.wrap(text, width=WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False) or [
        first.rstrip()
    ]
