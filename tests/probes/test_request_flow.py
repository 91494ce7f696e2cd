"""Which phase of a request takes its time: against servers that are slow in one of them, and at the edges of each outcome."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.clock import SystemClock
from bot.demo.pki import Authority as DemoAuthority
from bot.demo.server import Behaviour, api_server
from bot.model.finding import Finding
from bot.model.observation import Failure, HttpAnswer, Lookup
from bot.net.round import RoundNetwork
from bot.probes._shared import flow
from bot.render.chart import chart_lines
from tests.pki import Authority
from tests.ports import free_port
from tests.probes.scene import NOW, OwnCredentials, Scene, target

SLOW_S = 1.1
PATHS = ("/livez?verbose", "/readyz?verbose", "/version", "/api/v1/namespaces/default")


@pytest.fixture
async def network() -> AsyncGenerator[RoundNetwork]:
    async with RoundNetwork(clock=SystemClock(), deadline=time.monotonic() + 60) as network:
        yield network


@dataclass(frozen=True, kw_only=True)
class Slow:
    """How long a server takes for each thing, in seconds; ``storage_s`` is for what is not the version."""

    tls_s: float = 0
    first_s: float = 0
    storage_s: float = 0
    body_s: float = 0


@contextmanager
def serving(slow: Slow) -> Generator[Scene]:
    """A server with a thread for each connection; the ladder connects and goes away as well."""
    authority, stopped = Authority(), threading.Event()
    context = authority.issue("127.0.0.1").server_context(alpn=("http/1.1",))

    def answer(sock: socket.socket) -> None:
        with closing(sock), suppress(OSError):
            sock.settimeout(30)
            stopped.wait(slow.tls_s)
            with context.wrap_socket(sock, server_side=True) as stream:
                head = stream.recv(65_536)
                if not head:
                    return
                stopped.wait(slow.first_s + (0 if head.startswith(b"GET /version ") else slow.storage_s))
                stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
                stopped.wait(slow.body_s)
                stream.sendall(b"ok")

    def accept() -> None:
        with suppress(OSError):
            while not stopped.is_set():
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            url = f"https://127.0.0.1:{listener.getsockname()[1]}"
            yield Scene(target=target(url, ca_pem=authority.pem), now=datetime.now(UTC))
        finally:
            stopped.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=10)


async def ask(network: RoundNetwork, slow: Slow) -> Finding:
    with serving(slow) as scene:
        (found,) = await scene.run("request-flow", network=network)
    return found


@pytest.mark.parametrize(
    ("slow", "outcome"),
    [
        ({}, "quick"),
        ({"tls_s": SLOW_S}, "slow-tls"),
        ({"first_s": SLOW_S}, "slow-first-byte"),
        ({"storage_s": SLOW_S}, "slow-storage"),
        ({"body_s": SLOW_S}, "slow-body"),
        ({"tls_s": SLOW_S, "first_s": 2 * SLOW_S}, "slow-first-byte"),
    ],
)
async def test_the_phase_that_takes_the_time_is_named(network: RoundNetwork, slow: dict[str, float], outcome: str) -> None:
    found = await ask(network, Slow(**slow))
    assert found.outcome == outcome, found.sentence
    assert len(chart_lines(found.evidence["chart"])) == 6
    assert set(found.evidence["paths"]) == {*PATHS, "/healthz"}


async def test_a_request_that_is_not_answered_ends_in_its_phase(network: RoundNetwork) -> None:
    found = await ask(network, Slow(first_s=20))
    assert (found.outcome, found.status) == ("ends-early", "not-applicable")
    assert "in the phase first byte" in found.sentence
    assert found.evidence["chart"][-1]["ended"] is False


async def test_with_credentials_no_more_is_asked_than_the_ladder_and_one_object(network: RoundNetwork) -> None:
    authority = DemoAuthority()
    serves = Behaviour(serving=authority.server(["127.0.0.1"]), client_ca=authority.pem, token="not-a-real-token")
    async with api_server(serves) as port:
        url = f"https://127.0.0.1:{port}"
        scene = Scene(target=target(url, ca_pem=authority.pem), credentials=OwnCredentials(), now=datetime.now(UTC))
        found = [(await scene.run(one, network=network))[0] for one in ("apiserver-health", "apiserver-auth", "request-flow")]
    assert [one.outcome for one in found] == ["healthy", "accepted", "quick"]
    assert {path: said["answer"] for path, said in found[-1].evidence["paths"].items()} == dict.fromkeys(PATHS, 200)
    assert found[-1].evidence["paths"]["/api/v1/namespaces/default"]["with_credentials"] is True
    assert network.requests_made() == 5


async def test_where_nothing_listens_there_is_no_flow(network: RoundNetwork) -> None:
    scene = Scene(target=target(f"https://127.0.0.1:{free_port()}"))
    (found,) = await scene.run("request-flow", network=network)
    assert found.outcome == "not-reached"


def lookup(seconds: float = 0.001) -> Lookup:
    return Lookup(name="api.example.com", addresses=("10.0.0.1",), started_at=NOW, duration_s=seconds)


def answers(*, status: int | None = 200, failure: Failure | None = None, only: str = "", **phases: float) -> list[HttpAnswer]:
    """One to each path; what is given is for the path ``only``, or for all."""
    made = []
    for path in PATHS:
        mine = path == only or not only
        shown: dict[str, Any] = {"status": status, "failure": failure} if mine else {"status": 200}
        took = {"connect": 0.01, "tls": 0.02, "send": 0.0, "wait": 0.02, "receive": 0.0, **(phases if mine else {})}
        made.append(HttpAnswer(address="10.0.0.1", port=6443, path=path, phases=took, started_at=NOW, duration_s=0.1, **shown))
    return made


@pytest.mark.parametrize(
    ("seen", "given", "outcome"),
    [
        (lookup(1.0), answers(), "slow-name"),
        (lookup(0.9), answers(), "quick"),
        (lookup(), answers(connect=1.02), "slow-connect"),
        (lookup(), answers(connect=0.6, tls=1.5, wait=1.5), "quick"),
        (lookup(), answers(status=403), "quick"),
        (lookup(), answers(status=401, only=PATHS[3]), "quick"),
        (lookup(), answers(status=504, only=PATHS[3]), "object-unanswered"),
        (lookup(), answers(status=None, failure=Failure.HTTP_TIMEOUT, only=PATHS[3]), "object-unanswered"),
        (lookup(), answers(status=None, failure=Failure.HTTP_RESET, only=PATHS[0]), "ends-early"),
        (lookup(), answers(status=None, failure=Failure.DEADLINE_CAPPED, only=PATHS[0]), "deadline-capped"),
        (lookup(), answers(status=None, failure=Failure.BUDGET_SPENT, only=PATHS[3]), "quick"),
    ],
)
def test_the_edges_of_each_outcome(seen: Lookup, given: list[HttpAnswer], outcome: str) -> None:
    assert flow.judge(seen, given).outcome == outcome


def test_the_flow_is_one_readable_line() -> None:
    assert flow.judge(lookup(), answers()).says == (
        "answers without delay: name 1.0 ms, TCP 10 ms, TLS 20 ms, first byte 20 ms; /livez 200 in 100 ms, "
        "/readyz 200 in 100 ms, /version 200 in 100 ms, /api/v1/namespaces/default 200 in 100 ms"
    )
