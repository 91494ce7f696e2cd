"""The errors a person may see.

Every error that reaches an on-call engineer answers four questions, in this order: where it is, what is wrong in the
reader's words, what the nearest right thing is, and what to run next. Vendors' errors are chained (``raise … from``),
never shown alone.
"""

from __future__ import annotations


class ApidownError(Exception):
    """The root of everything apidown raises on purpose.

    ``where`` is a place a person can go to (``prod.yaml:12:5``, a setting's name, a cluster), ``what`` one sentence,
    ``nearest`` the closest thing that would have been right, ``next`` a command or an action.
    """

    def __init__(self, what: str, *, where: str = "", nearest: str = "", next: str = "") -> None:
        super().__init__(what)
        self.where = where
        self.what = what
        self.nearest = nearest
        self.next = next

    def advise(self, next: str) -> None:
        """Says what to run next, if the error says nothing of that itself; for who knows how it came about."""
        self.next = self.next or next

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.nearest:
            lines.append(f"  {self.nearest}")
        if self.next:
            lines.append(f"  Next: {self.next}")
        return "\n".join(lines)


class UsageError(ApidownError):
    """The person asked for something that cannot be done as asked: a wrong name, flag or combination."""


class Refused(UsageError):
    """The person asked for something that they, or this channel, may not have."""


class ConfigError(ApidownError):
    """A file or an environment variable is wrong. Several mistakes travel together in ``DocumentErrors``."""


class Unavailable(ApidownError):
    """Something outside does not answer: the store, Slack, a cluster's API."""


class LeaseLost(ApidownError):
    """Another replica owns the investigation now; whoever gets this stops writing at once."""


class Conflict(ApidownError):
    """Two people or replicas wanted different things; the first one won."""
