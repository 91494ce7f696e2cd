"""Buttons of a thread: what a click does, checked against the investigation as it is now and not as the message shows it."""

from __future__ import annotations

from bot.model.investigation import Investigation, Ref, State
from bot.model.message import Message
from bot.ports import Investigations, Noted
from bot.render.slack_text import Markup, fmt
from bot.render.thread_replies import BY_HAND, by_hand
from bot.render.thread_root import CANCEL, RERUN
from bot.slack.answers import SAYS, UNKNOWN, Answers, Click
from bot.slack.rights import NotAllowed, OnBehalf, Rights

BUTTONS = (CANCEL, RERUN, BY_HAND, *SAYS)


class Buttons:
    """Carries clicks out. ``press`` returns what the person who clicked is told, None when the thread itself will show it."""

    def __init__(self, *, investigations: Investigations, rights: Rights, answers: Answers) -> None:
        self._investigations = investigations
        self._rights = rights
        self._answers = answers

    async def press(self, click: Click) -> Markup | Message | None:
        """A click's ``value`` begins with ``cluster|id``. Raises Unavailable when the store is away."""
        if click.action_id in SAYS:
            return await self._answers.click(click)
        cluster, _, name = click.value.rpartition("|")
        state = await self._investigations.look(Ref(cluster=cluster, id=name)) if cluster and name else None
        if state is None:
            return UNKNOWN
        if click.action_id == BY_HAND:
            return by_hand(state)
        investigations = OnBehalf(self._investigations, self._rights, click.user)
        try:
            return await (_cancel if click.action_id == CANCEL else _rerun)(investigations, state, click.user, click.key)
        except NotAllowed as error:
            return error.said


async def _cancel(investigations: Investigations, state: Investigation, user: str, key: str | None) -> Markup | None:
    if state.state is State.RUNNING and state.cancel_requested_by:
        return fmt("{} asked for that already.", _person(state.cancel_requested_by, user))
    if state.state is State.CONCLUDED or await investigations.cancel(state.ref, who=user, key=key) is Noted.OVER:
        return fmt("The investigation {} is over already: there is nothing to cancel.", state.ref.id)
    return None


async def _rerun(investigations: Investigations, state: Investigation, user: str, key: str | None) -> Markup | None:
    if state.rerun_requested_by:
        return fmt("{} asked for that already.", _person(state.rerun_requested_by, user))
    if await investigations.rerun(state.ref, who=user, key=key) is not Noted.OVER:
        return None
    now = await investigations.look(state.ref) or state
    if now.state is State.CLOSED:
        typed = state.opened.cluster.asked_as
        return fmt("The investigation {} is closed. Type /apidown {} to begin a new one.", state.ref.id, typed)
    return fmt("The investigation {} is running: wait for its verdict, or cancel it first.", state.ref.id)


def _person(who: str, user: str) -> Markup:
    return Markup("You") if who == user else Markup(f"<@{who}>")
