"""The rehearsals' API server, over its own sockets: it must look like Go's TLS server, or the ladder learns the wrong thing."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import ssl
from contextlib import suppress

import pytest

from bot.clock import SystemClock
from bot.demo.pki import Authority
from bot.demo.scenarios import SCENARIOS, rehearse, scenario_named
from bot.demo.server import Behaviour, api_server
from bot.errors import UsageError
from bot.net.round import RoundNetwork

TOKEN = "rehearsal-token"
AUTHORITY = Authority()


def behaviour(*, silent: bool = False, failing: tuple[str, ...] = ()) -> Behaviour:
    serving = AUTHORITY.server(["127.0.0.1", "localhost"])
    return Behaviour(serving=serving, client_ca=AUTHORITY.pem, token=TOKEN, silent=silent, failing=failing)


async def ask(port: int, path: str, *, token: str | None = None) -> tuple[int, dict[str, str], str]:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=ssl.create_default_context(cadata=AUTHORITY.pem), server_hostname="127.0.0.1"
    )
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{authorization}\r\n".encode())
    answer = await reader.read()
    writer.close()
    with suppress(OSError, ssl.SSLError):
        await writer.wait_closed()
    head, _, body = answer.decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    return int(status.split(" ")[1]), dict(line.split(": ", 1) for line in lines), body


async def test_it_answers_as_a_kube_apiserver_does() -> None:
    async with api_server(behaviour()) as port:
        status, headers, body = await ask(port, "/livez?verbose")
        assert (status, body.splitlines()[-1]) == (200, "livez check passed")
        assert "Audit-Id" in headers
        status, _, body = await ask(port, "/version")
        assert (status, json.loads(body)["gitVersion"][:2]) == (200, "v1")
        status, _, body = await ask(port, "/api/v1/namespaces/kube-system/pods")
        assert (status, json.loads(body)["reason"]) == (403, "Forbidden")
        assert "system:anonymous" in body
        status, _, body = await ask(port, "/api/v1/namespaces/kube-system/pods?limit=50", token=TOKEN)
        assert (status, json.loads(body)["kind"]) == (200, "PodList")
        assert (await ask(port, "/api"))[0] == 403
        status, _, body = await ask(port, "/api", token=TOKEN)
        assert (status, json.loads(body)["kind"]) == (200, "APIVersions")
        assert (await ask(port, "/livez", token="wrong"))[0] == 401
        assert (await ask(port, "/nothing", token=TOKEN))[0] == 404


async def test_a_failing_check_is_named_and_fails_the_whole() -> None:
    async with api_server(behaviour(failing=("etcd",))) as port:
        status, _, body = await ask(port, "/readyz?verbose")
        assert status == 500
        assert "[-]etcd failed: reason withheld" in body
        assert "[+]ping ok" in body
        assert body.splitlines()[-1] == "readyz check failed"


async def test_plain_http_is_told_so_in_plain_text_as_go_does() -> None:
    async with api_server(behaviour()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await reader.read() == b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
        writer.close()


async def test_a_client_certificate_is_asked_for_and_the_protocol_agreed() -> None:
    clock = SystemClock()
    async with api_server(behaviour()) as port, RoundNetwork(clock=clock, deadline=clock.monotonic() + 10) as network:
        seen = await network.handshake("127.0.0.1", port, server_name="localhost", ca_pem=AUTHORITY.pem)
    assert (seen.failure, seen.verified, seen.client_certificate_requested) == (None, True, True)
    assert (seen.alpn_selected, seen.chain[0].subject) == ("http/1.1", "CN=kube-apiserver")


async def test_a_silent_one_accepts_and_says_nothing() -> None:
    async with api_server(behaviour(silent=True)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"anything")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await reader.read(1)
        writer.close()


async def test_rude_clients_hurt_nobody_and_leave_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Resets, half-closes, garbage and clients that trust somebody else; then the server still answers and ends cleanly."""
    before = set(os.listdir("/proc/self/fd"))
    async with api_server(behaviour()) as port:
        for first in (b"", b"\x16", b"\x16\x03\x01\xff\xff" + b"\x00" * 50, b"\x00\xff garbage"):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(first)
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.close()
        for _ in range(3):
            with pytest.raises(ssl.SSLError):
                await asyncio.open_connection("127.0.0.1", port, ssl=ssl.create_default_context(), server_hostname="127.0.0.1")
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        assert (await ask(port, "/livez"))[0] == 200
        for _, writer in idle:
            writer.close()
    await asyncio.sleep(0)
    gc.collect()
    assert {task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("demo")} == set()
    assert set(os.listdir("/proc/self/fd")) - before == set()
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


@pytest.mark.parametrize("name", SCENARIOS)
async def test_every_rehearsal_gives_its_ports_and_files_back(name: str) -> None:
    before = set(os.listdir("/proc/self/fd"))
    async with rehearse(SCENARIOS[name]) as rehearsal:
        config = json.loads(rehearsal.kubeconfig)
        server = config["clusters"][0]["cluster"]["server"]
        assert server.startswith("https://127.0.0.1:")
        assert config["current-context"] == "demo"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", rehearsal.control_port), timeout=5)
    gc.collect()
    assert set(os.listdir("/proc/self/fd")) - before == set()


@pytest.mark.parametrize(("name", "hint"), [("refuse", "'refused'"), ("flood", ", ".join(SCENARIOS))])
def test_an_unknown_scenario_leads_to_the_known_ones(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"no scenario '{name}'") as refusal:
        scenario_named(name)
    assert hint in str(refusal.value.nearest)
