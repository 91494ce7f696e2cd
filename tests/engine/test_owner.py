"""One owner at a time: what people ask for while it works, and what happens when it dies, is overtaken or loses the store."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.adapters.redis.store import connect
from bot.config import ad_hoc
from bot.engine.intake import MOST_AD_HOC
from bot.engine.rounds import Bounds
from bot.errors import Refused
from bot.model.diagnosis import Verdict
from bot.model.events import Event, EventType
from bot.model.finding import Status
from bot.model.investigation import Investigation, Ref, State
from bot.model.playbook import Selects, Step
from bot.playbook import Library
from bot.ports import Lease, Noted, Opening, OwnLog
from tests.engine.desk import (
    CLUSTER,
    HEALTHY,
    LADDER,
    LIBRARY,
    REFUSED,
    REFUSES,
    Desk,
    DyingStore,
    Later,
    ScriptedVantage,
    after,
    eventually,
    request,
    says,
    settled,
)
from tests.fakes.redis_server import RedisServer, find_redis, redis_server
from tests.require import missing


def concluded(state: Investigation) -> bool:
    return state.state is State.CONCLUDED


def closed(state: Investigation) -> bool:
    return state.state is State.CLOSED


def blocked(gate: asyncio.Event) -> ScriptedVantage:
    """Connects at once; the health check waits for the gate."""
    return ScriptedVantage({**REFUSES, "apiserver-health": after(gate, REFUSES["apiserver-health"])})


def first_step_done(state: Investigation) -> bool:
    step = state.step("tcp")
    return step is not None and step.status is not None


async def test_one_that_is_cancelled_before_it_starts_never_probes(desk: Desk) -> None:
    async with desk.replica() as idle:
        await idle.stop()
        opening = await idle.intake.start(request())
        assert await idle.intake.cancel(opening.ref, who="ann")
    async with desk.replica("replica-2"):
        state = await desk.reached(opening.ref, closed)
        await settled(desk)
    assert state.closed is not None
    assert (state.closed.reason, state.closed.by) == ("cancelled", "ann")
    assert desk.vantage.runs == {}


async def test_a_cancel_request_ends_a_running_round_at_once(desk: Desk) -> None:
    desk.vantage = blocked(asyncio.Event())
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, first_step_done)
        assert await replica.intake.cancel(opening.ref, who="ann")
        state = await desk.reached(opening.ref, closed)
        await settled(desk)
        assert await replica.intake.cancel(opening.ref, who="bob") is Noted.OVER
    assert state.closed is not None
    assert (state.closed.reason, state.closed.by) == ("cancelled", "ann")
    assert state.diagnosis is None
    assert desk.vantage.open == 0


async def test_a_cancel_request_after_the_conclusion_closes(desk: Desk) -> None:
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, concluded)
        await replica.intake.cancel(opening.ref, who="ann")
        state = await desk.reached(opening.ref, closed)
    assert state.closed is not None
    assert state.closed.reason == "cancelled"
    assert state.diagnosis is not None


async def test_whoever_asks_while_one_is_being_cancelled_gets_a_new_one(desk: Desk) -> None:
    async with desk.replica() as idle:
        await idle.stop()
        cancelled = await idle.intake.start(request())
        await idle.intake.cancel(cancelled.ref, who="ann")
        anew = await idle.intake.start(request(who="bob"))
    assert (anew.joined, anew.ref != cancelled.ref) == (False, True)
    async with desk.replica("replica-2"):
        ended = await desk.reached(cancelled.ref, closed)
        await desk.reached(anew.ref, concluded)
        assert await desk.store.open_ref(CLUSTER.name) == anew.ref
    assert ended.joined == ()


async def test_there_is_room_for_so_many_servers_that_are_not_configured_and_always_for_clusters(desk: Desk) -> None:
    async with desk.replica() as idle:
        await idle.stop()
        pasted = [ad_hoc(f"https://10.0.0.{number}:6443") for number in range(MOST_AD_HOC + 1)]
        for cluster in pasted[:-1]:
            await idle.intake.start(request(cluster=cluster))
        with pytest.raises(Refused, match="there is no room for more"):
            await idle.intake.start(request(cluster=pasted[-1]))
        assert (await idle.intake.start(request(cluster=pasted[0], who="bob"))).joined
        assert not (await idle.intake.start(request())).joined


async def test_a_wish_with_a_key_is_one_however_often_it_is_told(desk: Desk) -> None:
    async with desk.replica() as replica:
        wish = request().model_copy(update={"key": "typed-once"})
        opening = await replica.intake.start(wish)
        await desk.reached(opening.ref, concluded)
        assert await replica.intake.rerun(opening.ref, who="ann", key="click-1") is Noted.NEW
        await desk.reached(opening.ref, lambda state: state.round == 2 and concluded(state))
        assert await replica.intake.rerun(opening.ref, who="ann", key="click-1") is Noted.REPEATED
        assert await replica.intake.cancel(opening.ref, who="ann", key="click-2") is Noted.NEW
        await desk.reached(opening.ref, closed)
        await settled(desk)
        assert await replica.intake.cancel(opening.ref, who="ann", key="click-2") is Noted.REPEATED
        again = await replica.intake.start(wish)
        assert (again.repeated, again.ref) == (True, opening.ref)
    assert desk.vantage.runs["tcp-connect"] == 2
    assert await desk.store.open_ref(CLUSTER.name) is None


async def test_a_re_run_is_a_second_round_in_the_same_log(desk: Desk) -> None:
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, concluded)
        assert await replica.intake.rerun(opening.ref, who="ann")
        assert await replica.intake.rerun(opening.ref, who="bob")  # of the same round, so it is the same wish
        state = await desk.reached(opening.ref, lambda state: state.round == 2 and concluded(state))
        await replica.intake.cancel(opening.ref, who="ann")
        state = await desk.reached(opening.ref, closed)
    events = await desk.events(opening.ref)
    reasons = [event.data["reason"] for event in events if event.type == "round-started"]
    assert reasons == ["trigger", "re-run asked for by ann"]
    assert desk.vantage.runs["tcp-connect"] == 2
    assert len({event.id for event in events}) == len(events)
    assert state.diagnosis is not None
    assert state.diagnosis.revision == 1


async def test_nothing_is_re_run_before_there_is_a_result(desk: Desk) -> None:
    gate = asyncio.Event()
    desk.vantage = blocked(gate)
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, first_step_done)
        assert await replica.intake.rerun(opening.ref, who="ann") is Noted.OVER


async def test_a_trigger_during_the_run_only_joins(desk: Desk) -> None:
    gate = asyncio.Event()
    desk.vantage = blocked(gate)
    desk.watch = timedelta(0)
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, first_step_done)
        again = await replica.intake.start(request(who="bob"))
        gate.set()
        state = await desk.reached(opening.ref, closed)
    assert (again.ref, again.joined) == (opening.ref, True)
    assert [trigger.who for trigger in state.joined] == ["bob"]
    assert state.round == 1


async def test_a_trigger_after_the_conclusion_is_the_same_outage_and_a_new_round(desk: Desk) -> None:
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, concluded)
        again = await replica.intake.start(request(who="bob"))
        state = await desk.reached(opening.ref, lambda state: state.round == 2 and concluded(state))
    assert again.ref == opening.ref
    assert not state.joined_since_conclusion


async def test_when_the_watch_is_over_it_is_closed_and_the_cluster_is_free(desk: Desk) -> None:
    desk.watch = timedelta(milliseconds=300)
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        state = await desk.reached(opening.ref, closed)
        await settled(desk)
        again = await replica.intake.start(request())
        await settled(desk)
    assert state.closed is not None
    assert state.closed.reason == "completed"
    assert (again.joined, again.ref == opening.ref) == (False, False)


class JoinedAtTheEnd(DyingStore):
    """Somebody asks between the owner's decision to close and the event that says so; once."""

    def __init__(self, desk: Desk, join: Callable[[], Awaitable[Opening]]) -> None:
        super().__init__(desk.store)
        self._join = join
        self.joined: Opening | None = None

    async def append(self, ref: Ref, events: Sequence[Event], *, lease: Lease | None = None) -> int:
        if self.joined is None and any(event.type == EventType.CLOSED for event in events):
            self.joined = await self._join()
        return await super().append(ref, events, lease=lease)


async def test_whoever_joins_in_the_moment_of_closing_is_looked_for_once_more(desk: Desk) -> None:
    desk.watch = timedelta(milliseconds=300)
    async with desk.replica("other") as other:
        store = JoinedAtTheEnd(desk, lambda: other.intake.start(request(who="bob")))
        async with desk.replica(store=store) as replica:
            await other.stop()
            opening = await replica.intake.start(request())
            state = await desk.reached(opening.ref, closed)
            await settled(desk)
    assert store.joined is not None
    assert (store.joined.ref, store.joined.joined) == (opening.ref, True)
    assert state.round == 2
    assert (await desk.types(opening.ref)).count("closed") == 1


async def test_a_healthy_cluster_is_not_watched(desk: Desk) -> None:
    desk.vantage = ScriptedVantage(HEALTHY)
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        state = await desk.reached(opening.ref, closed)
    assert state.diagnosis is not None
    assert state.diagnosis.verdict is Verdict.HEALTHY
    assert state.closed is not None
    assert state.closed.reason == "completed"


async def test_a_successor_watches_only_for_what_is_left(desk: Desk) -> None:
    """It comes two hours after the conclusion of an investigation that is watched for one."""
    async with desk.replica() as first:
        opening = await first.intake.start(request())
        await desk.reached(opening.ref, concluded)
    async with desk.replica("replica-2", clock=Later(timedelta(hours=2))):
        state = await desk.reached(opening.ref, closed)
    assert state.closed is not None
    assert state.closed.reason == "completed"
    assert (await desk.types(opening.ref)).count("round-started") == 1


async def test_a_successor_finishes_the_playbook_that_was_selected_and_no_other(desk: Desk) -> None:
    """The successor's own library would select another one: the thread lists the steps of the first."""
    desk.vantage = ScriptedVantage({**REFUSES, "apiserver-pods": after(asyncio.Event(), REFUSES["apiserver-pods"])})
    dying = DyingStore(desk.store)
    async with desk.replica("replica-1", store=dying) as first:
        opening = await first.intake.start(request())
        await desk.reached(opening.ref, lambda state: state.playbook is not None)
        dying.die()
        await first.stop()
    renamed = REFUSED.model_copy(update={"id": "newer", "steps": REFUSED.steps[2:]})
    retired = REFUSED.model_copy(update={"selects": Selects()})
    desk.library = Library(playbooks={"triage": LADDER, "newer": renamed, "refused": retired}, causes=LIBRARY.causes)
    desk.vantage = ScriptedVantage(REFUSES)
    async with desk.replica("replica-2"):
        state = await desk.reached(opening.ref, concluded)
    assert state.playbook is not None
    assert state.playbook.playbook == "refused"
    assert [step.plan.id for step in state.steps if step.status is None] == []
    assert desk.vantage.runs["apiserver-pods"] == 1


async def test_after_a_crash_another_replica_finishes_and_repeats_nothing_finished(desk: Desk) -> None:
    desk.watch = timedelta(0)
    desk.vantage = dead = blocked(asyncio.Event())
    dying = DyingStore(desk.store)
    async with desk.replica("replica-1", store=dying) as first:
        opening = await first.intake.start(request())
        before = await desk.reached(opening.ref, first_step_done)
        dying.die()
        await first.stop()
    assert dead.runs == {"tcp-connect": 1, "apiserver-health": 1}
    assert before.ref in await desk.store.active()

    desk.vantage = alive = ScriptedVantage(REFUSES)
    async with desk.replica("replica-2"):
        state = await desk.reached(opening.ref, closed)
        await settled(desk)
    events = await desk.events(opening.ref)
    assert alive.runs["tcp-connect"] == 0
    assert alive.runs["apiserver-health"] == 1
    assert len({event.id for event in events}) == len(events)
    takeovers = [event for event in events if event.type == "owner-changed"]
    assert [(event.data["owner"], event.data["epoch"], event.epoch) for event in takeovers] == [("replica-2", 2, 2)]
    assert [event.epoch for event in events if event.type == "concluded"] == [2]
    assert [event.data["reason"] for event in events if event.type == "round-started"] == ["trigger"]
    assert state.diagnosis is not None
    assert state.diagnosis.causes[0].id == "down"
    assert all(step.status is not None for step in state.steps)


async def test_what_a_dead_owner_had_found_stands_when_its_step_is_repeated(desk: Desk) -> None:
    """The log and the verdict must be about the same facts, though the world may have changed in between."""
    never = asyncio.Event()
    refused = REFUSES["tcp-connect"]

    async def half(round: int, params: object) -> AsyncGenerator[object]:
        async for finding in refused(round, {}):
            yield finding
        await never.wait()

    desk.vantage = ScriptedVantage({**REFUSES, "tcp-connect": half})  # type: ignore[dict-item]
    dying = DyingStore(desk.store)
    async with desk.replica("replica-1", store=dying) as first:
        opening = await first.intake.start(request())
        await desk.reached(opening.ref, lambda state: bool(state.findings) and not first_step_done(state))
        dying.die()
        await first.stop()
    desk.vantage = ScriptedVantage({**HEALTHY, "apiserver-health": REFUSES["apiserver-health"]})
    async with desk.replica("replica-2"):
        state = await desk.reached(opening.ref, concluded)
    step = state.step("tcp")
    assert step is not None
    assert [finding.outcome for finding in step.findings] == ["connection-refused"]
    assert step.status is Status.PROBLEM
    assert state.diagnosis is not None
    assert state.diagnosis.causes[0].id == "down"


async def test_a_successors_step_that_shares_what_the_predecessor_saw_shows_it(desk: Desk) -> None:
    """The log has the finding already, for the ladder's step; the playbook's step must not be left without."""
    never = asyncio.Event()
    again = Step(id="again", title="It still accepts connections", probe="tcp-connect")
    sharing = REFUSED.model_copy(update={"steps": (*REFUSED.steps, again)})
    desk.library = replace(LIBRARY, playbooks={**LIBRARY.playbooks, sharing.id: sharing})
    desk.vantage = ScriptedVantage({**REFUSES, "apiserver-health": after(never, REFUSES["apiserver-health"])})
    dying = DyingStore(desk.store)
    async with desk.replica("replica-1", store=dying) as first:
        opening = await first.intake.start(request())
        await desk.reached(opening.ref, first_step_done)
        dying.die()
        await first.stop()
    desk.vantage = ScriptedVantage(REFUSES)
    async with desk.replica("replica-2"):
        state = await desk.reached(opening.ref, concluded)
    step = state.step("again")
    assert step is not None
    assert step.status is Status.PROBLEM
    assert [finding.outcome for finding in step.findings] == ["connection-refused"]


async def test_a_successor_does_not_wait_for_slow_evidence_and_says_what_it_left_out(desk: Desk) -> None:
    never = asyncio.Event()
    slow = Step(id="slow", title="It takes its time", probe="apiserver-pods")
    patient = REFUSED.model_copy(update={"steps": (*REFUSED.steps, slow)})
    desk.library = replace(LIBRARY, playbooks={**LIBRARY.playbooks, patient.id: patient})
    desk.vantage = ScriptedVantage({**REFUSES, "apiserver-pods": after(never, REFUSES["tcp-connect"])})
    desk.bounds = Bounds(settle_s=0.1, resumed_s=0.3, round_s=3600.0)
    dying = DyingStore(desk.store)
    async with desk.replica("replica-1", store=dying) as first:
        opening = await first.intake.start(request())
        await desk.reached(opening.ref, first_step_done)
        dying.die()
        await first.stop()
    async with desk.replica("replica-2"):
        state = await desk.reached(opening.ref, concluded)
    step = state.step("slow")
    assert step is not None
    assert step.status is Status.NOT_CHECKED
    assert state.diagnosis is not None
    assert state.diagnosis.causes[0].id == "down"


async def test_an_overtaken_owner_stops_without_a_word(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    gate = asyncio.Event()
    desk.vantage = slow = blocked(gate)
    with capture_logs() as logged:
        # It renews too late: its lease runs out in the middle of the round.
        async with desk.replica("replica-1", renew_every_s=60.0, scan_every_s=60.0) as first:
            opening = await first.intake.start(request())
            await desk.reached(opening.ref, first_step_done)
            desk.vantage = ScriptedVantage(REFUSES)
            async with desk.replica("replica-2"):
                state = await desk.reached(opening.ref, concluded)
                gate.set()
                await eventually(lambda: not first.custodian.owned)
                assert slow.open == 0
        gc.collect()
        await asyncio.sleep(0)
    by_epoch = {event.epoch for event in await desk.events(opening.ref) if event.type == "step-finished"}
    assert by_epoch == {1, 2}
    assert state.round == 1
    assert {entry["event"] for entry in logged} == {"overtaken"}
    assert caplog.records == []


async def test_a_lease_that_cannot_be_renewed_any_more_ends_the_work(desk: Desk) -> None:
    """Nobody writes, so only the renewal can notice."""
    desk.vantage = blocked(asyncio.Event())
    async with desk.replica("replica-1") as first:
        opening = await first.intake.start(request())
        await desk.reached(opening.ref, first_step_done)
        with capture_logs() as logged:
            stolen = await _steal(desk, opening.ref)
            await eventually(lambda: "overtaken" in {entry["event"] for entry in logged})
            assert desk.vantage.open == 0
        await first.stop()
        await desk.store.release(stolen)


async def _steal(desk: Desk, ref: Ref) -> Lease:
    """Takes the lease as soon as its owner is late: its name is its only proof, so the same name takes it at once."""
    lease = await desk.store.acquire(ref, "replica-1")
    assert lease is not None
    return lease


async def test_a_replica_that_is_told_to_stop_gives_its_leases_back_at_once(store_url: str) -> None:
    store = connect(store_url, lease_s=600.0)
    desk = Desk(store=store, vantage=blocked(asyncio.Event()))
    async with desk.replica("replica-1") as first:
        opening = await first.intake.start(request())
        await desk.reached(opening.ref, first_step_done)
        await first.stop()
    assert desk.vantage.open == 0
    lease = await store.acquire(opening.ref, "replica-2")
    assert lease is not None
    assert lease.epoch == 2
    await store.close()


async def test_every_replica_finds_the_work_by_itself(desk: Desk) -> None:
    async with desk.replica("replica-1") as idle:
        await idle.stop()
        async with desk.replica("replica-2"):
            opening = await idle.intake.start(request())
            await desk.reached(opening.ref, concluded)


async def test_a_defect_in_delivery_leaves_the_investigation_alone_for_a_while(desk: Desk) -> None:
    class Broken:
        tries = 0

        async def deliver(self, lease: Lease, log: OwnLog) -> None:
            Broken.tries += 1
            raise RuntimeError("a defect")

    desk.deliverer = Broken()
    with capture_logs() as logged:
        async with desk.replica(scan_every_s=0.02) as replica:
            opening = await replica.intake.start(request())
            await eventually(lambda: Broken.tries == 1)
            other = Ref(cluster="other", id=opening.ref.id)
            for _ in range(20):  # so many scans go by
                replica.custodian.wake(other)
                await asyncio.sleep(0.02)
            assert opening.ref in replica.custodian.owned
    assert Broken.tries == 1
    assert [entry["event"] for entry in logged if entry["log_level"] == "error"] == ["investigation-failed"]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncGenerator[RedisServer]:
    binary = find_redis()
    if binary is None:
        missing("redis", "there is no redis-server on PATH")
    with redis_server(tmp_path, binary=binary) as running:
        yield running


@pytest.mark.parametrize("how", ["freeze", "kill"])
async def test_a_store_that_is_away_for_a_moment_is_waited_for(server: RedisServer, how: str) -> None:
    gate = asyncio.Event()
    store = connect(server.url, lease_s=1.0, patience_s=0.5)
    desk = Desk(store=store, vantage=blocked(gate), watch=timedelta(0))
    with capture_logs() as logged:
        async with desk.replica() as replica:
            opening = await replica.intake.start(request())
            await desk.reached(opening.ref, first_step_done)
            server.freeze() if how == "freeze" else server.kill()
            await eventually(lambda: any(entry["event"] in ("log-held", "store-unavailable") for entry in logged))
            assert not replica.task.done()
            gate.set()
            if how == "freeze":
                server.process.send_signal(signal.SIGCONT)
            else:
                await asyncio.to_thread(server.restart)
            state = await desk.reached(opening.ref, closed)
            await settled(desk)
    assert state.diagnosis is not None
    assert state.diagnosis.causes[0].id == "down"
    assert desk.vantage.runs["tcp-connect"] == 1
    events = await desk.events(opening.ref)
    assert len({event.id for event in events}) == len(events)
    # Nobody needs more than to be told that it is away, and that it is back.
    assert {entry["event"] for entry in logged} <= {"store-unavailable", "store-back", "log-held", "log-appended"}
    assert logged
    await store.close()


async def test_a_replica_starts_while_its_store_is_down(server: RedisServer) -> None:
    server.kill()
    store = connect(server.url, lease_s=1.0, patience_s=0.5)
    desk = Desk(store=store)
    with capture_logs() as logged:
        async with desk.replica() as replica:
            await eventually(lambda: bool(logged))
            await asyncio.to_thread(server.restart)
            opening = await replica.intake.start(request())
            await desk.reached(opening.ref, concluded)
    await store.close()


async def test_one_investigation_never_waits_for_another(desk: Desk) -> None:
    gate = asyncio.Event()
    desk.vantage = blocked(gate)
    async with desk.replica() as replica:
        stuck = await replica.intake.start(request())
        await desk.reached(stuck.ref, first_step_done)
        desk.vantage.script["apiserver-health"] = says("apiserver-health", Status.NOT_APPLICABLE, "not-reached")
        other = await replica.intake.start(request(cluster=CLUSTER.model_copy(update={"name": "staging"})))
        await desk.reached(other.ref, concluded)
        current = await replica.intake.current()
        assert [state.ref for state in current] == [other.ref, stuck.ref]
        assert replica.custodian.owned == {stuck.ref, other.ref}
