"""Whose clock is wrong: against servers with clocks of their own, and at the edges of each outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from bot.clock import SystemClock
from bot.model.finding import Finding
from bot.model.observation import HttpAnswer
from bot.model.target import Endpoint
from bot.net.own_clock import is_synchronised
from bot.net.round import RoundNetwork
from bot.probes._shared import clocks
from bot.probes._shared.clocks import Offset
from tests.net.servers import Handler, Server, serving
from tests.pki import Authority
from tests.ports import free_port
from tests.probes.scene import NOW, Scene, target

MINUTES = timedelta(minutes=1)


@pytest.fixture
async def network() -> AsyncGenerator[RoundNetwork]:
    async with RoundNetwork(clock=SystemClock(), deadline=time.monotonic() + 60) as network:
        yield network


def telling(*ahead: timedelta | None) -> Handler:
    """An API server whose clock is this far ahead, or several that answer by turns; None tells no time."""
    count = iter(range(1_000))

    async def handle(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        mine = ahead[next(count) % len(ahead)]
        date = "" if mine is None else f"Date: {format_datetime(datetime.now(UTC) + mine, usegmt=True)}\r\n"
        body = '{"gitVersion": "v1.36.2"}'
        writer.write(f"HTTP/1.1 200 OK\r\n{date}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()

    return handle


async def ask(network: RoundNetwork, server: Handler, *nodes: Handler) -> Finding:
    authority = Authority()
    context = authority.issue("127.0.0.1").server_context(alpn=("http/1.1",))
    async with serving(server, tls=context) as asked, serving(nodes[0] if nodes else server, tls=context) as node:
        scene = Scene(target=target(f"https://127.0.0.1:{asked.port}", ca_pem=authority.pem), now=datetime.now(UTC))
        if nodes:
            scene.nodes = (Endpoint(host="127.0.0.1", port=node.port),)
        (found,) = await scene.run("clock-difference", network=network)
    return found


async def test_clocks_that_agree_are_said_to(network: RoundNetwork) -> None:
    found = await ask(network, telling(timedelta(0)))
    assert (found.outcome, found.status, found.warning) == ("clocks-agree", "ok", None)
    ((least, most), *_) = next(iter(found.evidence["ahead_s"].values()))
    assert least <= 0 <= most
    assert found.evidence["own_clock_synchronised"] is is_synchronised()


async def test_a_difference_that_breaks_nothing_yet_is_warned_of(network: RoundNetwork) -> None:
    found = await ask(network, telling(timedelta(seconds=40)))
    assert found.outcome == "clocks-agree"
    assert "fresh tokens" in (found.warning or "")


async def test_one_server_does_not_tell_whose_clock_is_wrong(network: RoundNetwork) -> None:
    found = await ask(network, telling(-15 * MINUTES))
    assert (found.outcome, found.status) == ("clocks-differ", "problem")
    assert "15 min behind" in found.sentence


async def test_two_servers_that_agree_accuse_this_machine(network: RoundNetwork) -> None:
    found = await ask(network, telling(15 * MINUTES), telling(15 * MINUTES))
    assert found.outcome == "own-clock-off"
    assert "15 min ahead" in found.sentence


async def test_a_node_whose_clock_is_wrong_is_named(network: RoundNetwork) -> None:
    found = await ask(network, telling(timedelta(0)), telling(15 * MINUTES))
    assert found.outcome == "a-server-s-clock-off"
    assert "127.0.0.1" in found.sentence


async def test_two_servers_at_one_address_may_disagree(network: RoundNetwork) -> None:
    found = await ask(network, telling(timedelta(0), 15 * MINUTES))
    assert found.outcome == "a-server-s-clock-off"


async def test_a_server_that_tells_no_time_says_nothing(network: RoundNetwork) -> None:
    found = await ask(network, telling(None))
    assert (found.outcome, found.status) == ("time-not-told", "not-applicable")


async def test_without_an_answer_nothing_is_compared(network: RoundNetwork) -> None:
    scene = Scene(target=target(f"https://127.0.0.1:{free_port()}"))
    (found,) = await scene.run("clock-difference", network=network)
    assert found.outcome == "not-reached"


async def test_no_request_is_made_that_health_does_not_make() -> None:
    scene = Scene(nodes=(Endpoint(host="10.0.0.9", port=6443),))
    await asyncio.gather(*(scene.run(one) for one in ("apiserver-health", "control-plane-nodes")))
    before = list(scene.network.done)
    await scene.run("clock-difference")
    assert scene.network.done == before


def test_an_answer_gives_bounds_and_no_number() -> None:
    phases = {"connect": 1.0, "tls": 2.0, "send": 0.0, "wait": 4.0}
    date = format_datetime(NOW + timedelta(seconds=10), usegmt=True)
    answer = HttpAnswer(
        address="10.0.0.1",
        port=6443,
        path="/version",
        phases=phases,
        started_at=NOW,
        duration_s=7,
        status=200,
        headers={"date": date},
    )
    assert clocks.offset(answer) == Offset(least=3.0, most=8.0)


def test_what_may_be_within_the_leeway_is() -> None:
    assert not Offset(least=-100, most=-59).differs()
    assert Offset(least=-100, most=-61).differs()
    assert not Offset(least=59, most=61).differs(Offset(least=0, most=1))
    assert Offset(least=62, most=63).differs(Offset(least=0, most=1))
