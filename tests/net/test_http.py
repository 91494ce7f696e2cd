from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import SystemClock
from bot.errors import Unavailable
from bot.model.observation import BODY_LIMIT, CERTIFICATE_FAILURES, Failure
from bot.model.target import CredentialKind, Target
from bot.net.round import RoundNetwork
from tests.net.servers import OK, Handler, Server, answering, closing, resetting, send, serving, silent
from tests.pki import Authority, Issued
from tests.ports import free_port

NAME = "api.example.test"
TOKEN = "very-secret-token"


@dataclass(kw_only=True)
class Secrets:
    """A cluster's credentials: a bearer token, and a client certificate where there is one."""

    certificate: Issued | None = None
    token: str = TOKEN
    kind: CredentialKind = CredentialKind.TOKEN

    async def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def load_client_certificate(self, context: ssl.SSLContext) -> None:
        if self.certificate is not None:
            self.certificate.load_into(context)

    def describe(self) -> dict[str, Any]:
        return {}


def _target(
    server: Server, authority: Authority | None = None, *, path: str = "", scheme: str = "https", proxy_url: str | None = None
) -> Target:
    return Target.from_url(
        f"{scheme}://{NAME}:{server.port}{path}", ca_pem=authority.pem if authority else None, proxy_url=proxy_url
    )


async def test_a_request_reaches_the_pinned_address_by_the_targets_name(network: RoundNetwork, authority: Authority) -> None:
    async with serving(answering(OK), tls=authority.issue(NAME).server_context()) as server:
        seen = await network.request("127.0.0.1", _target(server, authority, path="/k8s/c-1"), "/livez?verbose")
    assert (seen.status, seen.body, seen.failure) == (200, "ok", None)
    assert seen.verified
    assert not seen.with_credentials
    assert seen.headers == {"content-type": "text/plain", "content-length": "2"}
    assert list(seen.phases) == ["connect", "tls", "send", "wait", "receive"]
    lines = server.received.decode().split("\r\n")
    assert lines[0] == "GET /k8s/c-1/livez?verbose HTTP/1.1"
    assert f"Host: {NAME}:{server.port}" in lines
    assert network.requests_made() == 1


async def test_a_server_named_by_its_address_is_verified(network: RoundNetwork, authority: Authority) -> None:
    async with serving(answering(OK), tls=authority.issue("127.0.0.1").server_context()) as server:
        target = Target.from_url(f"https://127.0.0.1:{server.port}", ca_pem=authority.pem)
        seen = await network.request("127.0.0.1", target, "/livez")
    assert seen.status == 200
    assert seen.verified


async def test_unverified_requests_carry_nothing_but_what_every_request_has(network: RoundNetwork, authority: Authority) -> None:
    async with serving(answering(OK), tls=Authority().issue("elsewhere").server_context()) as server:
        seen = await network.request("127.0.0.1", _target(server, authority), "/version", verify=False)
    assert seen.status == 200
    assert not seen.verified
    names = [line.split(":")[0] for line in server.received.decode().split("\r\n")[1:] if ":" in line]
    assert names == ["Host", "User-Agent", "Accept"]


async def test_verified_peers_get_the_token_and_the_client_certificate(network: RoundNetwork, authority: Authority) -> None:
    client = authority.issue(common_name="admin")
    context = authority.issue(NAME).server_context(client_ca_pem=authority.pem)
    async with serving(answering(OK), tls=context) as server:
        seen = await network.request("127.0.0.1", _target(server, authority), "/livez", credentials=Secrets(certificate=client))
    assert seen.with_credentials
    assert f"Authorization: Bearer {TOKEN}".encode() in server.received
    assert server.client_certificates == [client.der]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("impostor_name", [NAME, "other.example.test"])
async def test_an_impostor_never_sees_credentials(
    network: RoundNetwork, authority: Authority, version: ssl.TLSVersion, impostor_name: str
) -> None:
    """The impostor has its own authority of the cluster's name, or a real certificate of another host."""
    signer = Authority() if impostor_name == NAME else authority
    context = signer.issue(impostor_name).server_context(client_ca_pem=authority.pem)
    context.maximum_version = version
    client = authority.issue(common_name="admin")
    wire = b""

    async with serving(answering(OK), tls=context) as impostor:

        async def relay(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal wire
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", impostor.port)

            async def back() -> None:
                while data := await inner_reader.read(65_536):
                    writer.write(data)

            try:
                async with asyncio.TaskGroup() as group:
                    backward = group.create_task(back())
                    while data := await reader.read(65_536):
                        wire += data
                        inner_writer.write(data)
                    backward.cancel()
            finally:
                inner_writer.transport.abort()

        async with serving(relay) as recorder:
            target = _target(recorder, authority)
            secrets = Secrets(certificate=client)
            seen = await network.request("127.0.0.1", target, "/livez", credentials=secrets)
            shook = await network.handshake("127.0.0.1", recorder.port, server_name=NAME, ca_pem=authority.pem)
            unverified = await network.request("127.0.0.1", target, "/livez", verify=False)
            with pytest.raises(ValueError, match="verified"):
                await network.request("127.0.0.1", target, "/livez", credentials=secrets, verify=False)

    assert seen.failure in CERTIFICATE_FAILURES
    assert not seen.with_credentials
    assert "send" not in seen.phases
    assert shook.failure in CERTIFICATE_FAILURES
    assert unverified.status == 200
    assert b"GET /livez" in impostor.received
    assert b"uthorization" not in impostor.received
    assert TOKEN.encode() not in impostor.received
    assert set(impostor.client_certificates) == {None}
    assert len(wire) > 500
    assert TOKEN.encode() not in wire
    assert client.der not in wire


async def test_credentials_do_not_travel_in_plain_text(network: RoundNetwork) -> None:
    async with serving(answering(OK)) as server:
        with pytest.raises(ValueError, match="verified"):
            await network.request("127.0.0.1", _target(server, scheme="http"), "/livez", credentials=Secrets())
        seen = await network.request("127.0.0.1", _target(server, scheme="http"), "/livez")
    assert seen.status == 200
    assert not seen.verified
    assert server.connections == 1


async def test_credentials_that_cannot_be_sent_are_not_quoted(network: RoundNetwork, authority: Authority) -> None:
    async with serving(answering(OK), tls=authority.issue(NAME).server_context()) as server:
        with pytest.raises(Unavailable) as caught:
            await network.request("127.0.0.1", _target(server, authority), "/livez", credentials=Secrets(token=f"{TOKEN}\nx"))
    assert TOKEN not in str(caught.value)
    assert caught.value.__cause__ is None
    assert server.received == b""


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 12\r\n\r\nUnauthorized", 401, "Unauthorized"),
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 14\r\n\r\n[-]etcd failed", 500, "[-]etcd failed"),
        (b"HTTP/1.1 302 Found\r\nLocation: https://login.example.test/\r\nContent-Length: 0\r\n\r\n", 302, ""),
        (b"HTTP/1.0 503 Service Unavailable\r\n\r\nno server is available", 503, "no server is available"),
    ],
)
async def test_any_status_is_an_answer(
    network: RoundNetwork, authority: Authority, answer: bytes, status: int, body: str
) -> None:
    async with serving(answering(answer), tls=authority.issue(NAME).server_context()) as server:
        target = _target(server, authority)
        seen = await network.request("127.0.0.1", target, "/livez")
    assert (seen.status, seen.body, seen.failure) == (status, body, None)
    assert server.connections == 1


async def test_a_huge_body_is_cut(network: RoundNetwork) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n" + b"x" * (10 * BODY_LIMIT)
    async with serving(answering(answer, stay_open=True)) as server:
        seen = await network.request("127.0.0.1", _target(server, scheme="http"), "/")
    assert seen.ok
    assert len(seen.body) == BODY_LIMIT


@pytest.mark.parametrize(
    ("answer", "failure", "status"),
    [
        (b"", Failure.HTTP_CLOSED, None),
        (b"HTTP/1.1 20", Failure.HTTP_CLOSED, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf", Failure.HTTP_CLOSED, 200),
        (b"HTTP/1.1 100 Continue\r\n\r\n", Failure.HTTP_CLOSED, None),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Failure.NOT_HTTP, None),
        (b"SSH", Failure.NOT_HTTP, None),
        (b"\x15\x03\x01\x00\x02\x02\x50", Failure.NOT_HTTP, None),
    ],
)
async def test_each_way_an_answer_can_end_has_its_name(
    network: RoundNetwork, answer: bytes, failure: Failure, status: int | None
) -> None:
    async with serving(answering(answer)) as server:
        seen = await network.request("127.0.0.1", _target(server, scheme="http"), "/")
    assert (seen.failure, seen.status) == (failure, status)
    assert seen.raw_error


async def test_a_reset_instead_of_an_answer_is_a_reset(network: RoundNetwork) -> None:
    async with serving(resetting) as server:
        seen = await network.request("127.0.0.1", _target(server, scheme="http"), "/")
    assert seen.failure is Failure.HTTP_RESET


async def test_an_end_under_tls_is_a_close(network: RoundNetwork, authority: Authority) -> None:
    async with serving(closing, tls=authority.issue(NAME).server_context()) as server:
        seen = await network.request("127.0.0.1", _target(server, authority), "/")
    assert seen.failure is Failure.HTTP_CLOSED
    assert seen.verified


async def test_a_closed_port_and_a_plain_server_fail_below_http(network: RoundNetwork, authority: Authority) -> None:
    refused = await network.request("127.0.0.1", Target.from_url(f"https://{NAME}:{free_port()}", ca_pem=authority.pem), "/")
    assert refused.failure is Failure.CONNECTION_REFUSED
    async with serving(answering(OK)) as server:

        async def plain(_server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            await send(writer, OK)

        async with serving(plain) as other:
            seen = await network.request("127.0.0.1", _target(other, authority), "/")
    assert seen.failure is Failure.NOT_TLS
    assert server.connections == 0
    assert network.requests_made() == 0


async def test_silence_before_and_within_an_answer_is_a_time_out(network: RoundNetwork) -> None:
    cut = answering(b"HTTP/1.1 200 OK\r\nX-Slow:", stay_open=True)
    body = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf", stay_open=True)
    async with serving(silent) as one, serving(cut) as two, serving(body) as three:
        asked = [network.request("127.0.0.1", _target(server, scheme="http"), "/") for server in (one, two, three)]
        seen = await asyncio.gather(*asked)
    assert [answer.failure for answer in seen] == [Failure.HTTP_TIMEOUT] * 3
    assert [answer.raw_error for answer in seen] == ["timed out after 5.0 s"] * 3
    assert [answer.status for answer in seen] == [None, None, 200]
    assert seen[2].body == "half"


async def test_slow_credentials_are_not_the_servers_silence(authority: Authority) -> None:
    class Slow(Secrets):
        async def headers(self) -> dict[str, str]:
            return await asyncio.Event().wait()  # type: ignore[return-value]

    async with RoundNetwork(clock=SystemClock(), deadline=time.monotonic() + 0.2) as network:
        target = Target.from_url(f"https://{NAME}:{free_port()}", ca_pem=authority.pem)
        seen = await network.request("127.0.0.1", target, "/", credentials=Slow())
    assert (seen.failure, seen.capped) == (Failure.DEADLINE_CAPPED, True)
    assert "credentials" in (seen.raw_error or "")


def _proxy(answer: bytes, *, tunnel: bool) -> Handler:
    async def handle(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        server.received += head
        writer.write(answer)
        if not tunnel:
            await send(writer, b"")
            return
        port = int(head.split(b" ")[1].rpartition(b":")[2])
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                sink.write(data)
            sink.write_eof()

        try:
            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
        finally:
            far_writer.transport.abort()

    return handle


async def test_behind_a_proxy_the_peer_is_verified_by_the_servers_name(network: RoundNetwork, authority: Authority) -> None:
    tunnel = _proxy(b"HTTP/1.1 200 Connection established\r\n\r\n", tunnel=True)
    async with serving(answering(OK), tls=authority.issue(NAME).server_context()) as server, serving(tunnel) as proxy:
        url = f"http://me:pass%40word@127.0.0.1:{proxy.port}"
        target = _target(server, authority, proxy_url=url)
        seen = await network.request(NAME, target, "/livez", credentials=Secrets())
        shook = await network.handshake(NAME, server.port, server_name=NAME, ca_pem=authority.pem, proxy_url=url)
    assert (seen.status, seen.verified, seen.with_credentials) == (200, True, True)
    assert shook.verified
    assert proxy.received.startswith(f"CONNECT {NAME}:{server.port} HTTP/1.1\r\n".encode())
    assert b"Proxy-Authorization: Basic bWU6cGFzc0B3b3Jk\r\n" in proxy.received
    assert b"Proxy-Authorization" not in server.received
    assert TOKEN.encode() not in proxy.received


@pytest.mark.parametrize("answer", [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", b"garbage", b""])
async def test_a_proxy_that_refuses_is_the_one_that_fails(network: RoundNetwork, answer: bytes) -> None:
    async with serving(_proxy(answer, tunnel=False)) as proxy:
        target = Target.from_url(f"https://{NAME}:6443", proxy_url=f"http://u:hidden-word@127.0.0.1:{proxy.port}")
        seen = await network.request(NAME, target, "/livez")
    assert seen.failure is Failure.PROXY_FAILED
    assert answer.split(b"\r\n")[0].decode() in (seen.raw_error or "")
    assert "hidden-word" not in (seen.raw_error or "")


async def test_a_proxy_that_is_down_or_of_another_kind_is_said_to_be(network: RoundNetwork) -> None:
    down = Target.from_url(f"https://{NAME}:6443", proxy_url=f"http://127.0.0.1:{free_port()}")
    assert (await network.request(NAME, down, "/")).failure is Failure.PROXY_FAILED
    for url in ("socks5://127.0.0.1:1", "http://127.0.0.1:notaport", "http://[::1"):
        odd = Target.from_url(f"https://{NAME}:6443", proxy_url=url)
        assert (await network.request(NAME, odd, "/")).failure is Failure.LOCAL_FAILURE


async def test_a_proxys_name_that_does_not_resolve_is_the_proxys_failure(network: RoundNetwork) -> None:
    target = Target.from_url(f"https://{NAME}:6443", proxy_url=f"http://{'x' * 64}.test:3128")
    seen = await network.request(NAME, target, "/")
    assert seen.failure is Failure.PROXY_FAILED
    assert "does not resolve" in (seen.raw_error or "")


async def test_a_silent_proxy_at_the_end_of_the_round_proves_nothing() -> None:
    async with serving(silent) as proxy, RoundNetwork(clock=SystemClock(), deadline=time.monotonic() + 0.2) as network:
        target = Target.from_url(f"https://{NAME}:6443", proxy_url=f"http://127.0.0.1:{proxy.port}")
        seen = await network.request(NAME, target, "/")
    assert (seen.failure, seen.capped) == (Failure.DEADLINE_CAPPED, True)


async def test_a_client_certificate_that_cannot_be_read_is_unavailable(network: RoundNetwork, authority: Authority) -> None:
    class Broken(Secrets):
        def load_client_certificate(self, context: ssl.SSLContext) -> None:
            context.load_cert_chain("/nonexistent")

    target = Target.from_url(f"https://{NAME}:{free_port()}", ca_pem=authority.pem)
    with pytest.raises(Unavailable, match="client certificate"):
        await network.request("127.0.0.1", target, "/", credentials=Broken())


_PIECES = st.sampled_from(
    [
        b"HTTP/1.1 ",
        b"200",
        b" OK",
        b"\r\n",
        b"\n",
        b"Content-Length: ",
        b"-1",
        b"5",
        b"Transfer-Encoding: chunked\r\n",
        b"zz",
        b"\x00",
        b"\xff",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.lists(_PIECES, max_size=14).map(b"".join)))
def test_any_answer_ends_in_a_status_or_a_named_failure(answer: bytes) -> None:
    async def ask() -> None:
        async with serving(answering(answer)) as server, RoundNetwork(clock=SystemClock()) as network:
            seen = await network.request("127.0.0.1", _target(server, scheme="http"), "/")
        assert seen.failure in (None, Failure.HTTP_CLOSED, Failure.NOT_HTTP)
        assert (seen.failure is None) <= (seen.status is not None)
        assert (seen.failure is None) == (seen.raw_error is None)

    asyncio.run(ask())
