"""Questions to a Prometheus, over real sockets and with a real one's answers: bounds, credentials, and whatever comes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.adapters.prometheus import forms, reads
from bot.adapters.prometheus.reads import Prometheus
from bot.errors import Unavailable
from bot.model.metrics import Monitoring, Role, Series
from bot.net.dns import SystemResolver
from bot.ports import MetricsAccess
from tests.fakes.network import NOW
from tests.fakes.prometheus import Recorded, recorded, serving, target
from tests.pki import Authority
from tests.ports import free_port
from tests.probes.scene import StoppedClock

ALL = Monitoring()
TAKEN_AT = datetime.fromtimestamp(1795199021.343, UTC)
"""When the recordings were made, by their own ``time()``."""


def replay(name: str, status: int = 200) -> Callable[[web.Request], web.Response]:
    return lambda request: web.Response(status=status, body=recorded(name), content_type="application/json")


async def ask(url: str, question: Callable[[Prometheus], Any], *, now: datetime = NOW, **given: Any) -> Any:
    timeout_s = given.pop("timeout_s", reads.TIMEOUT_S)
    prometheus = Prometheus(MetricsAccess(url=url, **given), StoppedClock(now), timeout_s)
    try:
        return await question(prometheus)
    finally:
        await prometheus.aclose()


async def refusal(url: str, question: Callable[[Prometheus], Any] = Prometheus.targets, **given: Any) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        await ask(url, question, **given)
    assert caught.value.what.startswith(f"Prometheus at {url} ")
    assert caught.value.next
    return caught.value


# What a real one answers


async def test_a_real_list_of_targets() -> None:
    fake = Recorded(answers={"targets": replay("targets")}, now=TAKEN_AT)
    async with serving(fake) as url:
        found = await ask(url, Prometheus.targets, now=TAKEN_AT)
    by_role = {role: [one for one in found if one.role is role] for role in Role}
    assert {role: len(some) for role, some in by_role.items() if some} == {
        Role.APISERVER: 25,
        Role.ETCD: 1,
        Role.NODE: 1,
        Role.BALANCER: 1,
    }
    node = by_role[Role.NODE][0]
    assert (node.instance, node.address, node.host, node.healthy, node.interval_s) == (
        "cp1",
        "10.9.0.1:9100",
        "10.9.0.1",
        True,
        3,
    )
    refused = next(one for one in found if one.error and "connection refused" in one.error and "proxy" not in one.error)
    assert refused.error.startswith("Get ") if refused.error else False
    assert refused.scraped_at is not None
    assert timedelta() <= TAKEN_AT - refused.scraped_at < timedelta(seconds=4)


async def test_a_real_series_of_up_stands_in_for_the_list() -> None:
    """Mimir has no targets; what it has says whether and when, and not why."""
    missing = lambda request: web.Response(status=404, body=recorded("unknown"))  # noqa: E731
    fake = Recorded(answers={"targets": missing, "query": _time_or("up")}, now=TAKEN_AT)
    async with serving(fake) as url:
        found = await ask(url, Prometheus.targets, now=TAKEN_AT)
    assert {one.role for one in found} == {Role.APISERVER, Role.BALANCER}
    good = next(one for one in found if one.job == "apiserver")
    assert (good.healthy, good.error, good.address, good.interval_s) == (True, None, "10.9.0.1:6443", 3)
    assert good.scraped_at is not None
    assert TAKEN_AT - good.scraped_at < timedelta(seconds=3)


def _time_or(name: str) -> Callable[[web.Request], web.Response]:
    return lambda request: replay("time" if request.query["query"] == "time()" else name)(request)


async def test_an_empty_list_is_none() -> None:
    """VictoriaMetrics that others write into scrapes nothing itself."""
    fake = Recorded(looks=[[]], values={"up{": [({"job": "apiserver", "instance": "a:1"}, 1.0)]})
    async with serving(fake) as url:
        assert [one.address for one in await ask(url, Prometheus.targets)] == ["a:1"]


async def test_real_values_over_time() -> None:
    fake = Recorded(answers={"query_range": replay("range"), "query": _time_or("start")}, now=TAKEN_AT)
    async with serving(fake) as url:
        (ranged,) = await ask(url, lambda it: it.query_range("up", span_s=60, step_s=5), now=TAKEN_AT)
        (started,) = await ask(url, lambda it: it.query("process_start_time_seconds[5m]"), now=TAKEN_AT)
    assert {value for _, value in ranged.points} == {1.0}
    assert (started.labels["job"], len(started.points)) == ("apiserver", 7)
    asked = next(query for path, query in fake.asked if path == "query_range")
    assert float(asked["end"]) - float(asked["start"]) == 60


async def test_what_is_no_number_is_no_value() -> None:
    async with serving(Recorded(answers={"query": _time_or("nan")}, now=TAKEN_AT)) as url:
        assert await ask(url, lambda it: it.query("x"), now=TAKEN_AT) == ()


async def test_a_wrong_question_is_refused_in_its_own_words() -> None:
    def answer(request: web.Request) -> web.Response:
        return replay("time")(request) if request.query["query"] == "time()" else replay("bad", 400)(request)

    async with serving(Recorded(answers={"query": answer})) as url:
        error = await refusal(url, lambda it: it.query("up{"))
    assert "answered 400: invalid parameter" in error.what


async def test_its_clock_may_be_wrong_by_minutes() -> None:
    """Times that come back are ours, and rather too early than too late."""
    fake = Recorded(looks=[[target("up", "a:1", ago_s=-295)]], now=NOW + timedelta(minutes=5))
    async with serving(fake) as url:
        (found,) = await ask(url, Prometheus.targets)
    assert found.scraped_at == NOW - timedelta(seconds=5)


async def test_labels_say_which_cluster() -> None:
    looks = [
        [target("up", "a:1", cluster="prod"), target("up", "b:1", cluster="dev"), target("up", "c:1", "mine", cluster="dev")]
    ]
    monitoring = Monitoring(match={"cluster": "dev"}, jobs={Role.ETCD: ("mi*",)})
    fake = Recorded(looks=looks)
    async with serving(fake) as url:
        found = await ask(url, Prometheus.targets, monitoring=monitoring)
        assert {(one.role, one.address) for one in found} == {(Role.APISERVER, "b:1"), (Role.ETCD, "c:1")}
        text = await ask(url, _selector, monitoring=monitoring)
    assert text == '{job=~"mi.*", cluster="dev", instance="x"}'


async def _selector(prometheus: Prometheus) -> str:
    return prometheus.selector(Role.ETCD, 'instance="x"')


def test_text_in_a_question_stays_text() -> None:
    monitoring = Monitoring(match={"cluster": 'a"} or up{x="\\'}, jobs={Role.ETCD: ("e.t+c",)})
    text = forms.selector(monitoring, [Role.ETCD])
    assert text == '{job=~"e\\\\.t\\\\+c", cluster="a\\"} or up{x=\\"\\\\"}'


# A long list


async def test_a_list_that_is_too_long_is_read_by_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [
        [
            target("up", "a:1"),
            target("up", "b:1", "kube-etcd"),
            *(target("up", f"w{number}:1", "kubelet") for number in range(40)),
        ]
    ]
    pools = lambda request: web.Response(  # noqa: E731
        body=json.dumps({"status": "success", "data": {"scrapePools": ["apiserver", "kube-etcd", "kubelet"]}})
    )
    fake = Recorded(looks=looks, answers={"scrape_pools": pools})
    monkeypatch.setattr(reads, "MAX_BYTES", 4096)
    async with serving(fake) as url:
        found = await ask(url, Prometheus.targets)
    assert {one.address for one in found} == {"a:1", "b:1"}
    assert [query.get("scrapePool") for path, query in fake.asked if path == "targets"] == [None, "apiserver", "kube-etcd"]


async def test_later_looks_ask_only_for_what_matters() -> None:
    looks = [[target("up", "a:1"), target("up", "w:1", "something-else")]]
    fake = Recorded(looks=looks)

    async def twice(prometheus: Prometheus) -> Any:
        return [await prometheus.targets(), await prometheus.targets()]

    async with serving(fake) as url:
        first, second = await ask(url, twice)
    assert first == second
    assert [query.get("scrapePool") for path, query in fake.asked if path == "targets"] == [None, "apiserver"]


async def test_an_answer_without_an_end_is_not_read() -> None:
    def endless(request: web.Request) -> web.Response:
        return web.Response(body=b" " * (reads.MAX_BYTES + 1))

    async with serving(Recorded(answers={"query": endless})) as url:
        assert "more than 8 MiB" in (await refusal(url)).what


# Whatever else may be there


@pytest.mark.parametrize(
    ("status", "headers", "body", "says"),
    [
        (200, {"Content-Type": "text/html"}, "<html>Log in</html>", "cannot be read: it is not JSON (text/html)"),
        (200, {}, '{"status": "success"}', "not in the form"),
        (200, {}, "[" * 100_000, "it is not JSON"),
        (302, {"Location": "https://login.example.com/"}, "", "a redirect, which is not followed"),
        (401, {}, "", "does not take the credentials"),
        (403, {}, "", "does not take the credentials"),
        (503, {}, '{"status": "error", "error": "it starts"}', "answered 503: it starts"),
    ],
)
async def test_what_is_no_prometheus_is_said(status: int, headers: dict[str, str], body: str, says: str) -> None:
    answer = lambda request: web.Response(status=status, headers=headers, text=body)  # noqa: E731
    async with serving(Recorded(answers={"query": answer})) as url:
        assert says in (await refusal(url)).what


async def test_it_is_not_there() -> None:
    assert "did not answer: Cannot connect" in (await refusal(f"http://127.0.0.1:{free_port()}")).what


async def test_it_is_silent() -> None:
    gone = asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        gone.set()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        error = await refusal(f"http://127.0.0.1:{port}", timeout_s=0.2)
        await gone.wait()
    assert "did not answer within 0.2 s" in error.what


async def test_a_silent_one_is_waited_for_once_however_many_ask() -> None:
    asked = []

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        await reader.read()
        writer.close()

    async def three(prometheus: Prometheus) -> list[Any]:
        first = await asyncio.gather(*(prometheus.targets() for _ in range(3)), return_exceptions=True)
        # Later it is asked anew: it may have come back.
        return [*first, *await asyncio.gather(prometheus.targets(), return_exceptions=True)]

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    async with server:
        said = await ask(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", three, timeout_s=0.3)
    assert [type(one) for one in said] == [Unavailable] * 4
    assert len(asked) == 2


async def test_a_proxy_that_refuses_is_said_without_its_password() -> None:
    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Who Are You\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuses, "127.0.0.1", 0)
    async with server:
        place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        error = await refusal("https://prometheus.example.com:9090", proxy_url=f"http://ann:a1@{place}")
    assert "407 Who Are You" in error.what
    assert "a1@" not in str(error)


async def test_a_proxy_gets_no_credentials() -> None:
    """Neither those for Prometheus, nor whose data are asked for: what a proxy is told goes over no verified connection."""
    told = []

    async def listens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        told.append(await reader.read(10_000))
        writer.close()

    server = await asyncio.start_server(listens, "127.0.0.1", 0)
    async with server:
        proxy = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        headers = {"Authorization": "Bearer opensesame", "X-Scope-OrgID": "platform"}
        await refusal("https://prometheus.example.com", proxy_url=proxy, headers=headers)
    assert told[0].startswith(b"CONNECT prometheus.example.com:443 ")
    assert [word for word in (b"opensesame", b"platform", b"uthorization") if word in b"".join(told)] == []


def test_what_has_no_job_is_nobody_s() -> None:
    """Whatever a job may be called, what is not scraped by one is not of it."""
    everything = Monitoring(jobs={Role.APISERVER: ("*",)})
    entries = [{"labels": {"instance": "a:6443"}, "health": "up"}, {"labels": {"job": "a", "instance": "a:6443"}, "health": "up"}]
    assert [one.job for one, _ in forms.targets_of({"activeTargets": entries}, everything, 0)] == ["a"]


async def test_its_name_is_looked_up_in_threads_that_nobody_waits_for() -> None:
    class Told(SystemResolver):
        async def addresses(self, name: str) -> tuple[str, ...]:
            return {"prometheus.example": ("127.0.0.1",)}[name]

    fake = Recorded(answers={"targets": replay("targets")}, now=TAKEN_AT)
    async with serving(fake) as url:
        access = MetricsAccess(url=url.replace("127.0.0.1", "prometheus.example"))
        prometheus = Prometheus(access, StoppedClock(TAKEN_AT), names=Told())
        try:
            assert await prometheus.targets()
        finally:
            await prometheus.aclose()


async def test_files_that_cannot_be_read_are_said_and_nothing_is_asked() -> None:
    fake = Recorded()
    async with serving(fake) as url:
        with pytest.raises(Unavailable, match="the token file /x cannot be read"):
            await ask(url, Prometheus.targets, problem="the token file /x cannot be read")
    assert fake.asked == []


# Credentials


AUTHORITY = Authority()
CREDENTIALS = {"Authorization": "Bearer s3cr3t", "X-Scope-OrgID": "team"}


def server_context() -> ssl.SSLContext:
    return AUTHORITY.issue("127.0.0.1").server_context()


async def test_credentials_go_over_a_verified_connection() -> None:
    fake = Recorded(looks=[[target("up", "a:1")]])
    async with serving(fake, "/prometheus", ssl_context=server_context()) as url:
        assert await ask(url, Prometheus.targets, headers=CREDENTIALS, ca_pem=AUTHORITY.pem)
    assert all(CREDENTIALS.items() <= headers.items() for headers in fake.headers)


@pytest.mark.parametrize("ca_pem", [None, Authority().pem])
async def test_credentials_do_not_go_to_a_stranger(ca_pem: str | None) -> None:
    fake = Recorded(looks=[[target("up", "a:1")]])
    async with serving(fake, ssl_context=server_context()) as url:
        error = await refusal(url, headers=CREDENTIALS, ca_pem=ca_pem)
    assert "certificate" in error.what.lower()
    assert "s3cr3t" not in str(error)
    assert fake.headers == []


# Anything at all

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_KEYS = [
    "job",
    "labels",
    "lastScrape",
    "lastError",
    "scrapeUrl",
    "scrapeInterval",
    "health",
    "scrapePool",
    "metric",
    "value",
    "values",
]
_READERS: list[Callable[[Any], Any]] = [
    lambda data: forms.targets_of(data, ALL, 0.5),
    lambda data: forms.series_of(data, 0.5),
    forms.seconds_of,
    forms.pools_of,
]


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_data_or_malformed(body: bytes) -> None:
    with contextlib.suppress(forms.Malformed):
        forms.data_of(body)
    forms.error_of(body)


@given(
    _VALUES,
    st.sampled_from(["activeTargets", "result", "scrapePools"]),
    st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=6),
)
@settings(max_examples=400, deadline=None)
def test_any_form_is_read_or_malformed(value: Any, key: str, inner: dict[str, Any]) -> None:
    for data in (value, {key: value}, {key: [inner], "resultType": "vector"}, {key: [inner], "resultType": "matrix"}):
        for reader in _READERS:
            with contextlib.suppress(forms.Malformed):
                reader(data)


@given(st.sampled_from(_KEYS), _VALUES)
@settings(max_examples=400, deadline=None)
def test_a_real_target_with_anything_in_one_place(key: str, value: Any) -> None:
    data = json.loads(recorded("targets"))["data"]
    labels = {"job": "apiserver", "instance": "a:1"}
    data["activeTargets"] = [{**data["activeTargets"][0], "labels": labels, key: value}]
    for found, _ in forms.targets_of(data, ALL, 0.5):
        assert found.role is Role.APISERVER
        assert found.interval_s > 0


@given(st.lists(st.tuples(st.floats(-1e12, 1e12), st.floats(allow_nan=True)), max_size=6), st.floats(-1e6, 1e6))
@settings(max_examples=200, deadline=None)
def test_any_points_make_a_series_or_none(points: list[tuple[float, float]], offset_s: float) -> None:
    given_ = {
        "resultType": "matrix",
        "result": [{"metric": {"job": "apiserver"}, "values": [[at, str(value)] for at, value in points]}],
    }
    for series in forms.series_of(given_, offset_s):
        assert isinstance(series, Series)
        forms.target_of_up(series, ALL)
