"""Intake: what people and alerts ask for, written into the log by whichever replica heard it.

Nothing is done in place. A request becomes an event; the owner, here or elsewhere, follows its log and acts on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.clock import Clock
from bot.engine.journal import make_event
from bot.errors import Refused
from bot.ids import investigation_id, is_adhoc
from bot.model.answer import ManualAnswered
from bot.model.base import Value
from bot.model.events import Event, EventType, Opened
from bot.model.investigation import Investigation, Ref, State
from bot.model.replay import replay
from bot.playbook import Library
from bot.ports import Noted, Opening, Request, Resolution, Store
from bot.redact import Redactor

MOST_AD_HOC = 30
"""How many servers that are not configured are looked at at once: anybody can type any number of them, and those who carry
investigations out are needed for the clusters that are down."""


class Asked(Value):
    """Data of ``cancel-requested`` and ``rerun-requested``."""

    who: str


class Intake:
    """Implements ``ports.Investigations`` on the event log. ``wake`` tells this replica that there may be work now; others
    find it by themselves within a second or so."""

    def __init__(
        self, *, store: Store, library: Library, clock: Clock, redactor: Redactor, replica: str, wake: Callable[[Ref], None]
    ) -> None:
        self._store = store
        self._library = library
        self._clock = clock
        self._redactor = redactor
        self._replica = replica
        self._wake = wake

    async def start(self, request: Request) -> Opening:
        """Opens an investigation of the cluster, or joins the one that is open. Raises UsageError for an unknown playbook, and
        Refused where there is no room for one more server that is not configured."""
        if request.playbook is not None:
            self._library.playbook_named(request.playbook)
        if not request.cluster.configured:
            await self._find_room(request.cluster.name)
        now = self._clock.now()
        ref = Ref(cluster=request.cluster.name, id=investigation_id(now))
        # The CA stays out of the log: it may be larger than an event, and the cluster's files have it.
        target = request.cluster.target.model_copy(update={"ca_pem": None})
        opened = Opened(
            cluster=request.cluster.model_copy(update={"target": target}),
            trigger=request.trigger,
            playbook=request.playbook,
            since=request.since,
            thread=request.thread,
        )
        # Without a key two wishes are two, even of one person.
        parts = (request.trigger.who, request.key or f"{now:%H%M%S.%f}")
        wishes = {"thread": request.thread, "playbook": request.playbook, "since": request.since}
        trigger = request.trigger.model_copy(update=wishes)
        joined = self._event(EventType.TRIGGER_JOINED, request.trigger.kind, *parts, data=trigger, round=0)
        opening = await self._store.open(
            self._event(EventType.OPENED, data=opened, round=0), joined, ref=ref, once=request.key is not None
        )
        if not opening.repeated:
            self._wake(opening.ref)
        return opening

    async def _find_room(self, cluster: str) -> None:
        open_ones = {ref.cluster for ref in await self._store.active() if is_adhoc(ref.cluster)}
        if cluster not in open_ones and len(open_ones) >= MOST_AD_HOC:
            raise Refused(
                f"{MOST_AD_HOC} servers that are not configured are being investigated; there is no room for more",
                nearest="an investigation ends 15 minutes after its verdict",
                next="cancel one that is not needed, or name a configured cluster",
            )

    async def resolve(self, resolutions: Sequence[Resolution]) -> int:
        """Notes what ended in the open investigations that know of its beginning; how many notes are new."""
        noted = 0
        for cluster in dict.fromkeys(resolution.cluster for resolution in resolutions):
            ref = await self._store.open_ref(cluster)
            state = await self.look(ref) if ref else None
            if ref is None or state is None:
                continue
            firing = {alert.firing for alert in state.alerts if alert.resolved_at is None}
            events = [
                self._event(EventType.TRIGGER_JOINED, one.trigger.kind, one.trigger.who, one.key, data=one.trigger, round=0)
                for one in resolutions
                if one.cluster == cluster and one.trigger.alert is not None and one.trigger.alert.firing in firing
            ]
            noted += await self._store.append(ref, events)
            self._wake(ref)
        return noted

    async def cancel(self, ref: Ref, *, who: str, key: str | None = None) -> Noted:
        return await self._ask(EventType.CANCEL_REQUESTED, ref, who, key, {State.RUNNING, State.CONCLUDED})

    async def rerun(self, ref: Ref, *, who: str, key: str | None = None) -> Noted:
        return await self._ask(EventType.RERUN_REQUESTED, ref, who, key, {State.CONCLUDED})

    async def _ask(self, type: EventType, ref: Ref, who: str, key: str | None, states: set[State]) -> Noted:
        """Without a key, wishes of one round are one."""
        log, state = await self._read(ref)
        if state is None:
            return Noted.OVER
        event = self._event(type, key or state.round, data=Asked(who=who), round=state.round, by=who)
        repeated = any(known.id == event.id for known in log)
        if state.state not in states and not (repeated and key):
            return Noted.OVER
        if repeated:
            return Noted.REPEATED
        await self._store.append(ref, [event])
        self._wake(ref)
        return Noted.NEW

    async def answer(self, ref: Ref, told: ManualAnswered, *, round: int) -> Noted:
        log, state = await self._read(ref)
        event = self._event(EventType.MANUAL_ANSWERED, round, told.step, told.number, data=told, round=round, by=told.who)
        earlier = _with_id(event.id, log)
        if earlier is not None:
            return _whose(earlier, event)
        if state is None or state.state is State.CLOSED or state.round != round or state.step(told.step) is None:
            return Noted.OVER
        added = await self._store.append(ref, [event])
        log, state = await self._read(ref)
        if not added:
            # Somebody else's came in between, or our own answer's, of a store that answered too late.
            return _whose(_with_id(event.id, log) or event, event)
        step = state.step(told.step) if state is not None else None
        if step is None or step.answers <= told.number:
            return Noted.OVER  # it was closed, or looked at again, in that moment
        self._wake(ref)
        return Noted.NEW

    async def bind(self, key: str, ref: Ref | None = None) -> Ref | None:
        return await self._store.bind(key, ref)

    async def look(self, ref: Ref) -> Investigation | None:
        return (await self._read(ref))[1]

    async def _read(self, ref: Ref) -> tuple[list[Event], Investigation | None]:
        log = [entry.event for entry in await self._store.read(ref)]
        return log, replay(ref, log)

    async def current(self) -> list[Investigation]:
        found = [await self.look(ref) for ref in await self._store.active()]
        return sorted((state for state in found if state is not None), key=lambda state: state.opened_at, reverse=True)

    def _event(self, type: EventType, *parts: object, data: Value, round: int, by: str | None = None) -> Event:
        return make_event(
            type, *parts, data=data, round=round, at=self._clock.now(), by=by or self._replica, redactor=self._redactor
        )


def _with_id(id: str, log: Sequence[Event]) -> Event | None:
    return next((known for known in log if known.id == id), None)


def _whose(known: Event, told: Event) -> Noted:
    """Whether an answer that is there is this one: the same click, or the same person who says the same."""
    same_click = known.data["key"] is not None and known.data["key"] == told.data["key"]
    same_word = all(known.data[name] == told.data[name] for name in ("who", "answer", "note"))
    return Noted.REPEATED if same_click or same_word else Noted.TAKEN
