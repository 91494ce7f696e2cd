from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import SystemClock
from bot.model.observation import Failure
from bot.net.dns import SystemResolver, lookup_system, read_answer
from bot.net.round import RoundNetwork
from tests.ports import free_port

NAME = "api.example.test"


class _Answering(asyncio.DatagramProtocol):
    def __init__(self, answer: Callable[[dns.message.Message], list[bytes]]) -> None:
        self._answer = answer
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self.transport is not None
        for wire in self._answer(dns.message.from_wire(data)):
            self.transport.sendto(wire, addr)


@asynccontextmanager
async def _server(answer: Callable[[dns.message.Message], list[bytes]]) -> AsyncGenerator[str]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Answering(answer), local_addr=("127.0.0.1", 0))
    try:
        yield f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()


def _records(
    records: dict[str, tuple[int, list[str]]], rcode: dns.rcode.Rcode = dns.rcode.NOERROR
) -> Callable[[dns.message.Message], list[bytes]]:
    def answer(query: dns.message.Message) -> list[bytes]:
        response = dns.message.make_response(query)
        response.set_rcode(rcode)
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        if kind in records:
            ttl, addresses = records[kind]
            response.answer.append(dns.rrset.from_text(query.question[0].name, ttl, "IN", kind, *addresses))
        return [response.to_wire()]

    return answer


@pytest.mark.parametrize(("name", "address"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("[fd00::1]", "fd00::1")])
@pytest.mark.parametrize("server", [None, "127.0.0.1"])
async def test_an_address_resolves_to_itself(network: RoundNetwork, name: str, address: str, server: str | None) -> None:
    seen = await network.lookup(name, server=server)
    assert (seen.addresses, seen.failure) == ((address,), None)


async def test_the_system_knows_its_own_hosts_file(network: RoundNetwork) -> None:
    seen = await network.lookup("localhost")
    assert "127.0.0.1" in seen.addresses
    assert seen.server is None


@pytest.mark.parametrize("name", ["x" * 64 + ".example.test", "a..b", "a\0b"])
async def test_an_impossible_name_is_not_found(network: RoundNetwork, name: str) -> None:
    seen = await network.lookup(name)
    assert seen.failure is Failure.NAME_NOT_FOUND
    assert seen.raw_error


async def test_a_server_is_asked_for_both_kinds_of_address(network: RoundNetwork) -> None:
    async with _server(_records({"A": (30, ["10.0.0.1", "10.0.0.2"]), "AAAA": (20, ["fd00::1"])})) as server:
        seen = await network.lookup(NAME, server=server)
    assert set(seen.addresses[:2]) == {"10.0.0.1", "10.0.0.2"}
    assert seen.addresses[2:] == ("fd00::1",)
    assert (seen.rcode, seen.ttl_s, seen.server) == ("NOERROR", 20, server)


async def test_one_kind_of_address_is_enough(network: RoundNetwork) -> None:
    def answer(query: dns.message.Message) -> list[bytes]:
        if query.question[0].rdtype == dns.rdatatype.A:
            return _records({"A": (5, ["10.0.0.1"])})(query)
        return _records({}, dns.rcode.SERVFAIL)(query)

    async with _server(answer) as server:
        seen = await network.lookup(NAME, server=server)
    assert (seen.addresses, seen.failure, seen.raw_error) == (("10.0.0.1",), None, None)


@pytest.mark.parametrize(
    ("rcode", "failure"),
    [
        (dns.rcode.NXDOMAIN, Failure.NAME_NOT_FOUND),
        (dns.rcode.NOERROR, Failure.NAME_HAS_NO_ADDRESS),
        (dns.rcode.SERVFAIL, Failure.RESOLVER_FAILING),
        (dns.rcode.REFUSED, Failure.RESOLVER_FAILING),
    ],
)
async def test_each_answer_code_has_its_name(network: RoundNetwork, rcode: dns.rcode.Rcode, failure: Failure) -> None:
    async with _server(_records({}, rcode)) as server:
        seen = await network.lookup(NAME, server=server)
    assert (seen.failure, seen.rcode) == (failure, dns.rcode.to_text(rcode))
    assert seen.raw_error


async def test_a_silent_server_and_a_closed_port_differ(network: RoundNetwork) -> None:
    async with _server(lambda _query: []) as server:
        silent = await network.lookup(NAME, server=server)
    closed = await network.lookup(NAME, server=f"127.0.0.1:{free_port()}")
    assert (silent.failure, silent.raw_error) == (Failure.RESOLVER_TIMEOUT, "timed out after 2.0 s")
    assert closed.failure is Failure.RESOLVER_FAILING
    assert "errno=111" in (closed.raw_error or "")


async def test_answers_to_other_questions_are_not_believed(network: RoundNetwork) -> None:
    def answer(query: dns.message.Message) -> list[bytes]:
        other = dns.message.make_query("evil.example.test", query.question[0].rdtype)
        other.flags |= dns.flags.RD
        return _records({"A": (5, ["6.6.6.6"])})(other) + _records({"A": (5, ["10.0.0.1"])})(query)

    async with _server(answer) as server:
        seen = await network.lookup(NAME, server=server)
    assert seen.addresses == ("10.0.0.1",)


@pytest.mark.parametrize("server", ["dns.example.test", "", "127.0.0.1:x", "[::1"])
async def test_a_server_that_is_no_address_is_said_to_be_none(network: RoundNetwork, server: str) -> None:
    seen = await network.lookup(NAME, server=server)
    assert seen.failure is Failure.LOCAL_FAILURE
    assert "is not the address of a DNS server" in (seen.raw_error or "")


async def test_lookups_that_hang_are_bounded() -> None:
    seen = await lookup_system("localhost", clock=SystemClock(), resolver=SystemResolver(limit=0))
    assert seen.failure is Failure.LOCAL_FAILURE
    assert "waiting for the system's resolver" in (seen.raw_error or "")


async def test_a_slot_is_free_again_after_a_lookup() -> None:
    resolver = SystemResolver(limit=1)
    for _ in range(3):
        assert await resolver.addresses("localhost")


async def test_a_lookup_after_the_deadline_is_capped() -> None:
    async with RoundNetwork(clock=SystemClock(), deadline=time.monotonic() - 1) as late:
        for server in (None, "127.0.0.1:1"):
            seen = await late.lookup(NAME, server=server)
            assert (seen.failure, seen.capped) == (Failure.DEADLINE_CAPPED, True)


@given(st.binary(max_size=120))
def test_any_datagram_is_read_or_left(wire: bytes) -> None:
    query = dns.message.make_query(NAME, dns.rdatatype.A)
    reply = read_answer(query, wire)
    assert reply is None or reply.failure is not None


def test_an_address_of_another_class_is_no_address() -> None:
    query = dns.message.make_query(NAME, dns.rdatatype.A)
    response = dns.message.make_response(query)
    response.answer.append(dns.rrset.from_text(query.question[0].name, 5, "HS", "A", r"\# 4 0a000001"))
    reply = read_answer(query, response.to_wire())
    assert reply is not None
    assert reply.failure is Failure.NAME_HAS_NO_ADDRESS


@given(st.lists(st.tuples(st.integers(0, 43), st.integers(0, 255)), max_size=5))
def test_a_damaged_answer_never_raises(damage: list[tuple[int, int]]) -> None:
    query = dns.message.make_query(NAME, dns.rdatatype.A)
    wire = bytearray(_records({"A": (5, ["10.0.0.1"])})(query)[0])
    for place, value in damage:
        wire[place] = value
    reply = read_answer(query, bytes(wire))
    assert reply is None or (reply.failure is None) == bool(reply.addresses)


@asynccontextmanager
async def _both(answer: dict[str, Callable[[dns.message.Message], bytes]]) -> AsyncGenerator[str]:
    """One server over UDP and, where it has an answer for it, over TCP on the same port."""
    handler = answer.get("tcp")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        query = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        assert handler is not None
        wire = handler(dns.message.from_wire(query))
        writer.write(len(wire).to_bytes(2, "big") + wire if wire else b"")
        writer.close()

    async with _server(lambda query: [answer["udp"](query)]) as place:
        if handler is None:
            yield place
            return
        server = await asyncio.start_server(serve, "127.0.0.1", int(place.rpartition(":")[2]))
        async with server:
            yield place


def _cut(query: dns.message.Message) -> bytes:
    response = dns.message.make_response(query)
    response.flags |= dns.flags.TC
    return response.to_wire()


def _long(query: dns.message.Message) -> bytes:
    return _records({"A": (30, [f"192.0.2.{number}" for number in range(1, 60)])})(query)[0]


async def test_an_answer_that_is_too_long_for_a_datagram_is_asked_for_over_tcp(network: RoundNetwork) -> None:
    async with _both({"udp": _cut, "tcp": _long}) as place:
        seen = await network.lookup(NAME, server=place)
    assert seen.ok
    assert (len(seen.addresses), seen.over_tcp) == (59, True)


@pytest.mark.parametrize("tcp", [None, lambda query: b"", _cut])
async def test_a_server_whose_tcp_is_shut_fails_for_a_long_answer(network: RoundNetwork, tcp: Callable | None) -> None:
    async with _both({"udp": _cut} | ({"tcp": tcp} if tcp else {})) as place:
        seen = await network.lookup(NAME, server=place)
    assert seen.failure is Failure.RESOLVER_FAILING
    assert "too long for UDP" in (seen.raw_error or "")


async def test_what_a_name_stands_for_is_told_even_where_it_does_not_exist(network: RoundNetwork) -> None:
    def answer(query: dns.message.Message) -> list[bytes]:
        response = dns.message.make_response(query)
        response.set_rcode(dns.rcode.NXDOMAIN)
        for name, stands_for in (("api.example.test.", "lb.example.test."), ("lb.example.test.", "gone.example.net.")):
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", stands_for))
        return [response.to_wire()]

    async with _server(answer) as place:
        seen = await network.lookup(NAME, server=place)
    assert seen.failure is Failure.NAME_NOT_FOUND
    assert seen.aliases == ("lb.example.test", "gone.example.net")


def test_aliases_that_lead_in_a_circle_end() -> None:
    query = dns.message.make_query(NAME, "A")
    response = dns.message.make_response(query)
    for name, stands_for in (("api.example.test.", "lb.example.test."), ("lb.example.test.", "api.example.test.")):
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", stands_for))
    reply = read_answer(query, response.to_wire())
    assert reply is not None
    assert len(reply.aliases) == 8
