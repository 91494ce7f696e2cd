"""Webhooks over real HTTP, on a real store: who may post, what is refused, and that one outage is one investigation."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from hypothesis import strategies as st
from structlog.testing import capture_logs

import bot.triggers
from bot.adapters.redis.store import connect
from bot.adapters.valkey import embedded
from bot.clock import SystemClock
from bot.config import Config
from bot.engine.intake import Intake
from bot.model.investigation import Investigation
from bot.playbook import Library
from bot.redact import Redactor
from bot.registry import Webhook, scan
from bot.render.thread_root import root
from bot.web.server import serve_http
from bot.web.webhooks import WebhookServices, webhook_routes
from tests.triggers.payloads import alert, body, payload, resolved

TOKEN = "4f1c0a9e7b3d5a86"
PATH = "/webhooks/alertmanager"
JSON = {"Content-Type": "application/json"}
AUTHORIZED = {**JSON, "Authorization": f"Bearer {TOKEN}"}


class Bot:
    """What a bot serves to Alertmanager, with nobody who carries investigations out; and a look at what was opened."""

    def __init__(self, url: str, intake: Intake, session: aiohttp.ClientSession, logged: list[Any]) -> None:
        self.url, self.intake, self.session, self.logged = url, intake, session, logged

    async def post(self, data: Any, headers: Mapping[str, str] = AUTHORIZED, path: str = PATH) -> tuple[int, str]:
        async with self.session.post(self.url + path, data=data, headers=headers) as answer:
            return answer.status, await answer.text()

    async def heard(self, *alerts: Any) -> dict[str, Any]:
        status, text = await self.post(body(*alerts))
        assert status == 202, text
        return json.loads(text)

    async def only(self) -> Investigation:
        (state,) = await self.intake.current()
        return state


@asynccontextmanager
async def serving(store_url: str, folder: Path, *, token: str | None = TOKEN, replica: str = "one") -> AsyncGenerator[Bot]:
    path = folder / "clusters.yaml"
    path.write_text("clusters: {prod: {server: api.prod, channels: C0PROD}}")
    config, clock, redactor = Config.load(path), SystemClock(), Redactor([TOKEN])
    store = connect(store_url, patience_s=1.0)
    intake = Intake(
        store=store, library=Library(playbooks={}), clock=clock, redactor=redactor, replica=replica, wake=lambda ref: None
    )
    services = WebhookServices(
        webhooks=scan(bot.triggers, Webhook),
        investigations=intake,
        config=lambda: config,
        clock=clock,
        redactor=redactor,
        token=token,
    )
    with capture_logs() as logged:
        task = asyncio.create_task(serve_http("127.0.0.1", 0, webhook_routes(services)), name="http")
        try:
            async with asyncio.timeout(10):
                while not logged:
                    await asyncio.sleep(0.01)
            async with aiohttp.ClientSession(auto_decompress=False) as session:
                yield Bot(logged[0]["at"][0], intake, session, logged)
        finally:
            task.cancel()
            await asyncio.wait([task])
            await store.close()


@pytest.fixture
async def store_url(tmp_path: Path) -> AsyncIterator[str]:
    async with embedded(tmp_path) as url:
        yield url


@pytest.fixture
async def bot_(store_url: str, tmp_path: Path) -> AsyncIterator[Bot]:
    async with serving(store_url, tmp_path) as served:
        yield served


# Who may post


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer ümläut"]
)
async def test_without_the_token_nothing_is_heard(bot_: Bot, given: str | None) -> None:
    status, text = await bot_.post(body(alert()), {**JSON, **({} if given is None else {"Authorization": given})})
    assert (status, text) == (401, "the bearer token is missing or not the one in APIDOWN_WEBHOOK_TOKEN\n")
    assert await bot_.intake.current() == []


async def test_without_a_token_set_webhooks_are_not_served(store_url: str, tmp_path: Path) -> None:
    async with serving(store_url, tmp_path, token=None) as served:
        assert await served.post(body(alert())) == (503, "webhooks are not served: APIDOWN_WEBHOOK_TOKEN is not set\n")
        assert await served.post(body(alert()), {**JSON, "Authorization": "Bearer "}) == (
            503,
            "webhooks are not served: APIDOWN_WEBHOOK_TOKEN is not set\n",
        )
        assert await served.intake.current() == []


async def test_only_posts_to_known_webhooks_are_served(bot_: Bot) -> None:
    assert (await bot_.post(body(alert()), path="/webhooks/grafana"))[0] == 404
    async with bot_.session.get(bot_.url + PATH, headers=AUTHORIZED) as answer:
        assert answer.status == 405


# What is refused


@pytest.mark.parametrize(
    ("data", "headers", "status", "said"),
    [
        (b"{", AUTHORIZED, 400, "the body is not JSON"),
        (b"{}", AUTHORIZED, 400, "this is not an Alertmanager notification of version 4: it has no version"),
        (body(alert()), {**AUTHORIZED, "Content-Type": "text/plain"}, 415, "the body is not plain application/json"),
        (gzip.compress(body(alert())), {**AUTHORIZED, "Content-Encoding": "gzip"}, 415, "the body is not plain application/json"),
        (b" " * (256 * 1024 + 1), AUTHORIZED, 413, "the body is larger than 262,144 bytes"),
    ],
)
async def test_what_cannot_be_used_is_refused_in_one_sentence(
    bot_: Bot, data: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    got, text = await bot_.post(data, headers)
    assert (got, text.startswith(said), text.count("\n")) == (status, True, 1)
    assert bot_.logged[-1]["event"] == "webhook-refused"
    assert await bot_.intake.current() == []


async def test_a_body_without_a_length_is_bounded_too(bot_: Bot) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 8192

    assert (await bot_.post(endless()))[0] == 413


async def test_a_body_that_breaks_off_is_the_senders_fault(bot_: Bot) -> None:
    place = urlsplit(bot_.url)
    _, writer = await asyncio.open_connection(place.hostname, place.port)
    head = [f"POST {PATH} HTTP/1.1", "Host: bot", *(f"{name}: {value}" for name, value in AUTHORIZED.items())]
    writer.write("\r\n".join([*head, "Transfer-Encoding: chunked", "", ""]).encode())
    writer.write(b"2\r\n{}\r\n")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(10):
        while bot_.logged[-1]["event"] != "webhook-refused":
            await asyncio.sleep(0.01)
    assert (bot_.logged[-1]["status"], bot_.logged[-1]["why"]) == (400, "the body broke off")
    assert (await bot_.heard(alert()))["opened"] == 1


async def test_whatever_json_is_posted_it_is_no_error_of_ours(bot_: Bot) -> None:
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    values = st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3), max_leaves=8
    )
    with_parts = st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("labels", "status", "startsAt", "endsAt", "fingerprint"), values)
    ).map(lambda parts: payload({**alert("Other"), **parts}))
    # Hypothesis drives functions that return, and this one is served by the loop that it runs in: draw first, post after.
    drawn: list[Any] = []
    collect(st.one_of(values, with_parts), drawn)
    statuses = {(await bot_.post(json.dumps(value).encode()))[0] for value in drawn}
    assert statuses == {202, 400}


def collect(strategy: st.SearchStrategy[Any], into: list[Any]) -> None:
    from hypothesis import HealthCheck, given, settings

    @settings(max_examples=150, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def draw(value: Any) -> None:
        into.append(value)

    draw()


# What is heard


async def test_an_alert_opens_an_investigation_in_the_clusters_channel(bot_: Bot) -> None:
    assert await bot_.heard(alert(), alert("Watchdog")) == {
        "opened": 1,
        "joined": 0,
        "repeated": 0,
        "resolved": 0,
        "not_acted_on": 0,
        "problems": [],
    }
    state = await bot_.only()
    assert (state.ref.cluster, state.opened.thread and state.opened.thread.channel) == ("prod", "C0PROD")
    assert (state.opened.trigger.kind, state.opened.trigger.who) == ("alert", "alertmanager")


async def test_a_thousand_posts_of_one_payload_are_one_investigation_of_two_events(
    bot_: Bot, store_url: str, tmp_path: Path
) -> None:
    twice = body(alert(), alert("TargetDown", job="apiserver"))
    async with serving(store_url, tmp_path, replica="two") as other:
        turns = asyncio.Semaphore(40)

        async def post(number: int) -> int:
            async with turns:
                return (await (bot_, other)[number % 2].post(twice))[0]

        assert set(await asyncio.gather(*map(post, range(1_000)))) == {202}
    state = await bot_.only()
    assert [one.name for one in state.alerts] == ["KubeAPIDown", "TargetDown"]
    assert len(state.joined) == 1


async def test_an_outage_is_told_in_any_order_and_counted_once(bot_: Bot) -> None:
    posts = [body(alert()), body(alert(instance="b")), body(alert("KubeletDown")), body(alert(), alert("KubeletDown"))]
    random.Random(7).shuffle(posts)
    for data in posts * 3:
        assert (await bot_.post(data))[0] == 202
    assert len((await bot_.only()).alerts) == 3
    assert (await bot_.heard(resolved(), resolved("Watchdog")))["resolved"] == 1
    assert (await bot_.heard(resolved()))["resolved"] == 0
    text = root(await bot_.only(), SystemClock().now()).model_dump_json()
    assert "3 alerts: " in text
    assert "resolved at 14:05 UTC" in text


async def test_labels_are_data_and_secrets_in_them_are_not_kept(bot_: Bot) -> None:
    token = "xoxb-1234567890-abcdefghij"
    await bot_.heard(alert(instance="<!channel> *b* <https://evil.example|ok>", severity=f"{token} {TOKEN}", password="hunter2x"))
    state = await bot_.only()
    shown = root(state, SystemClock().now()).model_dump_json()
    assert "&lt;!channel&gt;" in shown
    for text in (shown, state.model_dump_json(), json.dumps(bot_.logged, default=str)):
        assert token not in text
        assert TOKEN not in text
        assert "hunter2x" not in text
    assert "<!channel>" not in shown


async def test_what_cannot_be_placed_is_answered_and_logged_without_secrets(bot_: Bot) -> None:
    told = await bot_.heard(alert(cluster=f"<!here> {TOKEN}"), alert("KubeletDown"))
    assert (told["opened"], told["not_acted_on"]) == (1, 1)
    assert told["problems"] == ["KubeAPIDown: there is no cluster '<!here> [redacted]'"]
    assert bot_.logged[-1]["log_level"] == "warning"


async def test_while_the_store_is_away_the_sender_is_told_to_try_again_and_then_all_is_heard(tmp_path: Path) -> None:
    async with embedded(tmp_path) as url, serving(url, tmp_path) as served:
        pass
    async with serving(url, tmp_path) as served:
        status, text = await served.post(body(alert()))
        assert status == 503
        assert "store" in text
        async with embedded(tmp_path) as again:
            assert again == url
            assert (await served.heard(alert()))["opened"] == 1
