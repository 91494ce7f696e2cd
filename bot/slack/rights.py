"""Who may start, cancel, re-run and answer, with user groups looked up in Slack and remembered for some minutes.

Whoever is allowed to start may do all of it; whoever started an investigation may always cancel and re-run that one, and
answer its manual steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from bot.clock import Clock
from bot.config import Config
from bot.errors import Refused
from bot.logs import audit
from bot.model.answer import ManualAnswered
from bot.model.investigation import Investigation, Ref
from bot.ports import Investigations, Noted, Opening, Request, Resolution
from bot.render.slack_text import Markup, fmt
from bot.slack.client import SlackClient

REMEMBER_S = 300.0

log = structlog.get_logger()


class NotAllowed(Refused):
    """This person may not do this. ``said`` is what they are told, and whom to ask."""

    def __init__(self, said: Markup) -> None:
        super().__init__(str(said))
        self.said = said


class Rights:
    """Answers from memory where it can, because an acknowledgement does not wait for Slack."""

    def __init__(self, *, slack: SlackClient, config: Callable[[], Config], clock: Clock) -> None:
        self._slack = slack
        self._config = config
        self._clock = clock
        self._members: dict[str, tuple[float, frozenset[str]]] = {}
        self._handles: dict[str, str] = {}

    def known(self, user: str) -> bool | None:
        """Whether this person may start; None when a user group has to be looked up first."""
        config = self._config()
        if config.may_start(user):
            return True
        old = self._clock.monotonic() - REMEMBER_S
        remembered = [self._members.get(group) for group in config.groups]
        if any(entry is None or entry[0] < old for entry in remembered):
            return None
        return config.may_start(user, self._groups_of(user, config))

    async def may_start(self, user: str) -> bool:
        """The same, after looking up what is not known. A group that cannot be read keeps its last known members."""
        known = self.known(user)
        if known is not None:
            return known
        await self.refresh()
        config = self._config()
        return config.may_start(user, self._groups_of(user, config))

    async def refresh(self) -> None:
        """Reads the members of every configured group, and once what people call the groups."""
        groups = sorted(self._config().groups)
        for group in groups:
            result = await self._slack.members(group)
            if result.ok:
                self._members[group] = (self._clock.monotonic(), frozenset(map(str, result.data.get("users") or ())))
            else:
                log.warning("slack-group-unreadable", group=group, error=result.error, detail=result.detail)
        if set(groups) - set(self._handles):
            result = await self._slack.groups()
            told = result.data.get("usergroups") or () if result.ok else ()
            self._handles = {str(group["id"]): str(group["handle"]) for group in told if group.get("handle")}

    def refuse(self, user: str, what: str, *, cluster: str | None = None) -> Markup:
        """Notes that a person may not do this. What they are told, and whom to ask; only they see it, and nobody's phone
        rings."""
        audit("refused", who=user, wanted=what, cluster=cluster)
        config = self._config()
        people = [Markup(f"<@{one}>") for one in sorted(config.users)[:5]]
        groups = [fmt("somebody of the user group {}", self._handles.get(group, group)) for group in sorted(config.groups)[:5]]
        return fmt("You may not {} here. Ask {}.", what, Markup(" or ".join([*groups, *people])))

    def _groups_of(self, user: str, config: Config) -> list[str]:
        return [group for group in config.groups if user in self._members.get(group, (0.0, frozenset()))[1]]


class OnBehalf:
    """``ports.Investigations`` as far as one person may use them. Raises NotAllowed."""

    def __init__(self, inner: Investigations, rights: Rights, user: str) -> None:
        self._inner = inner
        self._rights = rights
        self._user = user

    async def start(self, request: Request) -> Opening:
        if not await self._rights.may_start(self._user):
            raise NotAllowed(self._rights.refuse(self._user, "start investigations", cluster=request.cluster.name))
        return await self._inner.start(request)

    async def cancel(self, ref: Ref, *, who: str, key: str | None = None) -> Noted:
        await self._own_or_allowed(ref, "cancel investigations that others started")
        return await self._inner.cancel(ref, who=who, key=key)

    async def rerun(self, ref: Ref, *, who: str, key: str | None = None) -> Noted:
        await self._own_or_allowed(ref, "re-run investigations that others started")
        return await self._inner.rerun(ref, who=who, key=key)

    async def answer(self, ref: Ref, told: ManualAnswered, *, round: int) -> Noted:
        await self.may_answer(ref)
        return await self._inner.answer(ref, told, round=round)

    async def may_answer(self, ref: Ref) -> None:
        """Raises NotAllowed: an answer changes the verdict that all act on."""
        await self._own_or_allowed(ref, "answer for investigations that others started")

    async def bind(self, key: str, ref: Ref | None = None) -> Ref | None:
        return await self._inner.bind(key, ref)

    async def resolve(self, resolutions: Sequence[Resolution]) -> int:
        return await self._inner.resolve(resolutions)

    async def look(self, ref: Ref) -> Investigation | None:
        return await self._inner.look(ref)

    async def current(self) -> list[Investigation]:
        return await self._inner.current()

    async def _own_or_allowed(self, ref: Ref, what: str) -> None:
        state = await self._inner.look(ref)
        if state is not None and state.opened.trigger.who == self._user:
            return
        if not await self._rights.may_start(self._user):
            raise NotAllowed(self._rights.refuse(self._user, what, cluster=ref.cluster))
