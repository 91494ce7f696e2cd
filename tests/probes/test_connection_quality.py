"""What is said of the way, by what the kernel measured: over real long and lossy ways, and at the edges of each outcome."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.model.observation import Connection, Failure, Wire
from bot.probes._shared import quality
from bot.probes.connection_quality import connection_quality
from tests.net.servers import serving, silent
from tests.paths.routed import SERVER, Way, long
from tests.pki import Authority
from tests.probes.scene import Scene, target

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def one(
    rtt: float = 0.01, *, resent: int = 0, connecting: int = 0, failure: Failure | None = None, told: bool = True
) -> Connection:
    wire = Wire(rtt_s=rtt, least_rtt_s=rtt, packets_sent=10, resent=resent, resent_connecting=connecting)
    told = told and failure is None
    return Connection(address="10.0.0.1", port=6443, started_at=NOW, duration_s=rtt, failure=failure, wire=wire if told else None)


SILENT = one(failure=Failure.CONNECT_TIMEOUT)
REFUSED = one(failure=Failure.CONNECTION_REFUSED)


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        ([one()] * 12, "quick"),
        ([one(resent=1), *[one()] * 11], "quick"),
        ([one(resent=1), one(resent=2), *[one()] * 10], "lossy"),
        ([one(resent=1), one(resent=1, connecting=1), *[one()] * 10], "lossy"),
        ([one(resent=1), SILENT, *[one()] * 10], "lossy"),
        ([one(resent=1, connecting=1), one(resent=2, connecting=2), *[one()] * 10], "first-packets-lost"),
        ([one(resent=1, connecting=1), SILENT, *[one()] * 10], "first-packets-lost"),
        ([one(0.3)] * 12, "slow"),
        ([one(0.29)] * 12, "quick"),
        ([*[one(0.02)] * 8, one(0.25)], "uneven"),
        ([*[one(0.1)] * 8, one(0.29)], "quick"),
        ([one(0.0004), one(0.02), one(0.0005)], "quick"),
        ([one(), one()], "deadline-capped"),
        ([one(told=False)] * 3, "system-does-not-tell"),
        ([REFUSED] * 12, "not-reached"),
        ([SILENT] * 3, "not-reached"),
    ],
)
def test_what_is_said_of_the_way(seen: list[Connection], outcome: str) -> None:
    assert quality.judge(seen).outcome == outcome


def test_how_much_was_lost_is_said_with_how_much_was_sent() -> None:
    verdict = quality.judge([one(resent=2), one(resent=1), *[one()] * 8])
    assert "3 of 100 that were sent to it (3%) had to be sent again, on 10 connections" in verdict.says


async def test_behind_a_proxy_nothing_is_measured() -> None:
    scene = Scene(target=target(proxy_url="http://proxy.example.com:3128"))
    assert (await scene.one("connection-quality")).outcome == "proxied"
    assert not scene.network.done


async def test_a_system_that_does_not_tell_is_not_checked_and_says_what_to_run() -> None:
    finding = await Scene().one("connection-quality")
    assert (finding.outcome, finding.status) == ("system-does-not-tell", "not-checked")
    assert "mtr" in (finding.todo or "")


async def test_no_connection_is_made_that_another_probe_does_not_make() -> None:
    scene = Scene()
    await asyncio.gather(*(scene.run(one) for one in ("fresh-connections", "tcp-connect", "tls-handshake")))
    before = list(scene.network.done)
    await scene.run("connection-quality")
    assert scene.network.done == before


def lose_every(nth: int, which: Callable[[bytes], bool]) -> Callable[[bytes], bool]:
    """Every n-th packet of the client's TCP that is of the kind."""
    count = itertools.count(1)
    return lambda packet: packet[9] == socket.IPPROTO_TCP and which(packet) and next(count) % nth == 0


def begins(packet: bytes) -> bool:
    return bool(packet[33] & 0x02)


def carries(packet: bytes) -> bool:
    return len(packet) > 60 and not begins(packet)


async def ask(way: Way, **given: Any) -> dict[str, Any]:
    authority = Authority()
    issued = authority.issue("api.example.com", SERVER)
    async with serving(silent, tls=issued.server_context(alpn=("h2",)), sock=way.server.here(lambda: _listener())) as server:
        (found,) = await way.find("connection-quality", url=f"https://{SERVER}:{server.port}", ca=authority.pem, **given)
    return found


def _listener() -> socket.socket:
    return socket.create_server((SERVER, 0), backlog=50)


@pytest.mark.netns
@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ({"one_way_s": 0.005}, "quick"),
        ({"one_way_s": 0.16}, "slow"),
        ({"lose": lose_every(5, carries)}, "lossy"),
        ({"lose": lose_every(4, begins)}, "first-packets-lost"),
    ],
)
async def test_a_real_way_is_called_what_it_is(given: dict[str, Any], outcome: str) -> None:
    with long(**given) as way:
        found = await ask(way)
    assert found["outcome"] == outcome, found["sentence"]
    assert found["evidence"]["connections"] >= 3


@pytest.mark.netns
async def test_nothing_is_measured_where_nobody_listens() -> None:
    with long() as way, ExitStack():
        (found,) = await way.find("connection-quality", url=f"https://{SERVER}:6443", seconds=1.0)
    assert found["outcome"] == "not-reached"


def test_every_outcome_is_declared_once() -> None:
    assert connection_quality.outcomes == quality.OUTCOMES
