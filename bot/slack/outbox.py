"""What is in the thread, what should be, and what comes first: the delivery's decisions without its calls.

The order is the on-call engineer's: that somebody is looking, what it is, what was checked, what is wrong, all else. It is
decided again whenever a slot opens, so a verdict overtakes whatever waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.model.investigation import Investigation, State
from bot.model.message import Message

ROOT = "root"
# Stands in for a root that a person deleted or that cannot be edited any more; a reply in the same thread.
STATUS = "status"

_FIRST = (ROOT, "verdict/", "steps/", "problem/")


@dataclass(frozen=True, kw_only=True)
class Posted:
    """Where a message is and the digest of what it shows; an empty digest is not known and never equal."""

    ts: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class Edit:
    """``message`` is shown at the place of ``key``; ``urgent`` edits are not coalesced. ``ends`` is the round whose end this
    place shows for the first time with it, 0 when there is none: hardly anything comes after that to coalesce it with."""

    key: str
    ts: str
    message: Message
    urgent: bool
    ends: int = 0


class Outbox:
    """One investigation's messages as the log says they were posted, kept up to date by the delivery itself."""

    def __init__(self, state: Investigation) -> None:
        self.posted = {key: Posted(ts=item.ts, digest=item.digest) for key, item in state.messages.items()}
        self.planned = {*state.planned, *state.messages}
        # Whoever planned these may have posted them too. The value is the digest of what may be there.
        self.uncertain = dict.fromkeys((key for key in state.planned if key not in self.posted), "")
        self.plain: set[str] = set()
        self._lost_root = False
        self._unpostable: set[str] = set()
        self._frozen: set[str] = set()
        self._verdict_in_root_of = 0
        self._edits: dict[str, int] = {}
        self._ended: dict[str, int] = {}

    # Posting

    def next_post(self, wanted: Sequence[Message]) -> Message | None:
        """The most important message that is not in the thread."""
        missing = [message for message in wanted if message.key not in self.posted and message.key not in self._unpostable]
        if self._lost_root and STATUS not in self.posted:
            missing += [message.model_copy(update={"key": STATUS}) for message in wanted if message.key == ROOT]
        return min(missing, key=_rank, default=None)

    def record(self, key: str, ts: str, digest: str) -> None:
        self.posted[key] = Posted(ts=ts, digest=digest)
        self.planned.add(key)
        self.uncertain.pop(key, None)

    def cannot_post(self, key: str) -> None:
        self._unpostable.add(key)

    def forget_root(self) -> None:
        """The thread is gone: a new root is posted, and what comes next goes below it."""
        self._lost_root = False
        self.posted.pop(ROOT, None)
        self.posted.pop(STATUS, None)

    # Editing

    def next_edit(self, wanted: Sequence[Message], state: Investigation) -> Edit | None:
        """The most important message that shows something old. Those that are not urgent take turns."""
        edits = []
        for message in wanted:
            key = STATUS if message.key == ROOT and STATUS in self.posted else message.key
            place = self.posted.get(key)
            if place is None or place.digest == message.digest or key in self._frozen:
                continue
            if key == ROOT and self._lost_root:
                continue
            urgent = message.terminal or (message.key == ROOT and self._first_verdict(state))
            ended = 0 if state.state is State.RUNNING or self._ended.get(key) == state.round else state.round
            edits.append(Edit(key=key, ts=place.ts, message=message, urgent=urgent, ends=ended))
        return min(edits, key=lambda edit: (not edit.urgent, self._edits.get(edit.key, 0), _rank(edit.message)), default=None)

    def edited(self, edit: Edit) -> None:
        self.posted[edit.key] = Posted(ts=edit.ts, digest=edit.message.digest)
        self._edits[edit.key] = max(self._edits.values(), default=0) + 1
        if edit.ends:
            self._ended[edit.key] = edit.ends

    def cannot_edit(self, key: str) -> None:
        """This message stays as it is. A root is stood in for by a status reply; when that cannot be edited either, the
        thread is treated as gone."""
        if key == ROOT:
            self._lost_root = True
        elif key == STATUS:
            self.forget_root()
        else:
            self._frozen.add(key)

    def root_shows(self, state: Investigation) -> None:
        """The root was just posted or edited to show this state."""
        if state.diagnosis is not None:
            self._verdict_in_root_of = max(self._verdict_in_root_of, state.round)

    def _first_verdict(self, state: Investigation) -> bool:
        return state.diagnosis is not None and state.round > self._verdict_in_root_of

    def complete(self, wanted: Sequence[Message], state: Investigation) -> bool:
        """Nothing is missing, nothing is old, and nothing more will come."""
        return state.state is State.CLOSED and self.next_post(wanted) is None and self.next_edit(wanted, state) is None


def _rank(message: Message) -> int:
    key = ROOT if message.key == STATUS else message.key
    return next((rank for rank, prefix in enumerate(_FIRST) if key.startswith(prefix)), len(_FIRST))
