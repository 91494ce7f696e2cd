"""Where a probe runs."""

from __future__ import annotations

from enum import StrEnum

from bot.model.base import Value


class VantageKind(StrEnum):
    """The places a failure can look different from."""

    BOT = "bot"
    OUTSIDE = "outside"
    IN_CLUSTER = "in-cluster"
    NODE = "node"
    CONTROL_PLANE = "control-plane"
    PERSON = "person"
    """Nobody probes from here: it is whoever answered a manual step."""


class Vantage(Value):
    """A vantage point: a kind and a name. The bot's own has no name besides its kind."""

    kind: VantageKind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}" if self.name else self.kind.value


BOT = Vantage(kind=VantageKind.BOT)
"""The vantage point that is always there: the process that investigates."""
