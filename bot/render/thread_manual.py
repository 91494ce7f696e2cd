"""The steps for a person: one message with what to do, the command to copy, and three buttons under each. What is answered
becomes one line, with who said it and when, and a way to take it back.

The order is the playbook's and stays, so that nothing moves under a finger; what tells most is marked instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from bot.model.answer import Answer
from bot.model.finding import Finding
from bot.model.investigation import Investigation, State
from bot.model.message import Message
from bot.render import people, phrases, story
from bot.render.clean import shorten
from bot.render.slack_message import message
from bot.render.slack_text import (
    VALUE_LIMIT,
    Draft,
    Markup,
    actions,
    button,
    cost,
    cut,
    date,
    fmt,
    lines,
    person,
    preformatted,
    section,
)
from bot.render.story import Line, Phase

LOOKS_OK = "apidown.manual.ok"
FOUND = "apidown.manual.found"
SKIP = "apidown.manual.skip"
CHANGE = "apidown.manual.change"

MOST_BLOCKS = 48
"""Slack takes 50 in a message. A step that waits has three."""
_STEPS = (MOST_BLOCKS - 2) // 3
_ROOM = 6_500
"""Characters of a page's steps, well below what a message holds: an answer's note needs room, too."""
_ANSWERED = 350
"""Characters that every answered step has at least, whatever was typed for the others."""
_HOLDS = 7_200
"""Characters of a page that steps and notes share: what is longer would take the words above a step's buttons."""

_WORDS = {
    Answer.LOOKS_OK: (Markup(":white_check_mark:"), "looks OK"),
    Answer.FOUND: (Markup(":x:"), "found"),
    Answer.SKIPPED: (Markup(":fast_forward:"), "skipped"),
}


def pages(investigation: Investigation) -> list[Message]:
    """``manual/<round>``, and ``manual/<round>/2`` where one message does not hold them all."""
    shown = _paged(people.for_people(investigation))
    return [_page(investigation, number, page, len(shown)) for number, page in enumerate(shown, start=1)]


def key(investigation: Investigation, number: int = 1) -> str:
    return f"manual/{story.round_number(investigation)}{f'/{number}' if number > 1 else ''}"


def _paged(steps: Sequence[Line]) -> list[list[Line]]:
    """Which page a step is on depends on the plan alone, so that no answer moves another step."""
    shown: list[list[Line]] = []
    used = 0
    for line in steps:
        size = _size(line)
        if not shown or len(shown[-1]) >= _STEPS or used + size > _ROOM:
            shown.append([])
            used = 0
        shown[-1].append(line)
        used += size
    return shown


def _size(line: Line) -> int:
    """What a step takes of a page, as it waits or answered."""
    plan = line.step.plan
    return max(_ANSWERED, cost(line.title) + cost(plan.manual or "") + cost(plan.run or "") + 60)


def _room(page: Sequence[Line]) -> int:
    """What each answered step may take: all that the waiting ones leave, in equal parts."""
    answered = sum(line.step.answer is not None for line in page)
    left = _HOLDS - sum(_size(line) for line in page if line.step.answer is None)
    return max(_ANSWERED, left // max(answered, 1))


def _page(investigation: Investigation, number: int, page: Sequence[Line], many: int) -> Message:
    waiting = [line for line in page if line.step.answer is None]
    said = f"{phrases.count(len(page), 'step')} for a person"
    part = f" ({number} of {many})" if many > 1 else ""
    done = f", {len(page) - len(waiting)} answered" if len(waiting) < len(page) else ""
    head = [fmt(":raised_hand: *{}*{}{}", said, part, done)]
    if waiting and _takes_answers(investigation):
        head.append(
            Markup("You run the commands; this bot changes nothing. An answer counts as evidence and revises the verdict.")
        )
    drafts = [section(lines(head))]
    room = _room(page)
    for line in page:
        drafts += _step(investigation, line, room)
    titles = "; ".join(f"{line.number}. {line.title}" for line in waiting)
    text = fmt("{}{}{}. {}", said, part, done, shorten(titles, 900)) if waiting else fmt("{}{}{}.", said, part, done)
    return message(key(investigation, number), text, drafts, most_blocks=MOST_BLOCKS)


def _step(investigation: Investigation, line: Line, room: int) -> Iterator[Draft]:
    answer = line.step.answer
    plan = line.step.plan
    if answer is not None:
        yield section(_answered(line, answer, room), beside=_change(investigation, line))
        return
    first = line in people.asked_first(investigation)
    head = fmt("*{}. {}*", line.number, shorten(line.title, 200))
    tells = Markup("  :point_left: _tells most_") if first else Markup("")
    yield section(lines([Markup(head + tells), fmt("{}", shorten(plan.manual or "", 600))]))
    if plan.run:
        yield preformatted(plan.run)
    if _takes_answers(investigation) and (value := _value(investigation, line)):
        yield actions(
            button("Looks OK", action_id=LOOKS_OK, value=value),
            button("Found it…", action_id=FOUND, value=value),
            button("Skip", action_id=SKIP, value=value),
        )


def _answered(line: Line, answer: Finding, room: int) -> Markup:
    """Who said what, and when; a note is cut to what is left of ``room``, as Slack counts it."""
    emoji, word = _WORDS[Answer(answer.outcome)]
    said = answer.evidence
    who = person(str(said.get("who") or ""), shorten(str(said.get("name") or said.get("who") or "somebody"), 80))
    head = fmt("{} {}. {} - {}, {}, {}", emoji, line.number, shorten(line.title, 120), word, who, date(answer.started_at))
    since = fmt("since {}", phrases.utc(datetime.fromisoformat(said["since"]))) if said.get("since") else Markup("")
    words = fmt("{}", shorten(str(said["note"]), 600)) if said.get("note") else Markup("")
    note = fmt("“{}”", cut(words, max(room - cost(head) - cost(since) - 10, 40))) if words else Markup("")
    return lines([head, Markup(" ".join(part for part in (note, since) if part))])


def _takes_answers(investigation: Investigation) -> bool:
    return investigation.state is not State.CLOSED and story.phase(investigation) is not Phase.CANCELLING


def _change(investigation: Investigation, line: Line) -> Any:
    value = _value(investigation, line) if _takes_answers(investigation) else ""
    return button("Change", action_id=CHANGE, value=value) if value else None


def _value(investigation: Investigation, line: Line) -> str:
    """What a click says: which step of which round, and how many answers the message showed. Empty if Slack would not take
    it."""
    ref = investigation.ref
    value = f"{ref.cluster}|{ref.id}|{story.round_number(investigation)}|{line.step.plan.id}|{line.step.answers}"
    return value if cost(value) <= VALUE_LIMIT else ""
