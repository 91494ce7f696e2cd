"""The whole thread as it should be now. Delivery makes the real thread equal to it: what is new is posted in this order,
what differs is edited.

A message once posted never moves or goes: what was posted comes first, in the order it was posted, and keeps its message
even when its step or line turns out different. Messages of earlier rounds stay as they were and are not in the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.model.diagnosis import Correlation, CorrelationResult
from bot.model.finding import Status
from bot.model.investigation import Investigation
from bot.model.message import Message
from bot.render import people, story, thread_manual, thread_replies
from bot.render.story import Line
from bot.render.thread_root import root
from bot.render.thread_verdict import verdict

# With root, steps, more problems, two pages for people, unchecked, correlations and verdict, at most 15 posts a round.
OWN_PROBLEMS = 5
OWN_CORRELATIONS = 2


def messages(investigation: Investigation, *, now: datetime) -> list[Message]:
    """The root and the current round's replies, in posting order. ``now`` is only used for a running round's age."""
    posted = [*investigation.messages, *investigation.planned]
    listed = story.step_lines(investigation)
    own, more = _problems(investigation, listed, posted)
    apart = {line.number for line in (*own, *more)}
    quiet = [
        line
        for line in listed
        if line.status not in (None, Status.NOT_CHECKED) and line.number not in apart and not line.needs_person
    ]
    made = [
        root(investigation, now),
        thread_replies.steps(investigation, quiet),
        *(thread_replies.problem(investigation, line) for line in own),
    ]
    if more:
        made.append(thread_replies.more_problems(investigation, more))
    made += _after_the_steps(investigation, posted)
    place = {key: index for index, key in enumerate(posted)}
    return sorted(made, key=lambda message: place.get(message.key, len(place)))


def _after_the_steps(investigation: Investigation, posted: Sequence[str]) -> list[Message]:
    """What was not checked, what changed and the verdict: they are about the steps, so they come after them."""
    made: list[Message] = []
    number = story.round_number(investigation)
    asked = people.asks_people(investigation)
    made += [page for page in thread_manual.pages(investigation) if asked or page.key in posted]
    over = investigation.diagnosis is not None or story.is_over(investigation)
    if f"unchecked/{number}" in posted or (over and thread_replies.has_unchecked(investigation)):
        made.append(thread_replies.unchecked(investigation))
    own, folded = _correlations(investigation, posted)
    if folded or f"correlations/{number}" in posted:
        made.append(thread_replies.correlations(investigation, folded))
    made += [thread_replies.correlation(investigation, key, item) for key, item in own.items()]
    if investigation.diagnosis is not None:
        made.append(verdict(investigation, investigation.diagnosis))
    return made


def _problems(investigation: Investigation, listed: Sequence[Line], posted: Sequence[str]) -> tuple[list[Line], list[Line]]:
    """Problems with a message of their own, and those beyond the cap. The first to finish are the first to be posted."""
    number = story.round_number(investigation)
    has_one = {line.number for line in listed if f"problem/{number}/{line.step.plan.id}" in posted}
    wanted = [line for line in listed if line.number in has_one or (line.status in story.TROUBLE and not line.needs_person)]
    wanted.sort(key=lambda line: (line.number not in has_one, _finished_at(line)))
    cap = max(OWN_PROBLEMS, len(has_one))
    return wanted[:cap], sorted(wanted[cap:], key=lambda line: line.number)


def _finished_at(line: Line) -> tuple[bool, datetime | None, int]:
    ends = [finding.started_at + timedelta(seconds=finding.duration_s) for finding in line.step.findings]
    return (not ends, max(ends, default=None), line.number)


def _correlations(investigation: Investigation, posted: Sequence[str]) -> tuple[dict[str, Correlation], list[Correlation]]:
    """Lines with a message of their own by key, and the others that were looked at; what nothing records is said with what
    was not checked."""
    keyed = {_key(investigation, item): item for item in investigation.correlations}
    wanted = [key for key, item in keyed.items() if key in posted or item.result in story.MATCHES]
    wanted.sort(key=lambda key: key not in posted)
    own = wanted[: max(OWN_CORRELATIONS, sum(key in posted for key in wanted))]
    folded = [item for key, item in keyed.items() if key not in own and item.result is not CorrelationResult.NOT_CHECKED]
    return {key: keyed[key] for key in own}, folded


def _key(investigation: Investigation, item: Correlation) -> str:
    """Lines of the selected playbook by their id; lines of any other playbook by both, lest two share a message."""
    chosen = investigation.playbook.playbook if investigation.playbook else None
    name = item.id if chosen in (None, item.playbook) else f"{item.playbook}.{item.id}"
    return f"correlation/{story.round_number(investigation)}/{name}"
