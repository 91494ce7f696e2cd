"""Who may start investigations, with user groups looked up in Slack and remembered for some minutes."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from bot.clock import Clock
from bot.config import Config
from bot.render.slack_text import Markup, fmt
from bot.slack.client import SlackClient

REMEMBER_S = 300.0

log = structlog.get_logger()


class Rights:
    """Answers from memory where it can, because an acknowledgement does not wait for Slack."""

    def __init__(self, *, slack: SlackClient, config: Callable[[], Config], clock: Clock) -> None:
        self._slack = slack
        self._config = config
        self._clock = clock
        self._members: dict[str, tuple[float, frozenset[str]]] = {}

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
        """Reads the members of every configured group."""
        for group in sorted(self._config().groups):
            result = await self._slack.members(group)
            if result.ok:
                self._members[group] = (self._clock.monotonic(), frozenset(map(str, result.data.get("users") or ())))
            else:
                log.warning("slack-group-unreadable", group=group, error=result.error, detail=result.detail)

    def refusal(self, what: str) -> Markup:
        """What is said to a person who may not, and whom to ask. Only that person sees it."""
        config = self._config()
        people = [Markup(f"<@{user}>") for user in sorted(config.users)[:5]]
        groups = [Markup(f"<!subteam^{group}>") for group in sorted(config.groups)[:5]]
        return fmt("You may not {} here. Ask {}.", what, Markup(" or ".join([*groups, *people])))

    def _groups_of(self, user: str, config: Config) -> list[str]:
        return [group for group in config.groups if user in self._members.get(group, (0.0, frozenset()))[1]]
