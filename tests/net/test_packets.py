"""How large a packet the way carries, and what the kernel measures on it, over real routers and long ways."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest

from bot.net.wire import parse
from tests.paths.routed import CLIENT, SERVER, Way, long, routed

pytestmark = pytest.mark.netns

_SEND = """
import asyncio, json, sys
from bot.clock import SystemClock
from bot.net.packets import packets

address, sizes = json.loads(sys.argv[1])
print(asyncio.run(packets(address, sizes, clock=SystemClock())).model_dump_json())
"""

_CONNECT = """
import asyncio, json, sys
from bot.clock import SystemClock
from bot.net.tcp import connect

address, port = json.loads(sys.argv[1])
print(asyncio.run(connect(address, port, clock=SystemClock())).model_dump_json())
"""


async def _send(way: Way, *sizes: int, address: str = SERVER) -> dict[int, dict[str, Any]]:
    said = await asyncio.to_thread(way.ask, "-c", _SEND, json.dumps([address, sizes]))
    assert said["failure"] is None, said
    return {one["size"]: one for one in said["sent"]}


async def test_packets_that_arrive_are_answered_by_the_host_itself() -> None:
    with routed() as way:
        sent = await _send(way, 100, 1500)
    assert {size: (one["fate"], one["by"]) for size, one in sent.items()} == {
        100: ("arrived", SERVER),
        1500: ("arrived", SERVER),
    }


async def test_a_router_that_says_so_is_named_with_the_size_that_passes() -> None:
    with routed(mtu=1300) as way:
        sent = await _send(way, 1300, 1301, 1500)
    assert sent[1300]["fate"] == "arrived"
    assert (sent[1301]["fate"], sent[1301]["mtu"], sent[1301]["by"]) == ("too-big", 1300, "10.78.1.1")
    assert (sent[1500]["fate"], sent[1500]["mtu"]) == ("too-big", 1300)


async def test_a_router_that_says_nothing_leaves_silence() -> None:
    with routed(mtu=1300, told=False) as way:
        sent = await _send(way, 100, 1500)
    assert (sent[100]["fate"], sent[1500]["fate"]) == ("arrived", "silent")


async def test_what_this_machine_s_own_link_does_not_take_is_its_own() -> None:
    with routed() as way:
        sent = await _send(way, 1501)
    assert (sent[1501]["fate"], sent[1501]["mtu"]) == ("too-big-here", 1500)


async def test_somebody_else_s_refusal_is_not_an_arrival() -> None:
    with routed() as way:
        assert way.router is not None
        with way.router.filter("-p", "udp", jump=["REJECT", "--reject-with", "icmp-admin-prohibited"], chain="FORWARD"):
            sent = await _send(way, 100)
    assert (sent[100]["fate"], sent[100]["by"]) == ("refused", "10.78.1.1")


async def test_the_round_trip_and_a_lost_first_packet_are_measured() -> None:
    lost: list[bytes] = []

    def first_syn(packet: bytes) -> bool:
        if packet[9] == socket.IPPROTO_TCP and packet[33] & 0x02 and not lost:
            lost.append(packet)
            return True
        return False

    with long(one_way_s=0.1, lose=first_syn) as way:
        listener = way.server.here(lambda: socket.create_server((SERVER, 0)))
        with listener:
            port = listener.getsockname()[1]
            seen = [await asyncio.to_thread(way.ask, "-c", _CONNECT, json.dumps([SERVER, port])) for _ in range(2)]
    assert lost
    assert [one["wire"]["resent_connecting"] for one in seen] == [1, 0]
    assert seen[0]["local_address"] == CLIENT
    assert seen[0]["duration_s"] > 1
    assert 0.2 <= seen[1]["wire"]["rtt_s"] < 0.9
    assert seen[1]["wire"]["path_mtu"] == 1500
    assert seen[1]["wire"]["segment"] == 1448


def test_a_kernel_that_tells_too_little_says_nothing() -> None:
    assert parse(bytes(104)) is None
    assert parse(bytes(256)) is not None
