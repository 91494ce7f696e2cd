"""Answers to manual steps: what the three buttons, the way back and the modal do.

Nothing is decided here by what a message shows: intake judges each answer by the log as it is, and whoever comes too late is
told so, with their note, because nobody types it twice at 3 a.m.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import structlog

from bot.clock import Clock
from bot.errors import UsageError
from bot.model.answer import LONGEST_NOTE, Answer, ManualAnswered
from bot.model.base import Value
from bot.model.investigation import Investigation, Ref, State, StepState
from bot.model.message import Where
from bot.ports import Investigations, Noted
from bot.redact import Redactor
from bot.render import modal
from bot.render.phrases import duration
from bot.render.slack_text import Markup, fmt, lines
from bot.render.thread_manual import CHANGE, FOUND, LOOKS_OK, SKIP
from bot.slack.client import SlackClient
from bot.slack.rights import NotAllowed, OnBehalf, Rights
from bot.when import moment

SAYS: Mapping[str, Answer] = MappingProxyType(
    {LOOKS_OK: Answer.LOOKS_OK, SKIP: Answer.SKIPPED, CHANGE: Answer.TAKEN_BACK, FOUND: Answer.FOUND}
)
UNKNOWN = Markup("This investigation is not known any more. Nothing was done; type /apidown to begin a new one.")

log = structlog.get_logger()

Body = Mapping[str, Any]


class Asked(Value):
    """The step that a button or a modal is about, as the message showed it: ``number`` answers were there."""

    ref: Ref
    round: int
    step: str
    number: int


@dataclass(frozen=True, kw_only=True)
class Click:
    """One click, by whom and where. ``key`` is the same whenever this very click is told again."""

    action_id: str
    value: str
    user: str
    name: str | None = None
    key: str | None = None
    trigger_id: str = ""
    where: Where | None = None


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What was typed into the modal, already bounded and without secrets."""

    asked: Asked
    told: ManualAnswered
    where: Where


class Unreadable(UsageError):
    """What was typed cannot be used. ``fields`` says of each field why, for whoever typed it."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__("; ".join(fields.values()))
        self.fields = fields


def asked_by(value: str) -> Asked | None:
    """A button's value; None for one that is not of ours."""
    parts = value.rsplit("|", 4)
    if len(parts) != 5 or not (parts[2].isdigit() and parts[4].isdigit()):
        return None
    cluster, name, turn, step, number = parts
    return Asked(ref=Ref(cluster=cluster, id=name), round=int(turn), step=step, number=int(number))


def submission(body: Body, *, key: str | None, now: datetime, redactor: Redactor) -> Submission:
    """Reads a submitted modal. Raises Unreadable with what to type instead."""
    view = body["view"]
    place = json.loads(view["private_metadata"])
    asked = asked_by(place.pop("value"))
    typed = {name: _typed(view, name) for name in (modal.NOTE, modal.SINCE)}
    note = redactor.text(typed[modal.NOTE].strip())[:LONGEST_NOTE]
    if asked is None or not note:
        raise Unreadable({modal.NOTE: "Say in a few words what you saw."})
    told = ManualAnswered(
        step=asked.step,
        answer=Answer.FOUND,
        who=str(body["user"]["id"]),
        name=body["user"].get("name"),
        note=note,
        since=_since(typed[modal.SINCE].strip(), now),
        number=asked.number,
        key=key,
    )
    return Submission(asked=asked, told=told, where=Where.model_validate(place, strict=False))


def _typed(view: Body, name: str) -> str:
    return str(((view["state"]["values"].get(name) or {}).get(name) or {}).get("value") or "")


def _since(text: str, now: datetime) -> datetime | None:
    try:
        return moment(text, now) if text else None
    except UsageError as error:
        raise Unreadable({modal.SINCE: modal.WRONG_TIME}) from error


class Answers:
    """Carries answers out. Both ways in return what the person is told, None when the thread itself will show it."""

    def __init__(self, *, investigations: Investigations, rights: Rights, slack: SlackClient, clock: Clock) -> None:
        self._investigations = investigations
        self._rights = rights
        self._slack = slack
        self._clock = clock

    async def click(self, click: Click) -> Markup | None:
        """Raises Unavailable when the store is away."""
        asked = asked_by(click.value)
        if asked is None:
            return UNKNOWN
        if click.action_id == FOUND:
            return await self._open(asked, click)
        told = ManualAnswered(
            step=asked.step,
            answer=SAYS[click.action_id],
            who=click.user,
            name=click.name,
            number=asked.number,
            key=click.key,
        )
        return await self._answer(asked, told)

    async def submit(self, given: Submission) -> Markup | None:
        """Raises Unavailable when the store is away."""
        said = await self._answer(given.asked, given.told)
        return None if said is None else lines([said, your_note(given)])

    async def _open(self, asked: Asked, click: Click) -> Markup | None:
        """Opens the modal, while the click still allows it: 3 s. Whoever may not answer is told before they type."""
        state = await self._investigations.look(asked.ref)
        late = _too_late(state, asked, click.user, self._clock.now())
        if late is not None or state is None:
            return late or UNKNOWN
        try:
            await OnBehalf(self._investigations, self._rights, click.user).may_answer(asked.ref)
        except NotAllowed as error:
            return error.said
        step = state.step(asked.step)
        title = step.plan.title if step is not None else asked.step
        view = modal.found_it(title, value=click.value, where=click.where or Where(channel=""))
        result = await self._slack.open_view(click.trigger_id, view)
        if result.ok or result.error == "exchanged_trigger_id":
            return None  # the latter: this very click was told before, and has opened it
        log.warning("slack-modal-refused", error=result.error, detail=result.detail)
        return fmt("Slack did not open the form ({}). Nothing was noted; press again.", result.error)

    async def _answer(self, asked: Asked, told: ManualAnswered) -> Markup | None:
        try:
            noted = await OnBehalf(self._investigations, self._rights, told.who).answer(asked.ref, told, round=asked.round)
        except NotAllowed as error:
            return error.said
        if noted in (Noted.NEW, Noted.REPEATED):
            return None
        state = await self._investigations.look(asked.ref)
        return _too_late(state, asked, told.who, self._clock.now()) or UNKNOWN


def your_note(given: Submission) -> Markup:
    """What was typed, for whoever would have to type it again."""
    return fmt("Your note: {}", given.told.note)


def _too_late(state: Investigation | None, asked: Asked, user: str, now: datetime) -> Markup | None:
    """Why this answer is not taken; None when it may be."""
    if state is None:
        return UNKNOWN
    if state.state is State.CLOSED:
        typed = state.opened.cluster.asked_as
        said = "The investigation {} is closed, so answers are not weighed any more. Type /apidown {} to begin a new one."
        return fmt(said, state.ref.id, typed)
    if state.round != asked.round:
        return fmt("Round {} is over. Answer below, in the message of round {}.", asked.round, state.round)
    step = state.step(asked.step)
    if step is None:
        return UNKNOWN
    return _answered_before(step, user, now) if step.answers > asked.number else None


def _answered_before(step: StepState, user: str, now: datetime) -> Markup:
    answer = step.answer
    if answer is None:
        return Markup("Somebody took an answer back just now. Nothing was noted; answer again in the message as it is now.")
    who = str(answer.evidence.get("who") or "")
    person = Markup("You") if who == user else Markup(f"<@{who}>")
    ago = duration(max((now - answer.started_at).total_seconds(), 0))
    word = {Answer.LOOKS_OK: "looks OK", Answer.FOUND: "found it", Answer.SKIPPED: "skip"}[Answer(answer.outcome)]
    return fmt("{} answered that {} ago: {}. Press Change beside it to say otherwise.", person, ago, word)
