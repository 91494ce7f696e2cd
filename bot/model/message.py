"""The thread as a view wants it: messages with stable keys. Delivery makes the real thread equal to this."""

from __future__ import annotations

from bot.ids import digest
from bot.model.base import Json, Value


class Message(Value):
    """One message of the thread. ``key`` names it for good (``root``, ``steps/1``, ``problem/1/tcp-connect``,
    ``verdict/1``): the same key posted before is edited, not posted again. ``text`` is the fallback that notifications
    and screen readers use and carries the state by itself. ``broadcast`` also shows a reply in the channel, once.
    ``terminal`` marks a state that must be delivered whatever is coalesced away; ``events`` are the ids it shows."""

    key: str
    text: str
    blocks: tuple[Json, ...] = ()
    broadcast: bool = False
    terminal: bool = False
    events: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Changes when, and only when, what a reader sees changes."""
        return digest(self.model_dump_json(exclude={"events", "terminal"}))


class Where(Value):
    """A place in Slack that an answer for one person belongs in: a channel, and the thread in it where there is one."""

    channel: str
    thread_ts: str | None = None
