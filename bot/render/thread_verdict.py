"""The verdict in the thread: the best-supported causes with their evidence for, against and missing, ties shown as ties,
and what to do next as commands. It is shown in the channel once, and again when a later round says
something else; a revision edits it and says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.diagnosis.onset import ASKED
from bot.ids import event_id
from bot.model.diagnosis import Diagnosis, RankedCause, Verdict
from bot.model.events import EventType
from bot.model.investigation import Investigation
from bot.model.message import Message
from bot.render import missing, phrases, story
from bot.render.clean import shorten
from bot.render.slack_message import message
from bot.render.slack_text import Draft, Markup, code, context, date, fmt, header, lines, preformatted, section
from bot.render.thread_root import (
    ask_line,
    break_lines,
    found_line,
    revised_line,
    tie_line,
    unchecked_line,
    verdict_line,
)

_SHOWN = 5
_HEADING = 120


def verdict(investigation: Investigation, diagnosis: Diagnosis) -> Message:
    """``verdict/<round>``."""
    number = story.round_number(investigation)
    word = phrases.VERDICT_WORDS[diagnosis.verdict]
    revised = "Revised. " if diagnosis.revised else ""
    again = f"Round {number}: " if number > 1 else ""
    text = fmt(
        "{}{}{} for {}: {}",
        again,
        revised,
        word,
        shorten(investigation.opened.cluster.called, 120),
        shorten(story.headline(diagnosis), 600),
    )
    drafts = [
        header(f"{again}{word}: {shorten(story.headline(diagnosis), _HEADING)}"),
        section(_summary(investigation, diagnosis)),
        *_causes(investigation, diagnosis),
        *_what_next(investigation),
        section(lines([ask_line(investigation), unchecked_line(investigation)])),
        context(_footer(investigation, diagnosis)),
    ]
    events = [event_id(EventType.DIAGNOSED, number, diagnosis.revision)]
    return message(
        f"verdict/{number}", text, drafts, broadcast=story.says_something_new(investigation), terminal=True, events=events
    )


def _summary(investigation: Investigation, diagnosis: Diagnosis) -> Markup:
    # The heading is cut where it is long; all else that it says is not said again.
    long = len(story.headline(diagnosis)) > _HEADING
    said = [verdict_line(diagnosis) if long else Markup(""), revised_line(diagnosis), _tie(investigation, diagnosis)]
    if diagnosis.verdict is Verdict.INCONCLUSIVE:
        said.append(Markup(phrases.NOT_AN_ALL_CLEAR))
    onset = story.onset(investigation)
    if onset is not None and onset.source != ASKED and diagnosis.verdict is not Verdict.HEALTHY:
        said.append(fmt("*Since:* {}", phrases.since(onset)))
    changed = story.changed(investigation) if story.any_change_recorded(investigation) else ""
    if changed and diagnosis.verdict is not Verdict.HEALTHY:
        said.append(fmt("*Changed:* {}", shorten(changed, 500)))
    said += [*break_lines(investigation), found_line(investigation)]
    said += [fmt("{}", shorten(note, 300)) for note in diagnosis.notes[:4]]
    if diagnosis.still_running:
        said.append(fmt("*Still running, and may revise this:* {}", shorten(", ".join(diagnosis.still_running), 300)))
    return lines(said)


def _tie(investigation: Investigation, diagnosis: Diagnosis) -> Markup:
    """Which of the causes below cannot be told apart; those that are not shown by their names."""
    named = story.leaders(investigation)
    if len(named) < 2 or diagnosis.verdict is not Verdict.CAUSE:
        return Markup("")
    if len(named) > story.TOP_CAUSES:
        return tie_line(investigation)
    numbers = [str(place) for place, cause in enumerate(diagnosis.causes, start=1) if cause in named]
    return fmt("*{} and {} cannot be told apart from here.*", ", ".join(numbers[:-1]), numbers[-1])


def _headed(investigation: Investigation, diagnosis: Diagnosis) -> Iterator[tuple[Markup, RankedCause]]:
    """Each cause with its heading. One that leads alone is called what it is."""
    alone = diagnosis.verdict is Verdict.CAUSE and len(story.leaders(investigation)) == 1
    for place, cause in enumerate(diagnosis.causes[: story.TOP_CAUSES], start=1):
        mark = "Best-supported cause:" if alone and place == 1 else f"{place}."
        sure = phrases.confidence(cause.confidence)
        yield fmt("*{} {}* - {}, {}", mark, shorten(cause.title, 200), sure, cause.domain.value), cause


def _causes(investigation: Investigation, diagnosis: Diagnosis) -> Iterator[Draft]:
    """Each cause with its evidence; what several of them miss is said once."""
    missed: set[str] = set()
    for head, cause in _headed(investigation, diagnosis):
        new = tuple(text for text in cause.unchecked if text not in missed)
        missed.update(new)
        yield section(_cause(head, cause, new))


def _cause(head: Markup, cause: RankedCause, unchecked: Sequence[str]) -> Markup:
    return lines(
        [
            head,
            fmt("{}", shorten(cause.sentence, 400)),
            *_evidence("For", cause.evidence_for, "nothing seen"),
            *_evidence("Against", cause.evidence_against, ""),
            *_evidence("Not checked", unchecked, ""),
        ]
    )


def _evidence(label: str, said: Sequence[str], none: str) -> Iterator[Markup]:
    if not said:
        if none:
            yield fmt("*{}:* {}", label, none)
        return
    yield fmt("*{}:*", label)
    yield from map(_said, said[:_SHOWN])
    if len(said) > _SHOWN:
        yield fmt("• and {} more", len(said) - _SHOWN)


def _said(item: str) -> Markup:
    """One line; a command that would tell is shown as it is typed."""
    found = missing.ON_NODE.fullmatch(item)
    return fmt("• {}", shorten(item, 280)) if found is None else fmt("• {}: {}", found[1], code(shorten(found[2], 260)))


def _what_next(investigation: Investigation) -> Iterator[Draft]:
    rows = story.what_next(investigation)
    if not rows:
        return
    tied = len(story.leaders(investigation)) > 1 and story.separators(story.leaders(investigation))
    words = "*The check that separates them, then what to do*" if tied else "*Do next*"
    yield section(Markup(words + " (you run it; this bot changes nothing):"))
    yield preformatted("\n".join(rows))


def _footer(investigation: Investigation, diagnosis: Diagnosis) -> Markup:
    others = len(diagnosis.causes) - story.TOP_CAUSES
    parts = [fmt("{}", investigation.ref.id)]
    if investigation.diagnosed_at is not None:
        parts.append(date(investigation.diagnosed_at))
    if others > 0:
        parts.append(fmt("{} with less support not shown", phrases.count(others, "further cause")))
    parts.append(Markup("final for this round" if diagnosis.final else "first verdict, not final"))
    return Markup(" | ".join(parts))
