"""What the store promises, on real servers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bot.adapters.redis import keys
from bot.adapters.redis.store import HEARD_S, KEEP_S, SEEN_S, RedisStore, connect
from bot.errors import ConfigError, Conflict, LeaseLost, Unavailable, UsageError
from bot.model.events import MAX_BYTES, VERSION, Event, EventType
from bot.model.investigation import Ref
from bot.ports import Entry, Lease, Store
from tests.fakes.redis_server import RedisServer, find_redis, redis_server

REF = Ref(cluster="prod", id="20261120-k7f3")
OTHER = Ref(cluster="prod", id="20261120-m2x9")


def event(type: EventType, id: str = "", **data: object) -> Event:
    return Event(
        id=id or type.value, type=type.value, round=1, at=datetime(2026, 11, 20, 14, 3, tzinfo=UTC), by="replica", data=data
    )


def joined(who: str) -> Event:
    return event(EventType.TRIGGER_JOINED, f"trigger-joined/{who}")


async def opened(store: Store, ref: Ref = REF) -> Ref:
    return (await store.open(event(EventType.OPENED), joined("first"), ref=ref)).ref


async def owned(store: Store, ref: Ref = REF, owner: str = "a") -> Lease:
    await opened(store, ref)
    lease = await store.acquire(ref, owner)
    assert lease is not None
    return lease


async def types(store: Store, ref: Ref = REF) -> list[str]:
    return [entry.event.type for entry in await store.read(ref)]


@pytest.fixture
async def raw(store_url: str) -> AsyncGenerator[Redis]:
    async with Redis.from_url(store_url, decode_responses=True, client_name="raw") as client:
        yield client


async def take_over(store: Store, owner: str, ref: Ref = REF) -> Lease:
    """The lease as soon as it runs out."""
    async with asyncio.timeout(20):
        while (lease := await store.acquire(ref, owner)) is None:
            await asyncio.sleep(0.02)
    return lease


# Opening and joining


async def test_the_first_one_opens_and_the_second_one_joins(store: RedisStore, other: RedisStore) -> None:
    first = await store.open(event(EventType.OPENED), joined("ann"), ref=REF)
    second = await other.open(event(EventType.OPENED), joined("bob"), ref=OTHER)
    assert (first.ref, first.joined) == (REF, False)
    assert (second.ref, second.joined) == (REF, True)
    assert [entry.event.id for entry in await store.read(REF)] == ["opened", "trigger-joined/bob"]
    assert await store.read(OTHER) == []


async def test_of_many_who_open_at_once_exactly_one_opens(store: RedisStore, other: RedisStore) -> None:
    refs = [Ref(cluster="prod", id=f"20261120-{n:04}") for n in range(20)]
    openings = await asyncio.gather(
        *((store, other)[n % 2].open(event(EventType.OPENED), joined(str(n)), ref=ref) for n, ref in enumerate(refs))
    )
    assert [opening.joined for opening in openings].count(False) == 1
    assert len({opening.ref.id for opening in openings}) == 1
    assert len(await store.read(openings[0].ref)) == 20


async def test_opening_again_after_an_unanswered_try_is_not_joining(store: RedisStore) -> None:
    await opened(store)
    again = await store.open(event(EventType.OPENED), joined("first"), ref=REF)
    assert not again.joined
    assert await types(store) == ["opened"]


async def test_a_trigger_that_is_heard_once_does_nothing_again_whatever_became_of_it(
    store: RedisStore, other: RedisStore
) -> None:
    first = await store.open(event(EventType.OPENED), joined("alert"), ref=REF, once=True)
    again = await other.open(event(EventType.OPENED), joined("alert"), ref=OTHER, once=True)
    assert (first.repeated, again.repeated, again.ref) == (False, True, REF)
    assert await types(store) == ["opened"]
    joins = await store.open(event(EventType.OPENED), joined("another"), ref=OTHER, once=True)
    assert (joins.joined, joins.repeated, joins.ref) == (True, False, REF)
    lease = await store.acquire(REF, "one")
    assert lease is not None
    await store.append(REF, [event(EventType.CLOSED)], lease=lease)
    for trigger in ("alert", "another"):
        late = await other.open(event(EventType.OPENED), joined(trigger), ref=OTHER, once=True)
        assert (late.repeated, late.ref) == (True, REF)
    assert await store.open_ref("prod") is None
    assert not (await store.open(event(EventType.OPENED), joined("new"), ref=OTHER, once=True)).joined


async def test_what_was_heard_is_remembered_from_when_it_was_heard_last_and_not_for_ever(store: RedisStore, raw: Redis) -> None:
    await store.open(event(EventType.OPENED), joined("alert"), ref=REF, once=True)
    key = keys.heard("prod", "trigger-joined/alert")
    assert 0 < await raw.ttl(key) <= HEARD_S
    await raw.expire(key, 60)
    await store.open(event(EventType.OPENED), joined("alert"), ref=OTHER, once=True)
    assert await raw.ttl(key) > 60


async def test_a_trigger_whose_investigation_is_lost_is_heard_anew(store: RedisStore, raw: Redis) -> None:
    await store.open(event(EventType.OPENED), joined("alert"), ref=REF, once=True)
    await raw.delete(keys.log(REF))
    anew = await store.open(event(EventType.OPENED), joined("alert"), ref=OTHER, once=True)
    assert (anew.ref, anew.joined, anew.repeated) == (OTHER, False, False)


async def test_a_trigger_that_could_not_open_is_not_taken_for_heard(store: RedisStore) -> None:
    lease = await owned(store)
    await store.append(REF, [event(EventType.CLOSED)], lease=lease)
    with pytest.raises(Conflict, match="exists already"):
        await store.open(event(EventType.OPENED), joined("alert"), ref=REF, once=True)
    assert not (await store.open(event(EventType.OPENED), joined("alert"), ref=OTHER, once=True)).repeated


async def test_what_a_wish_is_about_is_decided_once_and_forgotten_later(store: RedisStore, other: RedisStore, raw: Redis) -> None:
    assert await store.bind("wish") is None
    assert await store.bind("wish", REF) == REF
    assert await other.bind("wish", Ref(cluster="a/b", id="20261120-zzzz")) == REF
    assert await other.bind("wish") == REF
    assert await other.bind("another", Ref(cluster="a/b", id="20261120-zzzz")) == Ref(cluster="a/b", id="20261120-zzzz")
    assert 0 < await raw.ttl(keys.seen("wish")) <= SEEN_S


async def test_a_wish_to_cancel_frees_the_cluster_at_once_and_for_good(store: RedisStore, other: RedisStore) -> None:
    lease = await owned(store)
    await other.append(REF, [event(EventType.CANCEL_REQUESTED)])
    assert await store.open_ref("prod") is None
    await store.renew(lease)
    following = await other.open(event(EventType.OPENED), joined("bob"), ref=OTHER)
    assert (following.ref, following.joined) == (OTHER, False)
    assert sorted(await store.active(), key=str) == sorted([REF, OTHER], key=str)
    await store.append(REF, [event(EventType.CLOSED)], lease=lease)
    await store.settle(lease)
    assert await store.open_ref("prod") == OTHER
    assert await store.active() == [OTHER]


async def test_an_id_is_used_once(store: RedisStore) -> None:
    lease = await owned(store)
    await store.append(REF, [event(EventType.CLOSED)], lease=lease)
    with pytest.raises(Conflict, match="exists already"):
        await opened(store)
    assert await store.open_ref("prod") is None


async def test_clusters_do_not_share_their_open_investigation(store: RedisStore) -> None:
    await opened(store)
    opening = await store.open(event(EventType.OPENED), joined("bob"), ref=Ref(cluster="staging", id=REF.id))
    assert not opening.joined
    assert await store.open_ref("prod") == REF
    assert await store.open_ref("staging") == Ref(cluster="staging", id=REF.id)
    assert await store.open_ref("elsewhere") is None


async def test_a_log_that_was_deleted_by_hand_does_not_block_its_cluster(store: RedisStore, raw: Redis) -> None:
    await opened(store)
    await raw.delete(keys.log(REF))
    opening = await store.open(event(EventType.OPENED), joined("bob"), ref=OTHER)
    assert (opening.ref, opening.joined) == (OTHER, False)
    assert await store.active() == [OTHER]


async def test_only_opened_opens_and_only_intake_joins(store: RedisStore) -> None:
    with pytest.raises(ValueError, match="cannot open"):
        await store.open(joined("ann"), joined("ann"), ref=REF)
    with pytest.raises(ValueError, match="join"):
        await store.open(event(EventType.OPENED), event(EventType.CLOSED), ref=REF)


@pytest.mark.parametrize("cluster", ["", "a{b", "a}b", "a b", "a*", "-a", "a\n", "ä", "a" * 201])
async def test_a_name_that_would_break_a_key_is_refused(store: RedisStore, cluster: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a cluster"):
        await opened(store, Ref(cluster=cluster, id=REF.id))


async def test_an_id_that_would_break_a_key_is_refused(store: RedisStore) -> None:
    with pytest.raises(UsageError, match="not the id of an investigation"):
        await store.read(Ref(cluster="prod", id="a:log"))


async def test_names_as_clouds_write_them_are_fine(store: RedisStore) -> None:
    ref = Ref(cluster="arn:aws:eks:eu-west-1:1:cluster/prod", id=REF.id)
    await opened(store, ref)
    assert await store.active() == [ref]


# Appending and reading


async def test_appending_the_same_event_twice_is_a_no_op(store: RedisStore) -> None:
    lease = await owned(store)
    events = [event(EventType.STEP_STARTED, "step-started/1/a"), event(EventType.STEP_STARTED, "step-started/1/b")]
    assert await store.append(REF, events, lease=lease) == 2
    assert await store.append(REF, [*events, event(EventType.STEP_FINISHED)], lease=lease) == 1
    assert await types(store) == ["opened", "step-started", "step-started", "step-finished"]


async def test_an_event_comes_back_as_it_was_written(store: RedisStore) -> None:
    lease = await owned(store)
    written = event(EventType.FINDING_RECORDED, sentence="späte Antwort\n\u2028 'x'", empty=[], number=1.5, nothing=None)
    await store.append(REF, [written], lease=lease)
    assert (await store.read(REF))[-1].event == written


async def test_intake_needs_no_lease_and_nothing_else_does_without(store: RedisStore, other: RedisStore) -> None:
    await owned(store)
    assert await other.append(REF, [event(EventType.CANCEL_REQUESTED)]) == 1
    with pytest.raises(ValueError, match="only an owner appends concluded"):
        await other.append(REF, [event(EventType.CANCEL_REQUESTED, "again"), event(EventType.CONCLUDED)])
    assert await types(store) == ["opened", "cancel-requested"]


async def test_intake_for_an_investigation_that_is_not_there_is_refused(store: RedisStore, raw: Redis) -> None:
    with pytest.raises(UsageError, match="there is no investigation prod/20261120-k7f3"):
        await store.append(REF, [event(EventType.FEEDBACK_GIVEN)])
    assert await raw.keys("*inv*") == []


async def test_a_lease_is_good_for_its_own_investigation_only(store: RedisStore) -> None:
    lease = await owned(store)
    with pytest.raises(ValueError, match="does not allow"):
        await store.append(OTHER, [event(EventType.CLOSED)], lease=lease)


async def test_an_event_over_16_kib_is_refused_and_one_of_16_kib_is_not(store: RedisStore) -> None:
    lease = await owned(store)
    room = MAX_BYTES - len(event(EventType.DIAGNOSED, text="").model_dump_json())
    await store.append(REF, [event(EventType.DIAGNOSED, text="x" * room)], lease=lease)
    with pytest.raises(ValueError, match="has 16385 bytes"):
        await store.append(REF, [event(EventType.DIAGNOSED, "b" * 9, text="x" * (room + 1))], lease=lease)
    assert (await types(store)).count("diagnosed") == 1


async def test_a_long_log_is_read_whole_and_in_order(store: RedisStore) -> None:
    lease = await owned(store)
    await store.append(REF, [event(EventType.STEP_STARTED, f"s/{n}") for n in range(450)], lease=lease)
    entries = await store.read(REF)
    assert [entry.event.id for entry in entries[1:]] == [f"s/{n}" for n in range(450)]
    assert await store.read(REF, after=entries[399].position) == entries[400:]


async def test_a_position_is_a_position(store: RedisStore) -> None:
    with pytest.raises(ValueError, match="not a position"):
        await store.read(REF, after="$")


async def test_a_newer_envelope_is_read_as_far_as_it_is_known(store: RedisStore, raw: Redis) -> None:
    await opened(store)
    await raw.xadd(
        keys.log(REF), {"event": '{"v":9,"id":"x","type":"sung","round":1,"at":"2026-11-20T14:03:00Z","by":"b","tune":"c"}'}
    )
    await raw.xadd(keys.log(REF), {"event": "not an event"})
    await raw.xadd(keys.log(REF), {"event": "[]"})
    await store.append(REF, [event(EventType.CANCEL_REQUESTED)])
    assert await types(store) == ["opened", "sung", "cancel-requested"]


async def test_a_log_of_a_newer_version_is_not_taken(store: RedisStore) -> None:
    await opened(store)
    await store.append(REF, [event(EventType.CANCEL_REQUESTED).model_copy(update={"v": VERSION + 1})])
    assert await store.acquire(REF, "a") is None


# Leases


async def test_a_held_lease_is_given_to_nobody_else(store: RedisStore, other: RedisStore) -> None:
    lease = await owned(store)
    assert lease.epoch == 1
    assert await other.acquire(REF, "b") is None
    assert await store.acquire(OTHER, "a") is None


async def test_of_many_who_take_a_lease_at_once_exactly_one_gets_it(store: RedisStore, other: RedisStore) -> None:
    await opened(store)
    leases = await asyncio.gather(*((store, other)[n % 2].acquire(REF, f"owner-{n}") for n in range(20)))
    assert sum(lease is not None for lease in leases) == 1


async def test_after_a_takeover_the_old_owner_is_refused_everywhere(store_url: str, other: RedisStore) -> None:
    short = connect(store_url, lease_s=0.05)
    old = await owned(short)
    new = await take_over(other, "b")
    assert new.epoch == old.epoch + 1
    for write in (
        short.append(REF, [event(EventType.CONCLUDED)], lease=old),
        short.renew(old),
        short.settle(old),
    ):
        with pytest.raises(LeaseLost, match="another replica took over"):
            await write
    await short.release(old)  # is nobody's to give back
    assert await short.acquire(REF, "c") is None
    assert await other.append(REF, [event(EventType.CONCLUDED)], lease=new) == 1
    await short.close()


async def test_a_lease_that_ran_out_and_that_nobody_took_still_writes_and_renews(
    store_url: str, other: RedisStore, raw: Redis
) -> None:
    short = connect(store_url, lease_s=0.05)
    lease = await owned(short)
    async with asyncio.timeout(10):
        while await raw.exists(keys.lease(REF)):
            await asyncio.sleep(0.01)
    assert await short.append(REF, [event(EventType.CONCLUDED)], lease=lease) == 1
    patient = connect(store_url)
    await patient.renew(lease)
    assert await other.acquire(REF, "b") is None
    await short.close()
    await patient.close()


async def test_renewing_makes_the_lease_last(store: RedisStore, raw: Redis) -> None:
    lease = await owned(store)
    assert 9_000 < await raw.pttl(keys.lease(REF)) <= 10_000
    await raw.pexpire(keys.lease(REF), 3_000)
    await store.renew(lease)
    assert await raw.pttl(keys.lease(REF)) > 9_000


async def test_a_lease_given_back_is_free_at_once_and_writes_no_more(store: RedisStore, other: RedisStore) -> None:
    lease = await owned(store)
    await store.release(lease)
    with pytest.raises(LeaseLost):
        await store.append(REF, [event(EventType.CONCLUDED)], lease=lease)
    with pytest.raises(LeaseLost):
        await store.renew(lease)
    taken = await other.acquire(REF, "b")
    assert taken is not None
    assert taken.epoch == 2


async def test_an_owner_who_asks_again_gets_a_new_epoch_and_the_old_lease_is_void(store: RedisStore) -> None:
    lease = await owned(store)
    again = await store.acquire(REF, "a")
    assert again is not None
    assert again.epoch == 2
    with pytest.raises(LeaseLost):
        await store.renew(lease)


async def test_the_same_epoch_of_another_owner_is_refused(store: RedisStore) -> None:
    lease = await owned(store)
    with pytest.raises(LeaseLost):
        await store.append(REF, [event(EventType.CONCLUDED)], lease=lease.model_copy(update={"owner": "b"}))


async def test_after_the_store_lost_its_data_the_newest_owner_goes_on(store: RedisStore, other: RedisStore, raw: Redis) -> None:
    lease = await owned(store)
    await raw.flushall()
    await store.append(REF, [event(EventType.OPENED), event(EventType.CONCLUDED)], lease=lease)
    await store.renew(lease)
    assert await other.acquire(REF, "b") is None
    assert await store.open_ref("prod") == REF
    assert await raw.smembers(keys.active("prod")) == {REF.id}
    assert await other.active() == [REF]


# Closing


async def test_closing_frees_the_cluster_while_the_end_is_still_delivered(store: RedisStore) -> None:
    lease = await owned(store)
    await store.append(REF, [event(EventType.CLOSED)], lease=lease)
    assert await store.open_ref("prod") is None
    opening = await store.open(event(EventType.OPENED), joined("bob"), ref=OTHER)
    assert (opening.ref, opening.joined) == (OTHER, False)
    assert await store.active() == [REF, OTHER]


async def test_settling_takes_it_off_the_list_and_keeps_the_log_for_a_month(store: RedisStore, raw: Redis) -> None:
    lease = await owned(store)
    await store.append(REF, [event(EventType.CLOSED)], lease=lease)
    await opened(store, OTHER)
    await store.settle(lease)
    await store.settle(lease)  # an unanswered try is repeated
    assert await store.active() == [OTHER]
    assert await store.open_ref("prod") == OTHER
    for key in (keys.log(REF), keys.ids(REF), keys.epoch(REF)):
        assert KEEP_S - 60 < await raw.ttl(key) <= KEEP_S
    await store.append(REF, [event(EventType.FEEDBACK_GIVEN)])
    assert await types(store) == ["opened", "closed", "feedback-given"]
    assert await raw.ttl(keys.log(REF)) > 0


async def test_nothing_is_settled_before_it_is_closed(store: RedisStore) -> None:
    lease = await owned(store)
    await store.append(REF, [event(EventType.CONCLUDED)], lease=lease)
    with pytest.raises(Conflict, match="is not closed"):
        await store.settle(lease)
    assert await store.open_ref("prod") == REF
    opening = await store.open(event(EventType.OPENED), joined("bob"), ref=OTHER)
    assert opening.joined


async def test_nothing_is_closed_in_which_somebody_asked_for_something_that_the_closer_has_not_seen(
    store: RedisStore, other: RedisStore
) -> None:
    lease = await owned(store)
    await other.open(event(EventType.OPENED), joined("bob"), ref=OTHER)
    await other.append(REF, [event(EventType.RERUN_REQUESTED)])
    with pytest.raises(Conflict, match="somebody just asked"):
        await store.append(REF, [event(EventType.DELIVERED), event(EventType.CLOSED, heard=1)], lease=lease)
    assert await types(store) == ["opened", "trigger-joined", "rerun-requested"]
    await store.append(REF, [event(EventType.CLOSED, heard=2)], lease=lease)
    assert await store.open_ref("prod") is None
    await other.append(REF, [event(EventType.FEEDBACK_GIVEN)])
    assert await store.append(REF, [event(EventType.CLOSED, heard=2)], lease=lease) == 0  # sent twice


async def test_reopening_takes_the_cluster_again(store: RedisStore, raw: Redis) -> None:
    lease = await owned(store)
    await store.append(REF, [event(EventType.CLOSED)], lease=lease)
    await store.settle(lease)
    await store.append(REF, [event(EventType.REOPENED)], lease=lease)
    assert await store.open_ref("prod") == REF
    assert await store.active() == [REF]
    assert await raw.ttl(keys.log(REF)) == -1
    with pytest.raises(Conflict, match="is not closed"):
        await store.settle(lease)


async def test_reopening_beside_another_open_investigation_is_refused(store: RedisStore) -> None:
    lease = await owned(store)
    await store.append(REF, [event(EventType.CLOSED)], lease=lease)
    await opened(store, OTHER)
    with pytest.raises(Conflict, match="another investigation of prod is open"):
        await store.append(REF, [event(EventType.REOPENED)], lease=lease)
    assert await types(store) == ["opened", "closed"]


# The active list


async def test_every_replica_sees_every_active_investigation(store: RedisStore, other: RedisStore) -> None:
    assert await other.active() == []
    refs = [Ref(cluster=name, id=REF.id) for name in ("a", "b", "url-12345678")]
    for ref in refs:
        await opened(store, ref)
    assert await other.active() == refs
    assert await other.active() == refs
    assert await store.active() == refs


async def test_clusters_that_were_quiet_for_a_month_are_forgotten_and_active_ones_are_not(store: RedisStore, raw: Redis) -> None:
    await opened(store)
    await raw.zadd(keys.CLUSTERS, {"prod": 1, "url-12345678": 1, "bad name": 1})
    assert await store.active() == [REF]
    assert await raw.zrange(keys.CLUSTERS, 0, -1) == ["bad name", "prod"]


# Following


@contextlib.asynccontextmanager
async def following(store: RedisStore, *, after: str = "0") -> AsyncGenerator[AsyncGenerator[Entry]]:
    entries = store.follow(REF, after=after)
    async with contextlib.aclosing(entries), asyncio.timeout(60):
        yield entries


async def test_a_follower_sees_what_is_there_and_what_others_append(store: RedisStore, other: RedisStore) -> None:
    lease = await owned(store)
    async with following(other) as entries:
        assert (await anext(entries)).event.type == "opened"
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(anext(entries), name="follower")
            group.create_task(store.append(REF, [event(EventType.CONCLUDED)], lease=lease), name="owner")
        assert waiting.result().event.type == "concluded"


async def test_a_follower_outlives_its_connection_and_misses_nothing(store: RedisStore, other: RedisStore, raw: Redis) -> None:
    lease = await owned(store)

    async def cut() -> None:
        async with asyncio.timeout(20):
            while not (blocked := [c["id"] for c in await raw.client_list() if c["cmd"] == "xread" and "b" in c["flags"]]):
                await asyncio.sleep(0.01)
        assert await raw.client_kill_filter(_id=blocked[0]) == 1

    async with following(other) as entries:
        seen = [await anext(entries)]
        for n in range(3):
            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(anext(entries), name="follower")
                await cut()
                await store.append(REF, [event(EventType.STEP_STARTED, f"s/{n}")], lease=lease)
            seen.append(waiting.result())
    assert [entry.event.id for entry in seen] == ["opened", "s/0", "s/1", "s/2"]
    assert seen == await store.read(REF)


async def test_a_quiet_follower_keeps_its_connection_longer_than_commands_may_take(store_url: str, raw: Redis) -> None:
    hasty = connect(store_url, patience_s=0.5)
    lease = await owned(hasty)

    async def blocked() -> list[str]:
        async with asyncio.timeout(20):
            while not (found := [c["id"] for c in await raw.client_list() if c["cmd"] == "xread" and "b" in c["flags"]]):
                await asyncio.sleep(0.01)
        return found

    async with following(hasty) as entries:
        await anext(entries)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(anext(entries), name="follower")
            before = await blocked()
            done, _ = await asyncio.wait([waiting], timeout=1.5)
            assert not done
            assert await blocked() == before
            await hasty.append(REF, [event(EventType.CONCLUDED)], lease=lease)
        assert waiting.result().event.type == "concluded"
    await hasty.close()


async def test_a_cancelled_follower_leaves_no_blocked_connection(store: RedisStore, raw: Redis) -> None:
    await opened(store)

    async def follow() -> None:
        async with following(store) as entries:
            async for _ in entries:
                pass

    async def blocked() -> int:
        return (await raw.info("clients"))["blocked_clients"]

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        tasks = [group.create_task(follow(), name=f"follower {n}") for n in range(5)]
        while await blocked() != 5:
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
    async with asyncio.timeout(20):
        while await blocked():
            await asyncio.sleep(0.01)
    await store.ping()


async def test_a_follower_goes_on_after_the_server_was_restarted(server: RedisServer) -> None:
    store = connect(server.url)
    lease = await owned(store)
    async with following(store) as entries:
        await anext(entries)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(anext(entries), name="follower")
            await asyncio.to_thread(server.restart)
            await store.append(REF, [event(EventType.CONCLUDED)], lease=lease)
        assert waiting.result().event.type == "concluded"
    await store.close()


# When the store is not there


async def test_a_restarted_server_is_used_again_without_an_error(server: RedisServer) -> None:
    store = connect(server.url)
    await opened(store)
    await asyncio.to_thread(server.restart)
    assert await store.active() == [REF]
    await store.append(REF, [event(EventType.CANCEL_REQUESTED)])
    assert await types(store) == ["opened", "cancel-requested"]
    await store.close()


async def test_a_server_that_is_gone_is_said_with_its_address_and_the_next_step(server: RedisServer) -> None:
    store = connect(server.url)
    await opened(store)
    server.kill()
    async with asyncio.timeout(20):
        for call in (
            store.ping(),
            store.active(),
            opened(store),
            store.acquire(REF, "a"),
            store.read(REF),
            store.open_ref("prod"),
        ):
            with pytest.raises(Unavailable) as caught:
                await call
            text = str(caught.value)
            assert text.startswith(f"store 127.0.0.1:{server.port}: the store cannot be reached")
            assert f"Next: run: redis-cli -h 127.0.0.1 -p {server.port} ping" in text
            assert caught.value.__cause__ is not None
    await store.close()


async def test_a_frozen_server_is_given_up_on(server: RedisServer) -> None:
    store = connect(server.url, patience_s=0.3)
    await opened(store)
    server.freeze()
    async with asyncio.timeout(20):
        for call in (store.ping(), store.active()):
            with pytest.raises(Unavailable, match="does not answer in time"):
                await call
    await store.close()


async def test_a_missing_socket_is_said_with_its_path(tmp_path: Path) -> None:
    store = connect(f"unix://{tmp_path}/no%20socket")
    assert store.place == f"{tmp_path}/no socket"
    with pytest.raises(Unavailable, match="no socket: the store cannot be reached") as caught:
        await store.ping()
    assert f"redis-cli -s '{tmp_path}/no socket' ping" in str(caught.value)
    await store.close()


async def test_a_wrong_password_is_said_without_the_password(tmp_path: Path) -> None:
    binary = find_redis()
    if binary is None:
        pytest.skip("there is no redis-server on PATH")
    with redis_server(tmp_path, binary=binary, password="right-password") as server:
        good = connect(server.url)
        await good.ping()
        await good.close()
        for wrong, said in (
            (server.url.replace("right-password", "wrong-password"), "refuses the user name or password"),
            (f"redis://127.0.0.1:{server.port}", "asks for a password"),
        ):
            store = connect(wrong)
            with pytest.raises(Unavailable, match=said) as caught:
                await store.ping()
            assert "wrong-password" not in str(caught.value)
            assert "APIDOWN_REDIS_PASSWORD" in caught.value.next
            async with following(store) as entries:
                with pytest.raises(Unavailable, match=said):
                    await anext(entries)
            await store.close()


async def test_a_full_store_says_so(store: RedisStore, raw: Redis) -> None:
    await raw.config_set("maxmemory", "1")
    with pytest.raises(Unavailable, match="out of memory"):
        await opened(store)


async def test_scripts_that_the_server_forgot_are_sent_again(store: RedisStore, raw: Redis) -> None:
    lease = await owned(store)
    await raw.script_flush()
    assert await store.append(REF, [event(EventType.CONCLUDED)], lease=lease) == 1


async def test_connections_are_named(store: RedisStore, raw: Redis) -> None:
    await store.ping()
    assert "apidown" in {client["name"] for client in await raw.client_list()}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://:hunter22@h", "unknown scheme"),
        ("redis://:hunter22@h:port", "cannot be read"),
        ("redis://:hunter22@h/name", "not a database number"),
        ("redis://:hunter22@h?socket_timeout=1", "unknown options: socket_timeout"),
        ("unix://", "names no socket"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_repeating_it(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        connect(url)
    assert "hunter22" not in str(caught.value)


async def test_nothing_is_sent_before_it_is_needed() -> None:
    store = connect("rediss://user:secret@store.invalid:6390/2?ssl_cert_reqs=none")
    assert store.place == "store.invalid:6390"
    await store.close()
