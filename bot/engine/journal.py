"""The one way into the log: every event is made, numbered, redacted and bounded here.

Ids are deterministic, so that a successor which repeats a step appends nothing. Redaction is here, before the store and
so before every view, rather than at each place that has text from outside in its hands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

from pydantic_core import to_json

from bot.clock import Clock
from bot.ids import digest, event_id
from bot.model.base import Json, Value
from bot.model.events import MAX_BYTES, Event, EventType
from bot.model.investigation import Ref
from bot.ports import EventLog, Lease
from bot.redact import Redactor

_LONGEST_NAME = 600
"""Bytes of an id or a name: they carry subjects from outside."""
_DATA_LIMIT = MAX_BYTES - 2 * _LONGEST_NAME - 300
"""Room for the envelope around the data."""

_EVIDENCE_CUTS: tuple[tuple[int, int], ...] = ((2000, 50), (500, 20), (160, 8), (60, 3))
"""What is left of evidence, in turn: characters of a text, and entries of a list or an object."""
_TEXT_CUTS = (2000, 800, 300, 100, 40)
"""What is left of every text, when cutting the evidence is not enough."""


def make_event(
    type: EventType, *parts: object, data: Value | None, round: int, at: datetime, by: str, redactor: Redactor, epoch: int = 0
) -> Event:
    """An event with its deterministic id, redacted and cut to size."""
    payload: Json = {} if data is None else _sound(redactor.value(data.model_dump(mode="json")))
    return Event(
        id=_name(redactor.text(event_id(type.value, *parts))),
        type=type.value,
        round=round,
        epoch=epoch,
        at=at,
        by=_name(redactor.text(by)),
        data=_bounded(payload),
    )


def _name(text: str) -> str:
    """As it is, or cut with a digest at the end, so that two long names stay two."""
    sound = _sound(text)
    return sound if len(to_json(sound)) <= _LONGEST_NAME else f"{sound[: _LONGEST_NAME // 8]}…{digest(sound)}"


def _sound(value: Any) -> Any:
    """The same with every text encodable: bytes that were no text when they were read come as lone surrogates."""
    return _texts(value, lambda text: text.encode(errors="replace").decode())


def _bounded(data: Json) -> Json:
    """The same data, cut ever shorter until it fits: the evidence first, then texts everywhere, then lists. Evidence is for
    reading; what plans and findings are is not touched while there is anything else to cut."""
    for length, entries in _EVIDENCE_CUTS:
        if _size(data) <= _DATA_LIMIT:
            return data
        data = _cut_evidence(data, length, entries)
    for length in _TEXT_CUTS:
        if _size(data) <= _DATA_LIMIT:
            return data
        data = _texts(data, partial(_shortened, length=length))
    for entries in (50, 20, 5, 1):
        if _size(data) <= _DATA_LIMIT:
            return data
        data = _cut(data, _TEXT_CUTS[-1], entries)
    return data


def _size(data: Json) -> int:
    return len(Event.model_construct(data=data).model_dump_json(include={"data"}).encode())


def _shortened(text: str, *, length: int) -> str:
    left_out = len(text) - length
    return text if left_out <= _WORTHWHILE else f"{text[:length]}… ({left_out} characters left out)"


_WORTHWHILE = 40
"""A cut that saves no more than its own remark is none."""


def _texts(value: Any, change: Callable[[str], str]) -> Any:
    """The same value with every text, names of keys included, changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(key): _texts(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_texts(item, change) for item in value]
    return value


def _cut_evidence(value: Any, length: int, entries: int) -> Any:
    """Cuts below every key ``evidence`` and leaves the rest."""
    if isinstance(value, dict):
        return {
            key: _cut(item, length, entries) if key == "evidence" else _cut_evidence(item, length, entries)
            for key, item in value.items()
        }
    return [_cut_evidence(item, length, entries) for item in value] if isinstance(value, list) else value


def _cut(value: Any, length: int, entries: int) -> Any:
    if isinstance(value, str):
        return _shortened(value, length=length)
    if isinstance(value, dict):
        kept = islice(value.items(), entries) if len(value) > _FIELDS else value.items()
        return {_shortened(key, length=length): _cut(item, length, entries) for key, item in kept}
    if isinstance(value, list):
        return [_cut(item, length, entries) for item in value[:entries]]
    return value


_FIELDS = 16
"""No value of the model has more fields than this, so that cutting an object leaves those whole."""


class Journal:
    """An owner's pen: appends with the lease's epoch, so that an overtaken owner's facts are refused (LeaseLost)."""

    def __init__(self, *, store: EventLog, lease: Lease, clock: Clock, redactor: Redactor) -> None:
        self._store = store
        self._lease = lease
        self._clock = clock
        self._redactor = redactor
        self._round_redactor = redactor
        self.round = 0

    @property
    def ref(self) -> Ref:
        return self._lease.ref

    def never_say(self, secrets: Callable[[], Iterable[str]]) -> None:
        """From here on these values, too, are removed from what is written; those of the round before are not any more."""
        self._round_redactor = self._redactor.also(secrets)

    async def write(self, type: EventType, *parts: object, data: Value | None = None) -> Event:
        """Appends one event of the current round. ``parts`` and the round make its id."""
        event = make_event(
            type,
            self.round,
            *parts,
            data=data,
            round=self.round,
            at=self._clock.now(),
            by=self._lease.owner,
            redactor=self._round_redactor,
            epoch=self._lease.epoch,
        )
        await self._store.append(self.ref, [event], lease=self._lease)
        return event
