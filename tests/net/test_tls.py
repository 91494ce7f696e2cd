from __future__ import annotations

import asyncio
import ssl
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.observation import Failure, Handshake
from bot.net.certificates import parse_certificate, parse_chain
from bot.net.round import RoundNetwork
from bot.net.tls import verifying_context
from tests.net.servers import GO_ANSWER, Handler, Server, answering, closing, resetting, send, serving, silent, until
from tests.pki import Authority, Issued
from tests.ports import free_port

NAME = "api.example.test"
HOUR = timedelta(hours=1)


async def _handshake(
    network: RoundNetwork,
    issued: Issued,
    ca_pem: str | None,
    *,
    server_name: str = NAME,
    client_ca_pem: str | None = None,
    server_alpn: tuple[str, ...] = ("h2", "http/1.1"),
    max_segment: int | None = None,
) -> Handshake:
    async with serving(silent, tls=issued.server_context(alpn=server_alpn, client_ca_pem=client_ca_pem)) as server:
        return await network.handshake("127.0.0.1", server.port, server_name=server_name, ca_pem=ca_pem, max_segment=max_segment)


async def test_a_good_server_is_verified_and_described(network: RoundNetwork, authority: Authority) -> None:
    issued = authority.issue(NAME, "127.0.0.1", with_authority=True)
    seen = await _handshake(network, issued, authority.pem)
    assert seen.ok
    assert seen.verified
    assert (seen.alpn_selected, seen.version) == ("h2", "TLSv1.3")
    assert seen.bytes_received > 0
    assert seen.client_certificate_requested is False
    leaf, root = seen.chain
    assert (leaf.subject, leaf.issuer) == ("CN=kube-apiserver", "CN=kubernetes")
    assert (leaf.dns_names, leaf.ip_names) == ((NAME,), ("127.0.0.1",))
    assert leaf.authority_key_id == root.subject_key_id
    assert (leaf.is_ca, root.is_ca) == (False, True)
    assert leaf.not_before < seen.started_at < leaf.not_after


@pytest.mark.parametrize("name", ["127.0.0.1", "api.example.test."])
async def test_an_address_and_an_absolute_name_are_verified_too(network: RoundNetwork, authority: Authority, name: str) -> None:
    seen = await _handshake(network, authority.issue(NAME, "127.0.0.1"), authority.pem, server_name=name)
    assert seen.verified


@pytest.mark.parametrize(
    ("valid_from", "valid_to", "failure"),
    [
        (-2 * HOUR, -HOUR, Failure.CERTIFICATE_EXPIRED),
        (HOUR, 2 * HOUR, Failure.CERTIFICATE_NOT_YET_VALID),
    ],
)
async def test_a_certificate_out_of_its_time_is_named_and_read(
    network: RoundNetwork, authority: Authority, valid_from: timedelta, valid_to: timedelta, failure: Failure
) -> None:
    issued = authority.issue(NAME, valid_from=valid_from, valid_to=valid_to)
    seen = await _handshake(network, issued, authority.pem)
    assert seen.failure is failure
    assert not seen.verified
    assert "CERTIFICATE_VERIFY_FAILED" in (seen.raw_error or "")
    assert seen.chain[0].not_after == issued.certificate.not_valid_after_utc
    assert seen.alpn_selected == "h2"


@pytest.mark.parametrize("asked", [NAME, "127.0.0.1"])
async def test_a_certificate_of_another_name_is_a_name_mismatch(network: RoundNetwork, authority: Authority, asked: str) -> None:
    issued = authority.issue("other.example.test", "10.0.0.1", common_name=NAME)
    seen = await _handshake(network, issued, authority.pem, server_name=asked)
    assert seen.failure is Failure.CERTIFICATE_NAME_MISMATCH
    assert seen.chain[0].dns_names == ("other.example.test",)


async def test_a_common_name_alone_is_no_name_as_for_kubectl(network: RoundNetwork, authority: Authority) -> None:
    seen = await _handshake(network, authority.issue(common_name=NAME), authority.pem)
    assert seen.failure is Failure.CERTIFICATE_NAME_MISMATCH


@pytest.mark.parametrize("key_ids", [True, False])
@pytest.mark.parametrize("name", ["kubernetes", "Corp TLS Inspection CA"])
async def test_another_authority_is_unknown_even_under_the_same_name(network: RoundNetwork, name: str, key_ids: bool) -> None:
    trusted, other = Authority(key_ids=key_ids), Authority(common_name=name, key_ids=key_ids)
    seen = await _handshake(network, other.issue(NAME), trusted.pem)
    assert seen.failure is Failure.CERTIFICATE_UNKNOWN_AUTHORITY
    assert seen.chain[0].issuer == f"CN={name}"


async def test_a_self_signed_certificate_has_an_unknown_authority(network: RoundNetwork, authority: Authority) -> None:
    seen = await _handshake(network, authority.issue(NAME, self_signed=True), authority.pem)
    assert seen.failure is Failure.CERTIFICATE_UNKNOWN_AUTHORITY
    assert seen.chain[0].subject == seen.chain[0].issuer


async def test_the_systems_trust_store_does_not_know_a_clusters_authority(network: RoundNetwork, authority: Authority) -> None:
    seen = await _handshake(network, authority.issue(NAME), None)
    assert seen.failure is Failure.CERTIFICATE_UNKNOWN_AUTHORITY


async def test_of_several_faults_the_chain_shows_the_rest(network: RoundNetwork, authority: Authority) -> None:
    issued = Authority().issue("other.example.test", valid_from=-2 * HOUR, valid_to=-HOUR)
    seen = await _handshake(network, issued, authority.pem)
    assert seen.failure is Failure.CERTIFICATE_UNKNOWN_AUTHORITY
    assert seen.chain[0].not_after < seen.started_at
    assert seen.chain[0].dns_names == ("other.example.test",)


async def test_an_old_clusters_certificate_without_key_identifiers_is_healthy(network: RoundNetwork) -> None:
    old = Authority(key_ids=False)
    seen = await _handshake(network, old.issue(NAME), old.pem)
    assert seen.verified
    assert seen.chain[0].authority_key_id is None


async def test_a_server_that_asks_for_a_client_certificate_is_noticed_and_gets_none(
    network: RoundNetwork, authority: Authority
) -> None:
    context = authority.issue(NAME).server_context(client_ca_pem=authority.pem)
    async with serving(silent, tls=context) as server:
        seen = await network.handshake("127.0.0.1", server.port, server_name=NAME, ca_pem=authority.pem)
        await until(lambda: server.connections == 1)
    assert seen.verified
    assert seen.client_certificate_requested is True
    assert server.client_certificates == [None]


async def test_a_smaller_segment_is_set_before_the_connect(network: RoundNetwork, authority: Authority) -> None:
    seen = await _handshake(network, authority.issue(NAME), authority.pem, max_segment=500)
    assert seen.verified
    assert seen.max_segment == 500


async def test_a_ca_bundle_that_cannot_be_read_is_this_sides_fault(network: RoundNetwork) -> None:
    seen = await network.handshake("127.0.0.1", 1, server_name=NAME, ca_pem="-----BEGIN CERTIFICATE-----\nx")
    assert seen.failure is Failure.LOCAL_FAILURE
    assert "CA bundle" in (seen.raw_error or "")


async def test_a_closed_port_is_no_tls_failure(network: RoundNetwork, authority: Authority) -> None:
    seen = await network.handshake("127.0.0.1", free_port(), server_name=NAME, ca_pem=authority.pem)
    assert seen.failure is Failure.CONNECTION_REFUSED
    assert seen.client_certificate_requested is None


async def _greeting(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    await send(writer, b"SSH-2.0-OpenSSH_9.6\r\n")
    await silent(server, reader, writer)


@pytest.mark.parametrize(
    ("handler", "failure"),
    [
        (closing, Failure.TLS_CLOSED),
        (resetting, Failure.TLS_RESET),
        (_greeting, Failure.NOT_TLS),
    ],
)
async def test_each_way_a_handshake_can_end_has_its_name(network: RoundNetwork, handler: Handler, failure: Failure) -> None:
    async with serving(handler) as server:
        seen = await network.handshake("127.0.0.1", server.port, server_name=NAME, ca_pem=None)
    assert seen.failure is failure
    assert seen.raw_error
    assert seen.chain == ()


async def test_a_plain_http_server_is_not_tls(network: RoundNetwork) -> None:
    async def answer(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        await send(writer, b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(answer) as server:
        seen = await network.handshake("127.0.0.1", server.port, server_name=NAME, ca_pem=None)
    assert seen.failure is Failure.NOT_TLS
    assert seen.bytes_received == 28


async def test_an_alert_is_told_from_silence(network: RoundNetwork) -> None:
    async def alert(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        await send(writer, bytes([21, 3, 3, 0, 2, 2, 120]))

    async with serving(alert) as server:
        seen = await network.handshake("127.0.0.1", server.port, server_name=NAME, ca_pem=None)
    assert seen.failure is Failure.TLS_ALERT
    assert "no application protocol" in (seen.raw_error or "").lower().replace("_", " ")
    assert seen.bytes_received == 7


async def test_a_silent_server_times_out_with_nothing_received(network: RoundNetwork) -> None:
    async with serving(silent) as server:
        seen = await network.handshake("127.0.0.1", server.port, server_name=NAME, ca_pem=None)
        assert server.received[:2] == b"\x16\x03"
    assert seen.failure is Failure.TLS_TIMEOUT
    assert seen.raw_error == "timed out after 4.0 s"
    assert seen.bytes_received == 0


async def test_a_go_server_says_so_in_plain_text(network: RoundNetwork) -> None:
    async with serving(answering(GO_ANSWER)) as server:
        seen = await network.plaintext("127.0.0.1", server.port)
        assert server.received == b"GET / HTTP/1.0\r\n\r\n"
    assert seen.ok
    assert seen.is_go_tls_server
    assert seen.answer.startswith("HTTP/1.0 400")


@pytest.mark.parametrize(("handler", "failure"), [(closing, Failure.HTTP_CLOSED), (resetting, Failure.HTTP_RESET)])
async def test_a_middlebox_does_not_answer_plain_text(network: RoundNetwork, handler: Handler, failure: Failure) -> None:
    async with serving(handler) as server:
        seen = await network.plaintext("127.0.0.1", server.port)
    assert seen.failure is failure
    assert not seen.is_go_tls_server


@given(st.binary(max_size=200))
def test_any_bytes_are_a_certificate_or_left_out(data: bytes) -> None:
    assert parse_certificate(data) is None


_GOOD = Authority().issue(NAME, "127.0.0.1").der


@given(st.lists(st.tuples(st.integers(0, len(_GOOD) - 1), st.integers(0, 255)), max_size=6))
def test_a_damaged_certificate_never_raises(damage: list[tuple[int, int]]) -> None:
    der = bytearray(_GOOD)
    for place, value in damage:
        der[place] = value
    chain = parse_chain([bytes(der), _GOOD])
    assert chain[-1].dns_names == (NAME,)


def test_a_chain_without_end_is_cut() -> None:
    assert len(parse_chain([_GOOD] * 50)) == 10


def test_the_contexts_do_not_need_strict_certificates() -> None:
    assert not verifying_context(Authority().pem, ()).verify_flags & ssl.VERIFY_X509_STRICT
