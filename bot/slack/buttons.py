"""Buttons of a thread: what a click does, checked against the investigation as it is now and not as the message shows it."""

from __future__ import annotations

from bot.model.investigation import Investigation, Ref, State
from bot.ports import Investigations
from bot.render.slack_text import Markup, fmt
from bot.render.thread_root import CANCEL, RERUN
from bot.slack.rights import Rights

BUTTONS = (CANCEL, RERUN)


class Buttons:
    """Carries clicks out. ``press`` returns what the person who clicked is told, None when the thread itself will show it."""

    def __init__(self, *, investigations: Investigations, rights: Rights) -> None:
        self._investigations = investigations
        self._rights = rights

    async def press(self, action_id: str, value: str, user: str) -> Markup | None:
        """``value`` is ``cluster|id``. Raises Unavailable when the store is away."""
        cluster, _, name = value.rpartition("|")
        state = await self._investigations.look(Ref(cluster=cluster, id=name)) if cluster and name else None
        if state is None:
            return Markup("This investigation is not known any more. Nothing was done; type /apidown to begin a new one.")
        if state.opened.trigger.who != user and not await self._rights.may_start(user):
            return self._rights.refusal("cancel or re-run investigations")
        if action_id == CANCEL:
            return await self._cancel(state, user)
        return await self._rerun(state, user)

    async def _cancel(self, state: Investigation, user: str) -> Markup | None:
        if state.state is State.RUNNING and state.cancel_requested_by:
            return fmt("{} asked for that already.", _person(state.cancel_requested_by, user))
        if state.state is not State.RUNNING or not await self._investigations.cancel(state.ref, who=user):
            return fmt("The investigation {} is over already: there is nothing to cancel.", state.ref.id)
        return None

    async def _rerun(self, state: Investigation, user: str) -> Markup | None:
        if state.state is State.RUNNING:
            return fmt("The investigation {} is running: wait for its verdict, or cancel it first.", state.ref.id)
        if state.rerun_requested_by:
            return fmt("{} asked for that already.", _person(state.rerun_requested_by, user))
        if not await self._investigations.rerun(state.ref, who=user):
            return fmt("The investigation {} is closed. Type /apidown {} to begin a new one.", state.ref.id, state.ref.cluster)
        return None


def _person(who: str, user: str) -> Markup:
    return Markup("You") if who == user else Markup(f"<@{who}>")
