"""An engine on a real store, with scripted vantage points: what a test of investigations needs, and nothing faked below it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.adapters.redis.store import RedisStore
from bot.clock import Clock, SystemClock
from bot.engine.intake import Intake
from bot.engine.investigate import OwnerServices
from bot.engine.recovery import Custodian, CustodianServices, NoDelivery
from bot.engine.rounds import Bounds, RoundServices
from bot.errors import Unavailable
from bot.model.base import Json
from bot.model.events import Event, Thread, Trigger
from bot.model.finding import Finding, Status
from bot.model.investigation import Investigation, Ref
from bot.model.playbook import (
    Cause,
    Check,
    CorrelationLine,
    Direction,
    Domain,
    EvidenceLine,
    Match,
    Playbook,
    Selects,
    Step,
    Weight,
    Window,
)
from bot.model.replay import advance
from bot.model.target import Cluster, Target
from bot.model.vantage import BOT, Vantage, VantageKind
from bot.playbook import Library
from bot.ports import ClusterAccess, Deliverer, Directory, Entry, Lease, Opening, Request
from bot.redact import Redactor

WITHIN_S = 30.0
QUICK = Bounds(ladder_s=0.3, first_verdict_s=1.5, settle_s=0.5, round_s=3.0)
"""For rounds that are meant to run out of time."""

CLUSTER = Cluster(name="prod", target=Target.from_url("https://10.0.0.1:6443"), configured=True)
A = "10.0.0.1:6443"

LADDER = Playbook(
    id="triage",
    title="Where it stops",
    meaning="The ladder.",
    impact="None.",
    always=True,
    steps=(
        Step(id="tcp", title="The address accepts TCP connections", probe="tcp-connect"),
        Step(id="http", title="The API server answers", probe="apiserver-health"),
    ),
)
REFUSED = Playbook(
    id="refused",
    title="Connection refused",
    meaning="Nothing listens.",
    impact="Everything.",
    selects=Selects(symptoms=("connection-refused",)),
    steps=(
        Step(id="pods", title="API server pods run", probe="apiserver-pods", params={"namespace": "kube-system"}),
        Step(id="restarts", title="They do not restart", probe="apiserver-pods", params={"namespace": "kube-system"}),
        Step(id="network-team", title="Nobody works on the balancer", manual="Ask about {host}.", run="ping {host}"),
    ),
    diagnosis=(
        CorrelationLine(
            id="manifest",
            title="The manifest changed in the hour before",
            changes=("static-pod-manifest",),
            window=Window(direction=Direction.BEFORE, length=timedelta(hours=1)),
        ),
    ),
    otherwise=(Check(id="endpoint", title="Clients use the right endpoint", probe="cluster-endpoint"),),
)
AGENTS = Playbook(
    id="agents",
    title="From elsewhere",
    meaning="Looks from two places.",
    impact="None.",
    steps=(
        Step(id="both", title="From here and a node", probe="apiserver-pods", vantages=(VantageKind.BOT, VantageKind.NODE)),
        Step(id="node", title="From a node", probe="apiserver-pods", vantages=(VantageKind.NODE,)),
    ),
)
DOWN = Cause(
    id="down",
    domain=Domain.PROCESS,
    title="The API server is down",
    sentence="Nothing listens.",
    evidence_for=(
        EvidenceLine(
            probe="tcp-connect", outcomes=("connection-refused",), match=Match.ALL, weight=Weight.STRONG, says="It refuses."
        ),
        EvidenceLine(probe="apiserver-pods", outcomes=("crash-looping",), weight=Weight.DECISIVE, says="Its pod crashes."),
    ),
)
WELL = Cause(
    id="healthy",
    domain=Domain.HEALTHY,
    title="The API server is healthy",
    sentence="All passes.",
    evidence_for=(
        EvidenceLine(probe="apiserver-health", outcomes=("healthy",), match=Match.ALL, weight=Weight.DECISIVE, says="All pass."),
    ),
)
LIBRARY = Library(
    playbooks={playbook.id: playbook for playbook in (LADDER, REFUSED, AGENTS)},
    causes={cause.id: cause for cause in (DOWN, WELL)},
)


def found(
    probe: str, status: Status, outcome: str, *, subject: str = A, params: Json | None = None, round: int = 1, **more: Any
) -> Finding:
    return Finding(
        probe=probe,
        params=params or {},
        subject=subject,
        round=round,
        status=status,
        outcome=outcome,
        sentence=more.pop("sentence", f"{subject}: {outcome}."),
        started_at=datetime.now(UTC),
        **more,
    )


Play = Callable[[int, Json], AsyncIterator[Finding]]
"""What a scripted probe does in a round, with these parameters."""


def says(probe: str, status: Status, outcome: str, **more: Any) -> Play:
    async def play(round: int, params: Json) -> AsyncIterator[Finding]:
        yield found(probe, status, outcome, params=params, round=round, **more)

    return play


def after(gate: asyncio.Event, play: Play) -> Play:
    """The same, once the gate is open."""

    async def wait(round: int, params: Json) -> AsyncIterator[Finding]:
        await gate.wait()
        async for finding in play(round, params):
            yield finding

    return wait


REFUSES: Mapping[str, Play] = {
    "tcp-connect": says("tcp-connect", Status.PROBLEM, "connection-refused"),
    "apiserver-health": says("apiserver-health", Status.NOT_APPLICABLE, "not-reached"),
    "apiserver-pods": says("apiserver-pods", Status.NOT_CHECKED, "api-unreachable", subject="kube-system"),
    "cluster-endpoint": says("cluster-endpoint", Status.OK, "matches", subject="prod"),
}
HEALTHY: Mapping[str, Play] = {
    **REFUSES,
    "tcp-connect": says("tcp-connect", Status.OK, "connected"),
    "apiserver-health": says("apiserver-health", Status.OK, "healthy"),
}


class ScriptedVantage:
    """A ``ports.VantagePoint`` that plays a script, and counts how often each probe ran."""

    def __init__(self, script: Mapping[str, Play], *, vantage: Vantage = BOT) -> None:
        self.script = dict(script)
        self.vantage = vantage
        self.runs: Counter[str] = Counter()
        self.deadlines: dict[str, float] = {}
        self.open = 0

    def open_round(self, access: ClusterAccess, *, round: int, ladder_deadline: float) -> ScriptedRound:
        self.open += 1
        return ScriptedRound(self, round)


class ScriptedRound:
    def __init__(self, place: ScriptedVantage, round: int) -> None:
        self._place = place
        self._round = round

    async def run(self, probe: str, params: Json, *, deadline: float) -> AsyncIterator[Finding]:
        self._place.runs[probe] += 1
        self._place.deadlines[probe] = deadline
        async for finding in self._place.script[probe](self._round, params):
            yield finding.model_copy(update={"vantage": self._place.vantage})

    def requests_made(self) -> int:
        return 7

    async def aclose(self) -> None:
        self._place.open -= 1


class KnownCluster:
    """A ``ports.Directory`` that knows every cluster, or fails in the same way each time."""

    def __init__(self, error: Exception | None = None, *, problems: Sequence[str] = ()) -> None:
        self.error = error
        self.asked = 0
        self._problems = tuple(problems)

    async def access(self, cluster: Cluster) -> ClusterAccess:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return ClusterAccess(cluster=cluster, problems=self._problems)


class Later(SystemClock):
    """The clock of a replica that comes this much later."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return super().now() + self._by


class DyingStore:
    """A replica's way to the store, which ends with the replica: as after SIGKILL nothing is renewed and nothing given back."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._dead = False

    def die(self) -> None:
        self._dead = True

    def _alive(self) -> RedisStore:
        if self._dead:
            raise Unavailable("this replica is dead")
        return self._store

    async def open(self, opened: Event, joined: Event, *, ref: Ref, once: bool = False) -> Opening:
        return await self._alive().open(opened, joined, ref=ref, once=once)

    async def append(self, ref: Ref, events: Sequence[Event], *, lease: Lease | None = None) -> int:
        return await self._alive().append(ref, events, lease=lease)

    async def read(self, ref: Ref, *, after: str = "0") -> list[Entry]:
        return await self._alive().read(ref, after=after)

    def follow(self, ref: Ref, *, after: str = "0") -> AsyncIterator[Entry]:
        return self._alive().follow(ref, after=after)

    async def acquire(self, ref: Ref, owner: str) -> Lease | None:
        return await self._alive().acquire(ref, owner)

    async def renew(self, lease: Lease, *, known: str | None = None) -> bool:
        return await self._alive().renew(lease, known=known)

    async def release(self, lease: Lease) -> None:
        await self._alive().release(lease)

    async def active(self) -> list[Ref]:
        return await self._alive().active()

    async def settle(self, lease: Lease) -> None:
        await self._alive().settle(lease)

    async def open_ref(self, cluster: str) -> Ref | None:
        return await self._alive().open_ref(cluster)

    async def bind(self, key: str, ref: Ref | None = None) -> Ref | None:
        return await self._alive().bind(key, ref)

    async def close(self) -> None:
        return


@dataclass(kw_only=True)
class Replica:
    """One process's custodian, running, and the intake beside it."""

    custodian: Custodian
    intake: Intake
    task: asyncio.Task[None]

    async def stop(self) -> None:
        """As SIGTERM does it: everything is given back on the way out."""
        self.task.cancel()
        await asyncio.wait([self.task])


@dataclass(kw_only=True)
class Desk:
    """Everything that replicas of one test share: the store, and the parts that a test may exchange before it starts one."""

    store: RedisStore
    vantage: ScriptedVantage = field(default_factory=lambda: ScriptedVantage(REFUSES))
    directory: Directory = field(default_factory=KnownCluster)
    deliverer: Deliverer = field(default_factory=NoDelivery)
    watch: timedelta = timedelta(hours=1)
    bounds: Bounds = field(default_factory=Bounds)
    library: Library = LIBRARY
    redactor: Redactor = field(default_factory=Redactor)
    extra: tuple[ScriptedVantage, ...] = ()

    @asynccontextmanager
    async def replica(
        self, name: str = "replica-1", *, store: Any = None, clock: Clock | None = None, **custody: Any
    ) -> AsyncGenerator[Replica]:
        used = store or self.store
        clock = clock or SystemClock()
        owner = OwnerServices(
            store=used,
            clock=clock,
            redactor=self.redactor,
            directory=self.directory,
            rounds=RoundServices(
                clock=clock, library=self.library, vantage_points=(self.vantage, *self.extra), bounds=self.bounds
            ),
            watch=self.watch,
        )
        services = CustodianServices(owner=owner, deliverer=self.deliverer, replica=name, scan_every_s=0.1, renew_every_s=0.2)
        custodian = Custodian(replace(services, **custody))
        intake = Intake(store=used, clock=clock, redactor=self.redactor, library=self.library, replica=name, wake=custodian.wake)
        task = asyncio.create_task(custodian.run(), name=name)
        running = Replica(custodian=custodian, intake=intake, task=task)
        try:
            yield running
        finally:
            await running.stop()

    async def reached(self, ref: Ref, goal: Callable[[Investigation], bool]) -> Investigation:
        """The first state in which the goal holds."""
        state: Investigation | None = None
        async with asyncio.timeout(WITHIN_S), aclosing(self.store.follow(ref)) as entries:
            async for entry in entries:
                state = advance(ref, state, entry.event)
                if state is not None and goal(state):
                    return state
        raise AssertionError("the log ended")

    async def events(self, ref: Ref) -> list[Event]:
        return [entry.event for entry in await self.store.read(ref)]

    async def types(self, ref: Ref) -> list[str]:
        return [event.type for event in await self.events(ref)]


async def settled(desk: Desk) -> None:
    """Until nothing is active any more."""
    async with asyncio.timeout(WITHIN_S):
        while await desk.store.active():
            await asyncio.sleep(0.02)


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():
            await asyncio.sleep(0.02)


def request(
    *, playbook: str | None = None, who: str = "ann", cluster: Cluster = CLUSTER, thread: Thread | None = None
) -> Request:
    return Request(cluster=cluster, trigger=Trigger(kind="command-line", who=who), playbook=playbook, thread=thread)
