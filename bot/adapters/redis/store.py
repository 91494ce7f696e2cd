"""The event logs, leases and the active set on a Redis or Valkey server, version 6 or newer.

Every command can be sent twice without harm (see ``scripts``), so a command on a connection that turns out to be dead is
repeated once, at once, on a new one, and through a failover for most of ``patience_s``. Nothing waits longer than that: an
owner must notice that it cannot renew while its lease still runs. Where a key is, is ``link``'s to know.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, Awaitable, Iterator, Sequence
from typing import Any

import structlog
from pydantic import ValidationError
from pydantic_core import from_json
from redis.exceptions import NoScriptError, RedisError

from bot.adapters.redis import failures, keys, scripts
from bot.adapters.redis.link import Keyed, Link, link_to
from bot.adapters.redis.node import Command
from bot.errors import Conflict, LeaseLost, Unavailable, UsageError
from bot.model.base import Json
from bot.model.events import INTAKE, MAX_BYTES, VERSION, Event, EventType
from bot.model.investigation import Ref
from bot.ports import Entry, Lease, Opening
from bot.store_url import StoreUrl

LEASE_S = 10.0
"""How long a lease lasts. An owner that stops renewing is succeeded after this time."""

KEEP_S = 30 * 24 * 3600
"""How long a closed log, and the name of a cluster without investigations, are kept."""

HEARD_S = 2 * 24 * 3600
"""How long after it was last heard a trigger that is heard once is remembered: longer than alerts take to be repeated."""

SEEN_S = 15 * 60
"""How long it is remembered which investigation a command was about: longer than Slack takes to deliver one again."""

_BLOCK_S = 5.0
_PAGE = 200  # entries a read fetches at once, 3 MiB at most
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0

_POSITION = re.compile(r"\d+(-\d+)?")

_log = structlog.get_logger(__name__)


def connect(url: str, *, lease_s: float = LEASE_S, patience_s: float = 4.0, name: str = "apidown") -> RedisStore:
    """A store at a URL of ``bot.store_url``; raises ConfigError for one that cannot be used.

    Nothing is sent yet: a process starts while its store is down. ``name`` is what ``CLIENT LIST`` shows.
    """
    parsed = StoreUrl.parse(url)
    link = link_to(parsed, patience_s=patience_s, name=name)
    return RedisStore(link, place=failures.Place.of(parsed), lease_s=lease_s, patience_s=patience_s)


class RedisStore:
    """``bot.ports.Store`` on Redis. Made by ``connect``.

    Besides the port's errors: UsageError for names that cannot be part of a key and for an investigation that does not
    exist, ValueError for what a caller must never send.
    """

    def __init__(self, link: Link, *, place: failures.Place, lease_s: float, patience_s: float) -> None:
        self._link = link
        self._place = place
        self._lease_ms = round(lease_s * 1000)
        self._patience_s = patience_s
        self._clusters: set[str] = set()

    @property
    def place(self) -> str:
        """Host and port, or the socket; for people."""
        return self._place.shown

    async def ping(self) -> None:
        """Returns when every server that is written to answers; raises Unavailable otherwise. For readiness."""
        await self._everywhere(("PING",))

    async def policies(self) -> frozenset[str]:
        """What the servers do when their memory is full (``maxmemory_policy``); none where they do not tell."""
        told = [dict(said) for said in await self._everywhere(("INFO", "memory"))]
        return frozenset(str(said["maxmemory_policy"]) for said in told if said.get("maxmemory_policy"))

    async def facts(self) -> Json:
        """What the first server says of itself (INFO), with its snapshot schedule as ``save`` where it tells it."""
        said = dict((await self._everywhere(("INFO",)))[0])
        try:
            return said | dict((await self._everywhere(("CONFIG GET", "save")))[0])
        except Unavailable:
            return said  # managed services do not take CONFIG

    async def open(self, opened: Event, joined: Event, *, ref: Ref, once: bool = False) -> Opening:
        """See the port. Raises Conflict when the id was used before in this cluster: take another one."""
        if opened.type != EventType.OPENED or joined.type not in INTAKE:
            raise ValueError(f"{opened.type} cannot open an investigation, or {joined.type} cannot join one")
        # The name first, in a slot of its own: a crash in between leaves a name without investigations, which is harmless.
        names = [keys.open_id(ref.cluster), keys.active(ref.cluster), keys.log(ref), keys.ids(ref), keys.epoch(ref)]
        names += [keys.heard(ref.cluster, joined.id)] if once else []
        texts = [opened.id, _envelope(opened), joined.id, _envelope(joined)]
        await self._run(scripts.REMEMBER, keys=[keys.CLUSTERS], args=[ref.cluster])
        name, code = await self._run(
            scripts.OPEN, keys=names, args=[ref.id, max(opened.v, joined.v), *texts, keys.investigations(ref.cluster), HEARD_S]
        )
        if code == scripts.TAKEN:
            raise Conflict(f"investigation {ref} exists already", where=f"store {self.place}")
        return Opening(ref=Ref(cluster=ref.cluster, id=name), joined=code != 0, repeated=code == scripts.REPEATED)

    async def append(self, ref: Ref, events: Sequence[Event], *, lease: Lease | None = None) -> int:
        """See the port. After a repeated command the number may be too low. Raises ValueError for an event over 16 KiB and
        for one that is not intake and comes without a lease, Conflict for reopening beside another open investigation and for
        closing one in which somebody asked for something that the closer has not seen."""
        if lease is not None and lease.ref != ref:
            raise ValueError(f"a lease on {lease.ref} does not allow writing to {ref}")
        foreign = {event.type for event in events} - INTAKE
        if lease is None and foreign:
            raise ValueError(f"only an owner appends {', '.join(sorted(foreign))}")
        args = [part for event in events for part in (event.id, event.type, _envelope(event))]
        if not args:
            return 0
        owner, epoch = (lease.owner, lease.epoch) if lease else ("", 0)
        version = max(event.v for event in events)
        names = [keys.open_id(ref.cluster), keys.active(ref.cluster), keys.log(ref), keys.ids(ref), keys.epoch(ref)]
        added = await self._run(scripts.APPEND, keys=names, args=[ref.id, owner, epoch, version, *args])
        match added:
            case scripts.LOST:
                raise self._lost(ref)
            case scripts.UNKNOWN:
                raise UsageError(f"there is no investigation {ref}", where=f"store {self.place}", next="apidown status")
            case scripts.TAKEN:
                raise Conflict(f"another investigation of {ref.cluster} is open", where=f"store {self.place}")
            case scripts.UNHEARD:
                raise Conflict(f"somebody just asked for something in investigation {ref}", where=f"store {self.place}")
        return added

    async def read(self, ref: Ref, *, after: str = "0") -> list[Entry]:
        """The log behind this position, all of it. Entries that no reader can make out are left out, with a log record."""
        key, position = keys.log(ref), _position(after)
        entries: list[Entry] = []
        while True:
            page = _page(await self._ask(self._link.run(key, ("XREAD", "COUNT", _PAGE, "STREAMS", key, position))))
            entries.extend(_entries(ref, page))
            if len(page) < _PAGE:
                return entries
            position = page[-1][0]

    async def follow(self, ref: Ref, *, after: str = "0") -> AsyncGenerator[Entry]:
        """See the port. A lost connection is made again, however long that takes, and nothing is missed or seen twice;
        whoever must know that the store is gone learns it from ``renew``. Raises Unavailable when the store refuses for
        good. Leave it by cancellation or with ``contextlib.aclosing``."""
        key, position = keys.log(ref), _position(after)
        pause = _FIRST_PAUSE_S
        while True:
            try:
                async with asyncio.timeout(_BLOCK_S + self._patience_s):
                    waiting = ("XREAD", "COUNT", _PAGE, "BLOCK", round(_BLOCK_S * 1000), "STREAMS", key, position)
                    page = _page(await _heeding(self._link.block(key, waiting)))
            except (RedisError, OSError) as error:
                if failures.is_lasting(error):
                    raise failures.unavailable(error, self._place) from error
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)
                continue
            pause = _FIRST_PAUSE_S
            for entry in _entries(ref, page):
                yield entry
            position = page[-1][0] if page else position

    async def acquire(self, ref: Ref, owner: str) -> Lease | None:
        """See the port. None also when there is no such log, and when a newer version wrote in it: that one must finish it.
        ``owner`` names a process, not a host: the same name takes the lease over from itself."""
        if not owner:
            raise ValueError("an owner has a name")
        names = [keys.active(ref.cluster), keys.log(ref), keys.lease(ref), keys.epoch(ref)]
        epoch = await self._run(scripts.ACQUIRE, keys=names, args=[ref.id, owner, self._lease_ms, VERSION])
        return Lease(ref=ref, owner=owner, epoch=epoch) if epoch else None

    async def renew(self, lease: Lease, *, known: str | None = None) -> bool:
        """See the port. A lease that ran out and that nobody took is renewed as well: nobody else can have written."""
        ref = lease.ref
        await self._run(scripts.REMEMBER, keys=[keys.CLUSTERS], args=[ref.cluster])  # it is not there after a loss of data
        names = [keys.open_id(ref.cluster), keys.active(ref.cluster), keys.lease(ref), keys.epoch(ref), keys.ids(ref)]
        code = await self._run(scripts.RENEW, keys=names, args=[ref.id, lease.owner, lease.epoch, self._lease_ms, known or ""])
        if code == scripts.LOST:
            raise self._lost(ref)
        return code != scripts.BEHIND

    async def release(self, lease: Lease) -> None:
        """See the port. Nothing can be written with this lease any more. A lease that was lost is nobody's to give back."""
        await self._run(scripts.RELEASE, keys=[keys.lease(lease.ref), keys.epoch(lease.ref)], args=[lease.owner, lease.epoch])

    async def active(self) -> list[Ref]:
        """See the port. One round trip, and a second one when there are clusters that this process has not seen."""
        now, names, members = await self._look(sorted(self._clusters))
        if unseen := sorted(name for name in names if name not in members):
            members |= (await self._look(unseen))[2]
        self._clusters = set(names)
        if stale := [name for name, opened in names.items() if not members.get(name) and opened < now - KEEP_S]:
            await self._run(scripts.FORGET, keys=[keys.CLUSTERS], args=[KEEP_S, *stale])
        return [Ref(cluster=name, id=member) for name in sorted(names) for member in sorted(members.get(name, ()))]

    async def settle(self, lease: Lease) -> None:
        """See the port. The log is kept for 30 days from now. Raises Conflict when it was not closed."""
        ref = lease.ref
        names = [
            keys.open_id(ref.cluster),
            keys.active(ref.cluster),
            keys.log(ref),
            keys.ids(ref),
            keys.lease(ref),
            keys.epoch(ref),
        ]
        match await self._run(scripts.SETTLE, keys=names, args=[ref.id, lease.owner, lease.epoch, KEEP_S]):
            case scripts.LOST:
                raise self._lost(ref)
            case scripts.NOT_CLOSED:
                raise Conflict(f"investigation {ref} is not closed", where=f"store {self.place}")

    async def open_ref(self, cluster: str) -> Ref | None:
        """The cluster's open investigation: running, or concluded and watching."""
        key = keys.open_id(cluster)
        current = await self._ask(self._link.run(key, ("GET", key)))
        return Ref(cluster=cluster, id=current) if current else None

    async def bind(self, key: str, ref: Ref | None = None) -> Ref | None:
        """See the port."""
        about = await self._run(scripts.BIND, keys=[keys.seen(key)], args=[str(ref) if ref else "", SEEN_S])
        cluster, _, name = about.rpartition("/")
        return Ref(cluster=cluster, id=name) if cluster else None

    async def close(self) -> None:
        """Closes every connection; followers must be gone by then."""
        await self._link.close()

    async def _look(self, clusters: Sequence[str]) -> tuple[int, dict[str, float], dict[str, set[str]]]:
        """The server's time, every known cluster with the time of its last opening, and the active ids of these clusters."""
        names = [keys.active(name) for name in clusters]
        commands: list[Keyed] = [
            (keys.CLUSTERS, ("TIME",)),
            (keys.CLUSTERS, ("ZRANGE", keys.CLUSTERS, 0, -1, "WITHSCORES")),
            *((name, ("SMEMBERS", name)) for name in names),
        ]
        (now, _), known, *members = await self._ask(self._link.many(commands))
        opened = {name: float(at) for name, at in zip(known[::2], known[1::2], strict=True) if keys.is_cluster(name)}
        return int(now), opened, dict(zip(clusters, members, strict=True))

    async def _everywhere(self, command: Command) -> list[Any]:
        async def ask() -> list[Any]:
            return list(await asyncio.gather(*(node.run(command) for node in await self._link.servers())))

        return await self._ask(ask())

    async def _run(self, script: str, *, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """A script by its digest, or, on a server that does not know it yet, as it is."""
        told = (len(keys), *keys, *args)
        digest = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()

        async def run() -> Any:
            try:
                return await self._link.run(keys[0], ("EVALSHA", digest, *told))
            except NoScriptError:
                return await self._link.run(keys[0], ("EVAL", script, *told))

        return await self._ask(run())

    async def _ask(self, command: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(self._patience_s):
                return await _heeding(command)
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            raise failures.unavailable(error, self._place) from error

    def _lost(self, ref: Ref) -> LeaseLost:
        return LeaseLost(f"another replica took over investigation {ref}", where=f"store {self.place}")


async def _heeding(command: Awaitable[Any]) -> Any:
    """The command's result, unless the caller was cancelled meanwhile: the client waits with ``asyncio.wait_for``, which
    before Python 3.12 loses a cancellation that comes just as it ends."""
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    result = await command
    if task and task.cancelling() > before:
        raise asyncio.CancelledError
    return result


def _envelope(event: Event) -> str:
    text = event.model_dump_json()
    if (size := len(text.encode())) > MAX_BYTES:
        raise ValueError(f"event {event.id} has {size} bytes; {MAX_BYTES} is the most")
    return text


def _position(after: str) -> str:
    if not _POSITION.fullmatch(after):
        raise ValueError(f"{after!r} is not a position in a log")
    return after


def _page(answer: Any) -> list[tuple[str, dict[str, str]]]:
    return answer[0][1] if answer else []


def _entries(ref: Ref, page: Sequence[tuple[str, dict[str, str]]]) -> Iterator[Entry]:
    for position, fields in page:
        try:
            yield Entry(position=position, event=_event(fields.get("event", "")))
        except ValueError as error:
            _log.warning("an entry of the log is not an event", investigation=str(ref), position=position, error=str(error))


def _event(text: str) -> Event:
    """The event; of a newer version's envelope, the fields that are known here."""
    try:
        return Event.model_validate_json(text)
    except ValidationError:
        envelope = from_json(text)
        if not isinstance(envelope, dict):
            raise
        return Event.model_validate({name: value for name, value in envelope.items() if name in Event.model_fields})
