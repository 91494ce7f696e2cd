"""The store behind Sentinels and on a Redis Cluster, with real servers that die and slots that move."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import aclosing
from itertools import count
from pathlib import Path

import pytest

from bot.adapters.redis import failures, keys
from bot.adapters.redis.store import RedisStore, connect
from bot.errors import Unavailable
from bot.model.events import Event, EventType
from bot.model.investigation import Ref
from bot.ports import Lease
from bot.store_url import StoreUrl
from tests.adapters.test_redis_store import REF, event, joined, opened, owned
from tests.fakes.redis_server import (
    RedisServer,
    SentinelGroup,
    command,
    find_redis,
    node_id,
    redis_cluster,
    sentinel_group,
    until,
)
from tests.require import missing

WITHIN_S = 45.0


def redis_binary() -> str:
    return find_redis() or missing("redis", "there is no redis-server on PATH")


async def keep_appending(store: RedisStore, lease: Lease, acknowledged: list[str], *, until_said: asyncio.Event) -> None:
    """As an owner does it: one event after the other, each sent again until it is acknowledged."""
    for number in count():
        fact = event(EventType.STEP_STARTED, f"step/{number}")
        while True:
            try:
                await store.append(lease.ref, [fact], lease=lease)
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                break
        acknowledged.append(fact.id)
        if until_said.is_set():
            return
        await asyncio.sleep(0.01)


async def keep_following(store: RedisStore, ref: Ref, seen: list[str]) -> None:
    async with aclosing(store.follow(ref)) as entries:
        async for entry in entries:
            seen.append(entry.event.id)


async def grown(numbers: list[str], by: int = 5) -> None:
    goal = len(numbers) + by
    async with asyncio.timeout(WITHIN_S):
        while len(numbers) < goal:
            await asyncio.sleep(0.02)


async def goes_on(store: RedisStore, lease: Lease, breaks: object) -> tuple[list[str], list[str], list[Event]]:
    """Appends and follows while something is broken; what was acknowledged, what a follower saw, and the log at the end."""
    acknowledged: list[str] = []
    seen: list[str] = []
    enough = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        follower = tasks.create_task(keep_following(store, lease.ref, seen))
        writer = tasks.create_task(keep_appending(store, lease, acknowledged, until_said=enough))
        await grown(acknowledged)
        await asyncio.to_thread(breaks)  # type: ignore[arg-type]
        await grown(acknowledged)
        await grown(seen)
        enough.set()
        await writer
        async with asyncio.timeout(WITHIN_S):
            while acknowledged[-1] not in seen:
                await asyncio.sleep(0.02)
        follower.cancel()
    return acknowledged, seen, [entry.event for entry in await store.read(lease.ref)]


@pytest.fixture
def group(tmp_path: Path) -> Generator[SentinelGroup]:
    with sentinel_group(tmp_path, binary=redis_binary()) as running:
        yield running


async def test_a_primary_that_is_killed_is_succeeded_and_the_log_goes_on(group: SentinelGroup) -> None:
    store = connect(group.url, lease_s=10.0)
    lease = await owned(store)
    acknowledged, seen, log = await goes_on(store, lease, group.primary().kill)
    # Replication is not waited for: the last event before the kill may be gone, and nothing before it.
    ids = [item.id for item in log]
    lost = [one for one in acknowledged if one not in ids]
    assert len(lost) <= 1, lost
    assert len(set(ids)) == len(ids)
    assert [one for one in acknowledged if one not in lost] == [one for one in ids if one != "opened"]
    assert len(set(seen)) == len(seen)
    assert await store.renew(lease, known=acknowledged[-1])
    assert await store.active() == [REF]
    await store.close()


async def test_a_primary_that_hangs_is_succeeded_and_refuses_when_it_is_back(group: SentinelGroup) -> None:
    store = connect(group.url, lease_s=10.0, patience_s=1.0)
    lease = await owned(store)
    old = group.primary()
    acknowledged, _, log = await goes_on(store, lease, old.freeze)
    assert group.primary().port != old.port
    assert len([one for one in acknowledged if one not in [item.id for item in log]]) <= 1
    await store.close()


async def test_what_a_planned_failover_loses_is_noticed_and_appended_again(group: SentinelGroup) -> None:
    """The old primary is alive and takes writes until somebody tells it; these are lost, and the owner has them."""
    store = connect(group.url, lease_s=10.0)
    lease = await owned(store)
    old = group.primary()

    def fail_over() -> None:
        command(group.sentinels[0].port, "SENTINEL", "FAILOVER", "mymaster")
        until(lambda: group.primary().port != old.port)

    acknowledged, _, _ = await goes_on(store, lease, fail_over)
    until(lambda: b"role:slave" in command(old.port, "INFO", "replication"))
    if not await store.renew(lease, known=acknowledged[-1]):
        await store.append(REF, [event(EventType.STEP_STARTED, one) for one in acknowledged], lease=lease)
    assert await store.renew(lease, known=acknowledged[-1])
    ids = [entry.event.id for entry in await store.read(REF)]
    assert sorted(ids) == sorted(["opened", *acknowledged])
    await store.close()


async def test_one_sentinel_is_enough_and_none_is_enough_for_who_is_connected(group: SentinelGroup) -> None:
    store = connect(group.url)
    for sentinel in group.sentinels[:2]:
        sentinel.kill()
    await opened(store)
    group.sentinels[2].kill()
    assert await store.active() == [REF]
    stranger = connect(group.url, patience_s=0.5)
    with pytest.raises(Unavailable, match="cannot be reached"):
        await stranger.ping()
    await stranger.close()
    await store.close()


async def test_a_service_that_no_sentinel_knows_is_said(group: SentinelGroup) -> None:
    store = connect(group.url.replace("mymaster", "other"))
    with pytest.raises(Unavailable, match="the Sentinels know no service other") as caught:
        await store.ping()
    assert "sentinel get-master-addr-by-name other" in caught.value.next
    await store.close()


# Redis Cluster


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Generator[list[RedisServer]]:
    with redis_cluster(tmp_path_factory.mktemp("cluster"), binary=redis_binary()) as running:
        yield running


def cluster_url(nodes: list[RedisServer]) -> str:
    return f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in nodes)}"


def slot(node: RedisServer, key: str) -> int:
    return int(command(node.port, "CLUSTER", "KEYSLOT", key).split(b"\r\n")[0][1:])


def owner_of(nodes: list[RedisServer], key: str) -> RedisServer:
    return next(node for node in nodes if command(node.port, "TYPE", key).startswith(b"+"))


async def test_investigations_of_several_clusters_lie_on_several_nodes(nodes: list[RedisServer]) -> None:
    store = connect(cluster_url(nodes[:1]))
    names = [f"prod-{number}" for number in range(9)]
    refs = [Ref(cluster=name, id=REF.id) for name in names]
    for ref in refs:
        await opened(store, ref)
    assert len({owner_of(nodes, keys.log(ref)).port for ref in refs}) == 3
    assert [ref for ref in await store.active() if ref in refs] == refs
    for ref in refs:
        lease = await store.acquire(ref, "a")
        assert lease is not None
        assert await store.append(ref, [event(EventType.CONCLUDED), event(EventType.CLOSED)], lease=lease) == 2
        assert await store.renew(lease, known="closed")
        await store.settle(lease)
    assert not set(await store.active()) & set(refs)
    assert await store.policies() == {"noeviction"}
    await store.ping()
    await store.close()


async def test_joining_and_reading_work_on_whichever_node(nodes: list[RedisServer]) -> None:
    one, other = connect(cluster_url(nodes[:1])), connect(cluster_url(nodes[1:2]))
    for name in ("join-a", "join-b", "join-c", "join-d"):
        ref = Ref(cluster=name, id=REF.id)
        await opened(one, ref)
        opening = await other.open(event(EventType.OPENED), joined("bob"), ref=Ref(cluster=name, id="20261120-m2x9"))
        assert (opening.ref, opening.joined) == (ref, True)
        assert await other.open_ref(name) == ref
    await one.close()
    await other.close()


async def test_a_slot_that_moves_takes_its_log_along(nodes: list[RedisServer]) -> None:
    """Key by key as the server's own tool does it, with a writer and a follower on it all the time."""
    store = connect(cluster_url(nodes))
    ref = Ref(cluster="moving", id=REF.id)
    lease = await owned(store, ref)
    old = owner_of(nodes, keys.log(ref))
    new = next(node for node in nodes[:3] if node is not old)
    number = str(slot(old, keys.log(ref)))

    def move() -> None:
        command(new.port, "CLUSTER", "SETSLOT", number, "IMPORTING", node_id(old))
        command(old.port, "CLUSTER", "SETSLOT", number, "MIGRATING", node_id(new))
        while names := command(old.port, "CLUSTER", "GETKEYSINSLOT", number, "10").split(b"\r\n")[2:-1:2]:
            for name in names:
                command(old.port, "MIGRATE", "127.0.0.1", str(new.port), name.decode(), "0", "5000")
        for node in (new, old, *nodes):
            command(node.port, "CLUSTER", "SETSLOT", number, "NODE", node_id(new))

    acknowledged, seen, log = await goes_on(store, lease, move)
    assert owner_of(nodes, keys.log(ref)) is new
    ids = [item.id for item in log]
    assert ids == ["opened", *acknowledged]
    assert seen == ids
    await store.close()


async def test_a_key_in_a_slot_that_is_half_moved_is_found(nodes: list[RedisServer]) -> None:
    store = connect(cluster_url(nodes))
    ref = Ref(cluster="half", id=REF.id)
    await opened(store, ref)
    old = owner_of(nodes, keys.log(ref))
    new = next(node for node in nodes[:3] if node is not old)
    number = str(slot(old, keys.log(ref)))
    command(new.port, "CLUSTER", "SETSLOT", number, "IMPORTING", node_id(old))
    command(old.port, "CLUSTER", "SETSLOT", number, "MIGRATING", node_id(new))
    command(old.port, "MIGRATE", "127.0.0.1", str(new.port), keys.log(ref), "0", "5000")
    try:
        async with asyncio.timeout(WITHIN_S), aclosing(store.follow(ref)) as entries:
            assert (await anext(entries)).event.type == EventType.OPENED
        assert [entry.event.type for entry in await store.read(ref)] == ["opened"]
        assert await store.open_ref("half") == ref
        short = connect(cluster_url(nodes), patience_s=0.5)
        with pytest.raises(Unavailable, match="cannot serve this key now"):
            await short.acquire(ref, "a")
        await short.close()
    finally:
        command(old.port, "CLUSTER", "SETSLOT", number, "STABLE")
        command(new.port, "MIGRATE", "127.0.0.1", str(old.port), keys.log(ref), "0", "5000")
        command(new.port, "CLUSTER", "SETSLOT", number, "STABLE")
    assert await store.acquire(ref, "a") is not None
    await store.close()


async def test_a_node_of_a_cluster_is_not_a_store_by_itself(nodes: list[RedisServer], server: RedisServer) -> None:
    single = connect(nodes[0].url)
    names = ("single-a", "single-b", "single-c", "single-d", "single-e")
    foreign = next(name for name in names if slot(nodes[0], keys.open_id(name)) > 5460)
    with pytest.raises(Unavailable, match="one node of a Redis Cluster") as caught:
        await single.open_ref(foreign)
    assert "redis+cluster://" in caught.value.next
    await single.close()
    no_cluster = connect(f"redis+cluster://127.0.0.1:{server.port}")
    with pytest.raises(Unavailable, match="is no Redis Cluster"):
        await no_cluster.ping()
    await no_cluster.close()


async def test_a_primary_of_a_cluster_that_is_killed_is_succeeded(tmp_path: Path) -> None:
    with redis_cluster(tmp_path, binary=redis_binary(), replicas=1) as nodes:
        store = connect(cluster_url(nodes[1:3]))
        names = (f"prod-{number}" for number in count())
        ref = next(ref for ref in (Ref(cluster=name, id=REF.id) for name in names) if slot(nodes[0], keys.log(ref)) < 5461)
        lease = await owned(store, ref)
        acknowledged, seen, log = await goes_on(store, lease, nodes[0].kill)
        ids = [item.id for item in log]
        assert len([one for one in acknowledged if one not in ids]) <= 1
        assert acknowledged[-1] in seen
        assert ref in await store.active()
        await store.close()


# Users with few rights


def give(port: int, name: str, *rights: str) -> None:
    assert command(port, "ACL", "SETUSER", name, "reset", "on", f">{name}-word", *rights) == b"+OK\r\n"


async def a_life(url: str) -> None:
    store = connect(url)
    try:
        lease = await owned(store)
        await store.append(REF, [event(EventType.CLOSED)], lease=lease)
        assert await store.policies() == {"noeviction"}
        assert REF in await store.active()
        async with asyncio.timeout(WITHIN_S), aclosing(store.follow(REF)) as entries:
            assert (await anext(entries)).event.type == EventType.OPENED
        await store.settle(lease)
    finally:
        await store.close()


async def test_the_documented_rights_suffice_behind_sentinels(group: SentinelGroup) -> None:
    for port in group.servers:
        give(port, "apidown", *failures.rule(StoreUrl.parse(group.url)).split())
    for sentinel in group.sentinels:
        give(sentinel.port, "asker", "+ping", "+client|setname", "+sentinel|get-master-addr-by-name")
        command(sentinel.port, "ACL", "SETUSER", "default", "off")
    login = group.url.replace("://", "://apidown:apidown-word@")
    with pytest.raises(Unavailable, match="refuses the user name or password"):
        await a_life(login)
    await a_life(f"{login}?sentinel_username=asker&sentinel_password=asker-word")


async def test_the_documented_rights_suffice_in_a_cluster(nodes: list[RedisServer]) -> None:
    url = cluster_url(nodes)
    for node in nodes:
        give(node.port, "apidown", *failures.rule(StoreUrl.parse(url)).split())
        give(node.port, "narrow", "~apidown:*", "+ping", "+client|setname")
    await a_life(url.replace("://", "://apidown:apidown-word@"))
    narrow = connect(url.replace("://", "://narrow:narrow-word@"))
    with pytest.raises(Unavailable, match=r"may not use the command CLUSTER\|SLOTS") as caught:
        await narrow.ping()
    assert "+cluster|slots +asking" in caught.value.next
    await narrow.close()
