"""The one way into the log: every event is made, numbered, redacted and bounded here.

Ids are deterministic, so that a successor which repeats a step appends nothing. Redaction is here, before the store and
so before every view, rather than at each place that has text from outside in its hands.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bot.clock import Clock
from bot.ids import event_id
from bot.model.base import Json, Value
from bot.model.events import MAX_BYTES, Event, EventType
from bot.model.investigation import Ref
from bot.ports import Lease, Store
from bot.redact import Redactor

# Room for the envelope around the data.
_DATA_LIMIT = MAX_BYTES - 1024
_CUTS: tuple[tuple[int, int], ...] = ((2000, 50), (500, 20), (160, 8), (60, 3))


def make_event(
    type: EventType, *parts: object, data: Value | None, round: int, at: datetime, by: str, redactor: Redactor, epoch: int = 0
) -> Event:
    """An event with its deterministic id, redacted and cut to size."""
    payload: Json = {} if data is None else redactor.value(data.model_dump(mode="json"))
    return Event(
        id=redactor.text(event_id(type.value, *parts)),
        type=type.value,
        round=round,
        epoch=epoch,
        at=at,
        by=by,
        data=_bounded(payload),
    )


def _bounded(data: Json) -> Json:
    """The same data, with long texts and lists cut ever shorter until it fits; a cut says how much it left out."""
    for text_limit, list_limit in _CUTS:
        if _size(data) <= _DATA_LIMIT:
            return data
        data = _cut(data, text_limit, list_limit)
    if _size(data) > _DATA_LIMIT:
        raise ValueError("an event is too large even with its evidence cut")
    return data


def _size(data: Json) -> int:
    return len(Event.model_construct(data=data).model_dump_json(include={"data"}).encode())


def _cut(value: Any, text_limit: int, list_limit: int) -> Any:
    if isinstance(value, str) and len(value) > text_limit:
        return f"{value[:text_limit]}… ({len(value) - text_limit} characters left out)"
    if isinstance(value, dict):
        return {key: _cut(item, text_limit, list_limit) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut(item, text_limit, list_limit) for item in value[:list_limit]]
    return value


class Journal:
    """An owner's pen: appends with the lease's epoch, so that an overtaken owner's facts are refused (LeaseLost)."""

    def __init__(self, *, store: Store, lease: Lease, clock: Clock, redactor: Redactor) -> None:
        self._store = store
        self._lease = lease
        self._clock = clock
        self._redactor = redactor
        self.round = 0

    @property
    def ref(self) -> Ref:
        return self._lease.ref

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
            redactor=self._redactor,
            epoch=self._lease.epoch,
        )
        await self._store.append(self.ref, [event], lease=self._lease)
        return event
