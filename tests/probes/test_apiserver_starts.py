"""Which processes answer, and since when: against servers that come and go, and at the edges of each outcome."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest

from bot.clock import SystemClock
from bot.model.finding import Finding
from bot.model.observation import Failure
from bot.net.round import RoundNetwork
from bot.probes._shared import starts
from bot.probes._shared.starts import Process, Sample
from tests.net.servers import serving, silent
from tests.pki import Authority, Issued
from tests.ports import free_port
from tests.probes.scene import NOW, Scene, target

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
async def network() -> AsyncGenerator[RoundNetwork]:
    async with RoundNetwork(clock=SystemClock(), deadline=time.monotonic() + 60) as network:
        yield network


def issued(*, ago: timedelta, left: timedelta = timedelta(days=300), name: str = starts.LOOPBACK_NAME) -> Issued:
    """What an API server that was started so long ago presents, and for how long it is valid."""
    second = int((datetime.now(UTC) - ago).timestamp())
    authority = Authority(common_name=f"{name}-ca@{second}")
    return authority.issue(name, common_name=f"{name}@{second}", valid_from=-ago - HOUR, valid_to=left, with_authority=True)


async def ask(network: RoundNetwork, port: int, **params: float) -> Finding:
    (found,) = await Scene(target=target(f"https://127.0.0.1:{port}"), seconds=30, live=True).run(
        "apiserver-starts", network=network, **params
    )
    return found


@pytest.mark.parametrize(
    ("given", "outcome", "said"),
    [
        ({"ago": 3 * HOUR}, "running", "3 h ago"),
        ({"ago": 5 * MINUTE}, "started-lately", "5 min ago"),
        ({"ago": 3 * HOUR, "left": -HOUR}, "loopback-certificate-expired", "expired at"),
        ({"ago": 3 * HOUR, "name": "kubernetes"}, "start-not-told", "does not present"),
    ],
)
async def test_what_a_server_says_of_its_start(network: RoundNetwork, given: dict, outcome: str, said: str) -> None:
    async with serving(silent, tls=issued(**given).server_context(alpn=("h2",))) as server:
        found = await ask(network, server.port, seconds=0)
    assert found.outcome == outcome, found.sentence
    assert said in found.sentence


async def test_a_certificate_that_runs_out_is_warned_of(network: RoundNetwork) -> None:
    lasts = issued(ago=3 * HOUR, left=timedelta(days=9))
    async with serving(silent, tls=lasts.server_context(alpn=("h2",))) as server:
        found = await ask(network, server.port, seconds=0)
    assert (found.outcome, found.status) == ("running", "ok")
    assert "needs a restart before" in (found.warning or "")


async def test_three_handshakes_are_enough_where_all_is_well(network: RoundNetwork) -> None:
    async with serving(silent, tls=issued(ago=3 * HOUR).server_context(alpn=("h2",))) as server:
        found = await ask(network, server.port)
    assert found.evidence["order"] == "aaa"


async def test_one_that_starts_and_dies_again_is_seen_to(network: RoundNetwork) -> None:
    port = free_port()

    async def comes_and_goes() -> None:
        for _ in range(2):
            await asyncio.sleep(1.0)
            listener = socket.create_server(("127.0.0.1", port))
            async with serving(silent, tls=issued(ago=timedelta(0)).server_context(alpn=("h2",)), sock=listener):
                await asyncio.sleep(1.6)
        await asyncio.sleep(30)

    server = asyncio.create_task(comes_and_goes())
    found = await ask(network, port)
    server.cancel()
    await asyncio.wait({server})
    assert (found.outcome, found.status) == ("dies-young", "problem"), found.sentence
    assert set(found.evidence["order"]) == {"a", "b", "-"}


async def test_where_nothing_listens_no_start_is_told(network: RoundNetwork) -> None:
    found = await ask(network, free_port(), seconds=1)
    assert (found.outcome, found.status) == ("not-reached", "not-applicable")


async def test_behind_a_proxy_starts_are_not_looked_at() -> None:
    assert (await Scene(target=target(proxy_url="http://proxy.example.com:3128")).one("apiserver-starts")).outcome == "proxied"


async def test_what_the_round_s_end_cut_short_says_nothing() -> None:
    scene = Scene()
    scene.network.answers_in_turn("10.0.0.1", Failure.DEADLINE_CAPPED)
    assert (await scene.one("apiserver-starts")).outcome == "deadline-capped"


def row(order: str, *, born: dict[str, int], every_s: float = 1.0) -> list[Sample]:
    """A letter is a process that was started so many seconds after the first sample, ``-`` a failure."""
    made = []
    for number, mark in enumerate(order):
        started = NOW + timedelta(seconds=born.get(mark, 0))
        process = Process(fingerprint=mark, started=started, expires=NOW + timedelta(days=300))
        at = NOW + timedelta(seconds=number * every_s)
        made.append(Sample(at=at, failed="connection-refused") if mark == "-" else Sample(at=at, process=process))
    return made


@pytest.mark.parametrize(
    ("order", "born", "outcome"),
    [
        ("-aa-bb-", {"a": 0, "b": 3}, "dies-young"),
        ("-aa----", {"a": 0}, "dies-young"),
        ("gaga-gg-g-", {"g": -9000, "a": -300}, "started-lately"),  # one good server and a dead one; both were there before
        ("aa--aa--a", {"a": -100}, "started-lately"),  # an address with two holders
        ("aa--aa--", {"a": -100}, "started-lately"),
        ("aaaa---", {"a": -9000}, "running"),  # an old one goes: that it was stopped says another probe
        ("-aaa", {"a": 0}, "started-lately"),  # it is back
        ("a-bbb", {"a": -9000, "b": 1}, "started-lately"),  # an old one is restarted
        ("a-bb-b", {"a": -200, "b": -100}, "started-lately"),  # two young servers and a dead one
        ("a-b-", {"a": 500, "b": 600}, "started-lately"),  # the server's clock is ahead of this one
    ],
)
def test_who_dies_young_is_told_from_who_has_a_dead_neighbour(order: str, born: dict[str, int], outcome: str) -> None:
    assert starts.judge(row(order, born=born), NOW + timedelta(seconds=12)).outcome == outcome
