from __future__ import annotations

import asyncio
import time

import pytest

from bot.clock import SystemClock
from bot.model.observation import Failure
from bot.model.target import Target
from bot.net.round import RoundNetwork
from bot.ports import Network
from tests.net.servers import OK, Server, answering, serving, silent, until
from tests.net.test_http import Secrets
from tests.net.test_tcp import full_backlog
from tests.pki import Authority

NAME = "api.example.test"


def _network(seconds: float = 60, *, health_limit: int = 4) -> RoundNetwork:
    return RoundNetwork(clock=SystemClock(), deadline=time.monotonic() + seconds, health_limit=health_limit)


async def test_it_is_the_network_that_probes_ask_for(network: RoundNetwork) -> None:
    asked: Network = network
    assert asked.requests_made() == 0


async def test_what_two_ask_at_once_or_again_is_done_once(network: RoundNetwork) -> None:
    async with serving(answering(OK)) as server:
        target = Target.from_url(f"http://{NAME}:{server.port}")
        one, two = await asyncio.gather(*(network.request("127.0.0.1", target, "/livez") for _ in range(2)))
        three = await network.request("127.0.0.1", target, "/livez")
    assert one is two is three
    assert server.connections == 1
    assert network.requests_made() == 1


async def test_different_credentials_are_different_requests(network: RoundNetwork, authority: Authority) -> None:
    async with serving(answering(OK), tls=authority.issue(NAME).server_context()) as server:
        target = Target.from_url(f"https://{NAME}:{server.port}", ca_pem=authority.pem)
        for token in ("first-token", "second-token"):
            # Nothing else holds them, so the second could get the first one's identity.
            await network.request("127.0.0.1", target, "/livez", credentials=Secrets(token=token))
        await network.request("127.0.0.1", target, "/livez")
    assert server.connections == 3
    assert b"second-token" in server.received


async def test_one_callers_cancellation_takes_nothing_from_the_others(network: RoundNetwork) -> None:
    gate = asyncio.Event()

    async def held(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.received += await reader.read(65_536)
        await gate.wait()
        writer.write(OK)
        await writer.drain()
        await silent(server, reader, writer)

    async with serving(held) as server:
        target = Target.from_url(f"http://{NAME}:{server.port}")
        first = asyncio.create_task(network.request("127.0.0.1", target, "/livez"))
        second = asyncio.create_task(network.request("127.0.0.1", target, "/livez"))
        await until(lambda: bool(server.received))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        gate.set()
        answer = await second
    assert answer.status == 200
    assert server.connections == 1


async def test_an_operation_whose_only_caller_left_ends_with_the_round() -> None:
    async with serving(silent) as server:
        network = _network()
        caller = asyncio.create_task(network.handshake("127.0.0.1", server.port, server_name=NAME, ca_pem=None))
        await until(lambda: bool(server.received))
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        before = asyncio.all_tasks()
        await network.aclose()
        await network.aclose()
        assert any(task.get_name() == "handshake 127.0.0.1" for task in before)
        assert not any(task.get_name() == "handshake 127.0.0.1" for task in asyncio.all_tasks())


async def test_a_closed_round_says_so_to_who_waits_and_who_comes_later() -> None:
    async with serving(silent) as server:
        network = _network()
        caller = asyncio.create_task(network.handshake("127.0.0.1", server.port, server_name=NAME, ca_pem=None))
        await until(lambda: bool(server.received))
        await network.aclose()
        with pytest.raises(RuntimeError, match="round ended"):
            await caller
        with pytest.raises(RuntimeError, match="round is over"):
            await network.connect("127.0.0.1", server.port)


async def test_an_api_server_gets_no_more_requests_than_its_budget() -> None:
    async with serving(answering(OK)) as server, serving(answering(OK)) as other, _network(health_limit=2) as network:
        target = Target.from_url(f"http://{NAME}:{server.port}")
        seen = await asyncio.gather(*(network.request("127.0.0.1", target, f"/{number}") for number in range(5)))
        elsewhere = await network.request("127.0.0.1", Target.from_url(f"http://{NAME}:{other.port}"), "/")
        assert sorted(str(one.failure) for one in seen) == ["None", "None", *[str(Failure.BUDGET_SPENT)] * 3]
        assert elsewhere.ok
        assert server.connections == 2
        assert network.requests_made() == 3


async def test_a_request_that_was_never_sent_costs_nothing(authority: Authority) -> None:
    impostor = Authority().issue(NAME).server_context()
    async with serving(answering(OK), tls=impostor) as server, _network(health_limit=1) as network:
        target = Target.from_url(f"https://{NAME}:{server.port}", ca_pem=authority.pem)
        refused = await network.request("127.0.0.1", target, "/livez")
        answered = await network.request("127.0.0.1", target, "/livez", verify=False)
        assert refused.failure is Failure.CERTIFICATE_UNKNOWN_AUTHORITY
        assert answered.status == 200
        assert network.requests_made() == 1


async def test_a_time_out_cut_by_the_round_is_never_called_silence() -> None:
    with full_backlog() as port:
        async with serving(silent) as server, _network(0.3) as network:
            target = Target.from_url(f"http://{NAME}:{server.port}")
            seen = await asyncio.gather(
                network.connect("127.0.0.1", port),
                network.handshake("127.0.0.1", server.port, server_name=NAME, ca_pem=None),
                network.plaintext("127.0.0.1", server.port),
                network.request("127.0.0.1", target, "/"),
            )
    assert [(one.failure, one.capped) for one in seen] == [(Failure.DEADLINE_CAPPED, True)] * 4
    assert all("the round's time was over" in (one.raw_error or "") for one in seen)


async def test_a_peer_that_never_stops_sending_is_stopped_by_the_time() -> None:
    async def flood(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
            await writer.drain()

    async with serving(flood) as server, _network(0.3) as network:
        seen = await network.request("127.0.0.1", Target.from_url(f"http://{NAME}:{server.port}"), "/")
    assert seen.failure is Failure.DEADLINE_CAPPED
    assert seen.status is None


async def test_after_the_deadline_nothing_is_tried() -> None:
    async with serving(answering(OK)) as server, _network(-1) as network:
        target = Target.from_url(f"http://{NAME}:{server.port}")
        seen = [
            await network.connect("127.0.0.1", server.port),
            await network.handshake("127.0.0.1", server.port, server_name=NAME, ca_pem=None),
            await network.plaintext("127.0.0.1", server.port),
            await network.request("127.0.0.1", target, "/"),
        ]
        assert server.connections == 0
    assert [(one.failure, one.capped) for one in seen] == [(Failure.DEADLINE_CAPPED, True)] * 4
    assert network.requests_made() == 0


async def test_a_failure_within_the_time_that_is_left_is_itself() -> None:
    async with serving(answering(OK)) as server, _network(2) as network:
        seen = await network.request("127.0.0.1", Target.from_url(f"http://{NAME}:{server.port}"), "/")
    assert seen.ok
    assert not seen.capped
