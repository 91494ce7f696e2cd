"""Which packets pass: over real routers with narrow links, and at the edges of each outcome."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from bot.model.observation import Connection, Failure, Fate, Handshake, Packet, Packets, Wire
from bot.probes._shared import sizes
from tests.net.servers import serving, silent
from tests.paths.routed import SERVER, Way, routed
from tests.pki import Authority
from tests.probes.scene import NOW, Scene, target

pytest.importorskip("fcntl")

ANSWERED = (
    Packet(size=128, fate=Fate.ARRIVED),
    Packet(size=1500, fate=Fate.ARRIVED),
    Packet(size=1528, fate=Fate.TOO_BIG_HERE, mtu=1500),
)


def wire(**given: int) -> Wire:
    return Wire(**{"rtt_s": 0.01, "packets_sent": 9, "segment": 1448, "segment_received": 1448, "path_mtu": 1500, **given})


def shake(failure: Failure | None = None, *, capped: bool = False, told: bool = True, **given: int) -> Handshake:
    shown = wire(**given) if told else None
    return Handshake(
        address="10.0.0.1",
        port=6443,
        server_name="api",
        started_at=NOW,
        duration_s=0.1,
        failure=failure,
        capped=capped,
        wire=shown,
    )


def connection(*, told: bool = True, address: str = "10.0.0.1") -> Connection:
    return Connection(address=address, port=6443, started_at=NOW, duration_s=0.1, wire=wire() if told else None)


def packets(*sent: Packet) -> Packets:
    return Packets(address="10.0.0.1", started_at=NOW, duration_s=0.1, sent=sent)


HANGS = Failure.TLS_TIMEOUT
LOST = (Packet(size=128, fate=Fate.ARRIVED), Packet(size=1500, fate=Fate.SILENT))


@pytest.mark.parametrize(
    ("seen", "outcome", "said"),
    [
        ({"normal": shake(), "large": shake()}, "full-size-passes", "segments of 1448 bytes"),
        ({"normal": shake(Failure.CERTIFICATE_EXPIRED), "large": shake()}, "full-size-passes", "large packets pass"),
        ({"normal": shake(), "large": shake(segment=1348)}, "smaller-path", "agrees on segments of 1348 bytes"),
        ({"normal": shake(), "large": shake(path_mtu=1300)}, "smaller-path", "takes packets of 1300 bytes"),
        ({"normal": shake(), "large": shake(told=False)}, "system-does-not-tell", "does not tell"),
        ({"normal": shake(HANGS), "small": shake()}, "black-hole", "works in segments of 500 bytes"),
        (
            {"normal": shake(HANGS), "small": shake(), "packets": packets(*LOST)},
            "black-hole",
            "packets of 128 bytes arrive, those of 1500 draw no answer",
        ),
        (
            {"normal": shake(), "large": shake(HANGS, resent=3), "large_in_small": shake()},
            "black-hole",
            "although they were sent 3 times again",
        ),
        (
            {"normal": shake(), "large": shake(HANGS, resent=3), "large_in_small": shake(HANGS)},
            "not-told",
            "in packets of any size",
        ),
        ({"normal": shake(), "large": shake(HANGS)}, "large-first-message-ignored", "does not answer it"),
        ({"normal": shake(HANGS), "small": shake(HANGS)}, "not-told", "tls-timeout"),
        ({"normal": shake(), "large": shake(Failure.TLS_RESET)}, "not-told", "tls-reset"),
        ({"normal": shake(), "large": shake(Failure.DEADLINE_CAPPED, capped=True)}, "deadline-capped", "round's time"),
    ],
)
def test_what_is_said_of_sizes(seen: dict[str, Any], outcome: str, said: str) -> None:
    verdict = sizes.judge(sizes.Seen(connection=connection(), **seen))
    assert verdict.outcome == outcome
    assert said in verdict.says


def test_a_narrow_link_of_this_machine_is_its_full_size() -> None:
    narrow = packets(
        Packet(size=128, fate=Fate.ARRIVED), *(Packet(size=size, fate=Fate.TOO_BIG_HERE, mtu=1420) for size in (1500, 1528))
    )
    seen = sizes.Seen(connection=connection(), normal=shake(), large=shake(segment=1368, path_mtu=1420), packets=narrow)
    assert sizes.judge(seen).outcome == "full-size-passes"


def test_the_filler_fills_more_than_one_packet_and_no_jumbo_one_on_loopback() -> None:
    for told, least, most in ((1448, 1448, 3000), (8949, 8949, 10_500), (65_483, 1448, 3000)):
        one = connection().model_copy(update={"wire": wire(segment=told)})
        assert least < sum(map(len, sizes.filler(one))) < most


async def test_behind_a_proxy_and_in_plain_http_sizes_are_not_compared() -> None:
    assert (await Scene(target=target(proxy_url="http://proxy.example.com:3128")).one("path-mtu")).outcome == "proxied"
    assert (await Scene(target=target("http://api.example.com:8080")).one("path-mtu")).outcome == "plain-http-target"


async def test_without_a_connection_there_is_nothing_to_compare() -> None:
    scene = Scene()
    scene.network.connects("10.0.0.1", failure=Failure.CONNECTION_REFUSED)
    assert (await scene.one("path-mtu")).outcome == "not-reached"


async def ask(way: Way) -> dict[str, Any]:
    authority = Authority()
    issued = authority.issue("api.example.com", SERVER, with_authority=True)
    listener = way.server.here(lambda: socket.create_server((SERVER, 0), backlog=50))
    async with serving(silent, tls=issued.server_context(alpn=("h2",)), sock=listener) as server:
        (found,) = await way.find("path-mtu", url=f"https://{SERVER}:{server.port}", ca=authority.pem)
    return found


@pytest.mark.netns
async def test_full_packets_pass_on_a_good_way() -> None:
    with routed() as way:
        found = await ask(way)
    assert found["outcome"] == "full-size-passes", found["sentence"]
    assert [one["fate"] for one in found["evidence"]["packets"]] == ["arrived", "arrived", "too-big-here"]


@pytest.mark.netns
async def test_a_narrow_way_that_says_so_is_no_problem() -> None:
    with routed(mtu=1300) as way:
        found = await ask(way)
    assert (found["outcome"], found["status"]) == ("smaller-path", "ok"), found["sentence"]
    assert "packets of 1300 bytes" in found["sentence"]
    assert "as 10.78.1.1 says" in found["sentence"]


@pytest.mark.netns
async def test_a_narrow_way_that_says_nothing_is_a_black_hole() -> None:
    """The certificate is small here, so that only what is sent to the server is lost."""
    with routed(mtu=1300, told=False) as way:
        found = await ask(way)
    assert (found["outcome"], found["status"]) == ("black-hole", "problem"), found["sentence"]
    assert "packets of 1280 bytes arrive, those of 1400 draw no answer" in found["sentence"]


@pytest.mark.netns
async def test_segments_that_were_clamped_are_told_from_a_black_hole() -> None:
    clamp = ["TCPMSS", "--set-mss", "1200"]
    with routed(mtu=1300, told=False) as way:
        assert way.router is not None
        match = ("-p", "tcp", "--tcp-flags", "SYN,RST", "SYN")
        with way.router.filter(*match, jump=clamp, chain="FORWARD", table="mangle"):
            found = await ask(way)
    assert found["outcome"] == "smaller-path", found["sentence"]
    assert "agrees on segments of" in found["sentence"]
