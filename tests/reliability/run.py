"""One run: a store, a Slack, two replicas as processes, a command that is typed, and whatever the plan does to them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from bot.adapters.redis.store import RedisStore, connect
from bot.adapters.valkey import embedded
from bot.demo.scenarios import SCENARIOS, Rehearsal, rehearse
from bot.model.events import Event, EventType
from bot.model.investigation import Investigation, Ref
from bot.model.replay import replay
from tests.fakes.redis_server import free_port
from tests.fakes.slack import FakeSlack, Message
from tests.reliability.plan import ANY_TIME, FROZEN, SOCKET_FAULTS, TERM, End, Plan, Trouble

CLUSTER = "demo"
WATCH_S = 1.0
SLACK_TIMEOUT_S = 2.0
"""How long a replica waits for Slack here; ten seconds in production."""
SLOW_S = 2.6
_START_S = 60.0
_WHOLE_S = 75.0
_HEARD_S = 5.0
_LONGER_S = 0.8
_SIGNALS = {TERM: signal.SIGTERM, ANY_TIME: signal.SIGKILL, FROZEN: signal.SIGSTOP}


@dataclass(kw_only=True)
class Seen:
    """What a run left behind. Times are seconds of the monotonic clock, which all processes of a machine share."""

    plan: Plan
    typed_at: float = 0.0
    typed: int = 0
    ended: list[tuple[str, float, str]] = field(default_factory=list)
    """Each end that came: its point, when, and the replica."""
    events: list[Event] = field(default_factory=list)
    state: Investigation | None = None
    roots: list[Message] = field(default_factory=list)
    thread: list[Message] = field(default_factory=list)
    active: list[Ref] = field(default_factory=list)
    investigations: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    exits: dict[str, int] = field(default_factory=dict)
    wall_at_typed: float = 0.0

    def moment(self, event: Event) -> float:
        """When an event was made, by the clock of everything else here."""
        return event.at.timestamp() - self.wall_at_typed + self.typed_at


@dataclass
class Member:
    """A replica's process."""

    name: str
    process: asyncio.subprocess.Process
    log: BinaryIO
    health_port: int

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    async def is_ready(self) -> bool:
        """As an orchestrator would ask."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.health_port)
            writer.write(b"GET /readyz HTTP/1.0\r\n\r\n")
            status = await reader.readline()
            writer.close()
        except OSError:
            return False
        return b" 200 " in status


class World:
    """Everything that one run needs; nothing of it is left afterwards."""

    def __init__(self, plan: Plan, folder: Path, slack: FakeSlack, store_url: str, store: RedisStore, target: Rehearsal) -> None:
        self.plan = plan
        self.folder = folder
        self.slack = slack
        self.store = store
        self.store_url = store_url
        self.members: list[Member] = []
        self.seen = Seen(plan=plan)
        self._heard = asyncio.Event()
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(target.kubeconfig)
        document = {
            "clusters": {CLUSTER: {"kubeconfig": str(kubeconfig)}},
            "channels": {slack.incidents: {"cluster": CLUSTER}},
            "controls": [f"127.0.0.1:{target.control_port}"],
        }
        (folder / "apidown.yaml").write_text(json.dumps(document))

    @property
    def deaths(self) -> list[tuple[End, Path]]:
        return [(end, self.folder / f"death-{number}") for number, end in enumerate(self.plan.ends)]

    # Replicas

    async def start_replica(self) -> None:
        name, port = f"replica-{len(self.members) + 1}", free_port()
        order = {
            "deaths": [
                {
                    "point": end.point,
                    "nth": end.nth,
                    "note": str(note),
                    "after": [str(before) for _, before in self.deaths[:number]],
                }
                for number, (end, note) in enumerate(self.deaths)
                if end.point not in _SIGNALS
            ],
            "watch_s": WATCH_S,
            "timeout_s": SLACK_TIMEOUT_S,
            "lease_s": self.plan.durations.lease_s,
            "renew_every_s": self.plan.durations.renew_every_s,
            "scan_every_s": self.plan.durations.scan_every_s,
        }
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "APIDOWN_SLACK_BASE_URL": self.slack.base_url,
            "APIDOWN_CONFIG": str(self.folder / "apidown.yaml"),
            "APIDOWN_REDIS_URL": self.store_url,
            "APIDOWN_STATE_DIR": str(self.folder / "state"),
            "APIDOWN_HEALTH_HOST": "127.0.0.1",
            "APIDOWN_HEALTH_PORT": str(port),
            "APIDOWN_LOG_FORMAT": "text",
            "APIDOWN_REPLICA": name,
        }
        log = (self.folder / f"{name}.log").open("wb")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.reliability.replica", json.dumps(order), env=environment, stdout=log, stderr=log
        )
        self.members.append(Member(name, process, log, port))

    def member(self, name: str) -> Member | None:
        return next((member for member in self.members if member.name == name), None)

    async def ready(self) -> None:
        for member in self.members:

            async def settled(member: Member = member) -> bool:
                return not member.alive or await member.is_ready()

            await self.slack.wait_for(settled, _START_S, "a replica is ready")
            assert member.alive, f"it ended while it started:\n{_tail(self.folder / f'{member.name}.log', 5)}"

    async def close(self) -> None:
        for member in self.members:
            if member.alive:
                member.process.kill()
        for member in self.members:
            self.seen.exits[member.name] = await member.process.wait()
            member.log.close()

    # The run

    async def go(self) -> None:
        await self.start_replica()
        await self.start_replica()
        await self.ready()
        async with asyncio.timeout(_WHOLE_S):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._type())
                for trouble in self.plan.troubles:
                    tasks.create_task(self._trouble(trouble))
                ending = tasks.create_task(self._end_replicas())
                await self._until_over()
                ending.cancel()

    async def _type(self) -> None:
        self.seen.typed_at, self.seen.wall_at_typed = time.monotonic(), time.time()
        self.seen.typed += 1
        ack = await self.slack.slash(self.slack.ann, self.slack.incidents)
        # A replica that dies within the same milliseconds takes the acknowledgement with it; Slack says so to whoever asked.
        self._heard.set()
        if ack.error is not None and not self.seen.ended:
            self.seen.complaints.append(f"the command was not acknowledged: {ack.error}")

    async def _trouble(self, trouble: Trouble) -> None:
        await self._heard.wait()
        await asyncio.sleep(trouble.after_s)
        if trouble.kind == "drop_sockets":
            self.slack.drop_sockets()
        elif trouble.kind == "refresh":
            with contextlib.suppress(ConnectionError):  # one that is closing already
                await self.slack.disconnect()
        else:
            self.slack.fail(trouble.method, trouble.kind, times=trouble.times, delay=SLOW_S)

    async def _end_replicas(self) -> None:
        """Each end in its turn; what ends by itself is waited for."""
        for number, (end, note) in enumerate(self.deaths):
            if number:
                await self.start_replica()
            if end.point in _SIGNALS:
                await self._heard.wait()
                await asyncio.sleep(end.after_s)
                await self._end_owner(end, note)
                continue
            await self.slack.wait_for(note.exists, _WHOLE_S, "a replica dies")
            victim = await self.slack.wait_for(self._fallen, 10, "the replica that died is gone")
            self.seen.ended.append((end.point, float(note.read_text()), victim.name))

    def _fallen(self) -> Member | None:
        known = {name for _, _, name in self.seen.ended}
        return next((member for member in self.members if not member.alive and member.name not in known), None)

    async def _end_owner(self, end: End, note: Path) -> None:
        """Whoever wrote last as an owner; whoever heard the command, when nobody owns anything yet."""
        events = await self._events()
        last = next((event.by for event in reversed(events) if event.epoch), events[0].by if events else "replica-1")
        victim = self.member(last)
        if victim is None or not victim.alive:
            note.touch()  # nobody is left to end; the ends after this one come all the same
            return
        victim.process.send_signal(_SIGNALS[end.point])
        self.seen.ended.append((end.point, time.monotonic(), victim.name))
        note.write_text(str(time.monotonic()))
        if end.point == FROZEN:
            await asyncio.sleep(self.plan.durations.lease_s + _LONGER_S)
            victim.process.send_signal(signal.SIGCONT)

    async def _events(self) -> list[Event]:
        refs = await self._refs()
        return [entry.event for entry in await self.store.read(refs[-1])] if refs else []

    async def _refs(self) -> list[Ref]:
        """Every investigation that the store knows, closed ones included: this run has one cluster."""
        names = await self.store._link.run("apidown", ("KEYS", "*:log"))
        return [Ref(cluster=CLUSTER, id=name.rsplit(":", 2)[-2]) for name in sorted(names)]

    async def _until_over(self) -> None:
        """Until the investigation is closed and off the active set. A command that died with the replica that had
        acknowledged it, before anything was written, is typed again, as a person would; that is counted."""
        while True:
            events = await self._events()
            if not events and self.seen.ended and time.monotonic() - self.seen.typed_at > _HEARD_S:
                await self._type()
            if any(event.type == EventType.CLOSED for event in events) and not await self.store.active():
                return
            await asyncio.sleep(0.05)

    async def look(self) -> Seen:
        """Reads everything back, whatever state it is in."""
        seen = self.seen
        refs = await self._refs()
        seen.investigations = len(refs)
        if refs:
            seen.events = [entry.event for entry in await self.store.read(refs[-1])]
            seen.state = replay(refs[-1], seen.events)
        seen.active = await self.store.active()
        seen.roots = self.slack.roots(self.slack.incidents)
        seen.thread = self.slack.thread(self.slack.incidents, seen.roots[0].ts) if seen.roots else []
        for call in self.slack.calls:
            if call.fault:
                name = f"{call.fault} on {call.method}"
                seen.faults[name] = seen.faults.get(name, 0) + 1
        for trouble in self.plan.troubles:
            if trouble.kind in SOCKET_FAULTS:
                seen.faults[trouble.name] = seen.faults.get(trouble.name, 0) + 1
        try:
            self.slack.assert_clean()
        except AssertionError as error:
            seen.complaints.append(str(error))
        return seen


async def run(plan: Plan, targets: Mapping[str, Rehearsal]) -> tuple[Seen, str]:
    """What the run left behind, and the ends of the replicas' logs for whoever looks into a failure."""
    with tempfile.TemporaryDirectory(prefix="apidown-run-") as name:
        folder = Path(name)
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(embedded(folder / "store"))
            slack = await stack.enter_async_context(FakeSlack(tier_burst=4))
            store = connect(url)
            stack.push_async_callback(store.close)
            world = World(plan, folder, slack, url, store, targets[plan.scenario])
            try:
                await world.go()
            except* Exception as group:
                world.seen.complaints.append(f"the run did not end: {group.exceptions[0]!r}")
            finally:
                await world.close()
            seen = await world.look()
            return seen, "\n".join(_tail(folder / f"{member.name}.log") for member in world.members)


def _tail(log: Path, lines: int = 40) -> str:
    return f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


@asynccontextmanager
async def targets() -> AsyncGenerator[Mapping[str, Rehearsal]]:
    """The clusters that are looked at, each with its fault, on loopback; shared by all runs."""
    async with AsyncExitStack() as stack:
        wanted = ("refused", "etcd-failing", "healthy", "tls-silent")
        yield {name: await stack.enter_async_context(rehearse(SCENARIOS[name])) for name in wanted}
