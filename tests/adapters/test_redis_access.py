"""Getting into a store: TLS with and without client certificates, and users with rights."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from bot.adapters.redis import failures, scripts
from bot.adapters.redis.policy import warn_of_eviction
from bot.adapters.redis.store import connect
from bot.errors import Unavailable
from bot.model.events import EventType
from bot.store_url import StoreUrl
from tests.adapters.test_redis_store import REF, event, following, joined, opened
from tests.fakes.redis_server import RedisServer, find_redis, redis_server, tls_server
from tests.pki import Authority, Issued
from tests.require import missing


def redis_binary() -> str:
    return find_redis() or missing("redis", "there is no redis-server on PATH")


@dataclass(frozen=True, kw_only=True)
class Secured:
    """A server with TLS that wants client certificates, and files of every kind."""

    port: int
    folder: Path

    def url(self, *, ca: str = "ca", client: str | None = "client", host: str = "127.0.0.1", more: str = "") -> str:
        files = {"ssl_ca_certs": f"{ca}.pem"}
        files |= {"ssl_certfile": f"{client}.pem", "ssl_keyfile": f"{client}.key"} if client else {}
        options = "&".join(f"{name}={self.folder / file}" for name, file in files.items())
        return f"rediss://{host}:{self.port}/0?{options}{more}"


def _write(folder: Path, name: str, issued: Issued) -> None:
    (folder / f"{name}.pem").write_text(issued.pem)
    (folder / f"{name}.key").write_text(issued.key_pem)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Generator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    authority, stranger = Authority(common_name="store-ca"), Authority(common_name="another-ca")
    (folder / "ca.pem").write_text(authority.pem)
    (folder / "strange-ca.pem").write_text(stranger.pem)
    _write(folder, "server", authority.issue("127.0.0.1", common_name="store"))
    _write(folder, "client", authority.issue(common_name="apidown"))
    _write(folder, "stranger", stranger.issue(common_name="apidown"))
    (folder / "data").mkdir()
    with tls_server(
        folder / "data",
        binary=redis_binary(),
        ca=folder / "ca.pem",
        certificate=folder / "server.pem",
        key=folder / "server.key",
        clients=True,
    ) as port:
        yield Secured(port=port, folder=folder)


async def refusal(url: str) -> Unavailable:
    store = connect(url, patience_s=5.0)
    try:
        with pytest.raises(Unavailable) as caught:
            await store.ping()
    finally:
        await store.close()
    return caught.value


async def test_a_store_behind_tls_with_client_certificates_is_used(secured: Secured) -> None:
    store = connect(secured.url())
    await opened(store)
    lease = await store.acquire(REF, "a")
    assert lease is not None
    async with asyncio.timeout(20), following(store) as entries:
        assert (await anext(entries)).event.type == EventType.OPENED
        await store.append(REF, [event(EventType.CONCLUDED)], lease=lease)
        assert (await anext(entries)).event.type == EventType.CONCLUDED
    await store.close()


@pytest.mark.parametrize(
    ("how", "what", "todo"),
    [
        ({"ca": "strange-ca"}, "is not signed by the CA that was given", "set ssl_ca_certs"),
        ({"client": "stranger"}, "accept apidown's client certificate", "set ssl_certfile and ssl_keyfile"),
        ({"client": None}, "asks for a client certificate", "set ssl_certfile and ssl_keyfile"),
        ({"host": "localhost"}, "is for another name", "a name of its certificate"),
        ({"ca": "nowhere"}, "nowhere.pem cannot be read: No such file", "correct ssl_ca_certs"),
    ],
)
async def test_what_is_wrong_with_tls_is_said(secured: Secured, how: dict[str, str | None], what: str, todo: str) -> None:
    error = await refusal(secured.url(**how))  # type: ignore[arg-type]
    assert what in error.what
    assert todo in error.next
    assert error.where.startswith("store ")


async def test_a_name_that_differs_can_be_allowed(secured: Secured) -> None:
    store = connect(secured.url(host="localhost", more="&ssl_check_hostname=no"))
    await store.ping()
    await store.close()


async def test_tls_to_a_plain_port_is_said(server: RedisServer) -> None:
    error = await refusal(f"rediss://127.0.0.1:{server.port}/0")
    assert "a port without TLS is silent like that" in error.what


@pytest.fixture(scope="module")
def tls_port(secured: Secured) -> Generator[int]:
    """A server with TLS that asks nobody for a certificate."""
    (secured.folder / "open").mkdir()
    files = {
        name: secured.folder / file for name, file in (("ca", "ca.pem"), ("certificate", "server.pem"), ("key", "server.key"))
    }
    with tls_server(secured.folder / "open", binary=redis_binary(), clients=False, **files) as port:
        yield port


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("redis://127.0.0.1:{port}/0", "write rediss:// in"),
        ("redis+cluster://127.0.0.1:{port}", "write rediss+cluster:// in"),
        ("redis+sentinel://127.0.0.1:{port}/mymaster", "write rediss+sentinel:// in"),
    ],
)
async def test_a_plain_connection_to_a_tls_port_is_said(tls_port: int, url: str, right: str) -> None:
    error = await refusal(url.format(port=tls_port))
    assert "as a port that takes TLS only does" in error.what
    assert right in error.next


async def test_a_store_that_was_killed_is_not_taken_for_one_with_tls(tmp_path: Path) -> None:
    with redis_server(tmp_path, binary=redis_binary()) as server:
        store = connect(server.url, patience_s=5.0)
        await store.ping()
        server.kill()
        with pytest.raises(Unavailable) as caught:
            await store.ping()
        await store.close()
    assert "cannot be reached" in caught.value.what
    assert "TLS" not in str(caught.value)


async def test_a_refused_password_says_where_it_may_have_come_from(tmp_path: Path) -> None:
    with redis_server(tmp_path, binary=redis_binary(), password="right-password") as server:
        wrong = await refusal(f"redis://:wrong-password@127.0.0.1:{server.port}/0")
        none = await refusal(f"redis://127.0.0.1:{server.port}/0")
        sentinel = await refusal(f"redis+sentinel://:wrong-password@127.0.0.1:{server.port}/mymaster")
    assert "APIDOWN_REDIS_URL, or if there is none, APIDOWN_REDIS_PASSWORD" in wrong.next
    assert (none.what.partition(" (")[0], none.next) == ("the store asks for a password", "set APIDOWN_REDIS_PASSWORD")
    assert "sentinel_password" in sentinel.next
    assert "wrong-password" not in f"{wrong}{sentinel}"


async def _user(server: RedisServer, rule: str, name: str = "apidown") -> str:
    async with Redis.from_url(server.url) as root:
        await root.execute_command("ACL", "SETUSER", name, "reset", "on", ">s3cret-enough", *rule.split())
    return f"redis://{name}:s3cret-enough@127.0.0.1:{server.port}/0"


async def test_the_documented_rights_suffice_for_everything(server: RedisServer) -> None:
    rule = failures.rule(StoreUrl.parse("redis://h"))
    store = connect(await _user(server, rule))
    await store.ping()
    assert await store.policies() == {"noeviction"}
    await store.open(event(EventType.OPENED), joined("ann"), ref=REF, once=True)
    await store.open(event(EventType.OPENED), joined("bob"), ref=REF.model_copy(update={"id": "20261120-m2x9"}), once=True)
    lease = await store.acquire(REF, "a")
    assert lease is not None
    await store.append(REF, [event(EventType.CONCLUDED)], lease=lease)
    assert await store.renew(lease, known="concluded")
    assert [entry.event.type for entry in await store.read(REF)] == ["opened", "trigger-joined", "concluded"]
    assert await store.open_ref("prod") == REF
    assert await store.active() == [REF]
    async with asyncio.timeout(20), following(store) as entries:
        assert (await anext(entries)).event.type == EventType.OPENED
    await store.append(REF, [event(EventType.CLOSED)], lease=lease)
    await store.append(REF, [event(EventType.REOPENED)], lease=lease)
    await store.append(REF, [event(EventType.CLOSED, "closed/2")], lease=lease)
    await store.settle(lease)
    async with Redis.from_url(server.url) as root:
        await root.zadd("apidown:clusters", {"long-ago": 1})
        assert await store.active() == []
        assert await root.zscore("apidown:clusters", "long-ago") is None
        assert await root.execute_command("ACL", "LOG") == []
    await store.close()


async def test_each_documented_right_is_needed(server: RedisServer) -> None:
    """Nothing in the rule is there for nothing: every command in it is sent, or called by a script."""
    sent = {"ping", "eval", "evalsha", "client|setname", "xread", "get", "smembers", "time", "zrange", "info"}
    text = "".join(value for name, value in vars(scripts).items() if name.isupper() and isinstance(value, str)).lower()
    for right in failures.RIGHTS.split():
        name = right.removeprefix("+")
        assert name in sent or f"redis.call('{name}'" in text, name


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("~other:* +@all", "may not use the keys apidown:*"),
        ("~apidown:* +ping +eval +evalsha +client|setname +time", "may not use a command that apidown's scripts need"),
        ("~apidown:* +client|setname +ping", "may not use the command EVALSHA"),
        ("~apidown:* +ping", "may not use the command CLIENT|SETNAME"),
    ],
)
async def test_rights_that_are_missing_are_named_with_the_rule_that_suffices(server: RedisServer, rule: str, what: str) -> None:
    store = connect(await _user(server, rule))
    with pytest.raises(Unavailable) as caught:
        await opened(store)
    assert what in caught.value.what
    assert caught.value.next.startswith("run: ACL SETUSER apidown ~apidown:* +ping +eval")
    assert "s3cret-enough" not in str(caught.value)
    await store.close()


async def test_a_user_that_is_not_there_is_said(server: RedisServer) -> None:
    error = await refusal(f"redis://nobody:some-password@127.0.0.1:{server.port}/0")
    assert "refuses the user name or password" in error.what
    assert "some-password" not in str(error)


async def test_a_store_that_evicts_is_warned_of_and_one_that_does_not_is_not(server: RedisServer) -> None:
    store = connect(server.url)
    async with Redis.from_url(server.url) as root:
        for policy, warned in (("noeviction", False), ("allkeys-lru", True)):
            await root.config_set("maxmemory-policy", policy)
            with capture_logs() as logged:
                watching = asyncio.create_task(warn_of_eviction(store, every_s=0.02))
                async with asyncio.timeout(20):
                    while not logged and warned:
                        await asyncio.sleep(0.02)
                await store.ping()
                watching.cancel()
                await asyncio.wait([watching])
            assert {entry["event"] for entry in logged} == ({"store-evicts"} if warned else set())
            assert all(entry["policy"] == "allkeys-lru" for entry in logged)
    await store.close()


def test_the_rights_in_the_documents_are_those_that_were_tried() -> None:
    text = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    [block] = re.findall(r"```text\nACL SETUSER (.*?)```", text, re.S)
    documented = {word for word in block.split() if word.startswith("+")}
    assert documented == set(failures.RIGHTS.split())
    for more in (failures.SENTINEL_RIGHTS, failures.CLUSTER_RIGHTS):
        assert f"`{more}`" in text
