"""What the fake knows of each Web API method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fakes.slack_server.values import Json
from tests.fakes.slack_server.workspace import Workspace


@dataclass(frozen=True)
class Method:
    """``tier`` None is one of Slack's special rates. ``scope`` may hold ``{kind}``, for the kind of channel asked about.
    ``args`` are the documented arguments; Bolt's client adds ``team_id`` to every call. ``reads`` says that GET will do."""

    run: Callable[[Workspace, Json], Json]
    tier: int | None = None
    scope: str | None = None
    args: str = ""
    reads: bool = False
    known: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", frozenset(self.args.split()) | {"token", "team_id"})
