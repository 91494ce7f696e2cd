"""A real etcd, with certificates as kubeadm gives it: its health, its metrics and its alarm are what they are taken for."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.adapters.kubeconfig.etcd import etcd_access
from bot.clock import SystemClock
from bot.model.finding import Finding, Status
from bot.model.target import Endpoint, Etcd
from bot.net.round import RoundNetwork
from tests import pki
from tests.lab.assets import find
from tests.lab.processes import Process, wait_until
from tests.ports import free_port
from tests.probes.scene import Scene

pytestmark = pytest.mark.lab

QUOTA = 100 * 1024 * 1024
"""Its file grows by 16 MiB at a time, which is less than a fifth of this."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One etcd that is a majority by itself, and the files with which it is asked."""

    process: Process
    folder: Path
    port: int

    def write(self, number: int, size: int) -> int:
        """Puts a value; the status that etcd's gateway gives."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        context.load_cert_chain(self.folder / "client.crt", self.folder / "client.key")
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=10)
        value = base64.b64encode(os.urandom(size)).decode()
        body = json.dumps({"key": base64.b64encode(f"key-{number}".encode()).decode(), "value": value})
        try:
            connection.request("POST", "/v3/kv/put", body)
            return connection.getresponse().status
        finally:
            connection.close()

    def is_up(self) -> bool:
        try:
            return self.write(0, 10) == 200
        except OSError:
            return False


@pytest.fixture
def member(tmp_path: Path) -> Iterator[Member]:
    authority, port = pki.Authority(common_name="etcd-ca"), free_port()
    (tmp_path / "ca.crt").write_text(authority.pem)
    for name, issued in (("server", authority.issue("127.0.0.1")), ("client", authority.issue(common_name="probe"))):
        (tmp_path / f"{name}.crt").write_text(issued.pem)
        (tmp_path / f"{name}.key").write_text(issued.key_pem)
    url, peer = f"https://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
    argv = [
        str(find("etcd")),
        f"--data-dir={tmp_path / 'data'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        f"--cert-file={tmp_path / 'server.crt'}",
        f"--key-file={tmp_path / 'server.key'}",
        "--client-cert-auth",
        f"--trusted-ca-file={tmp_path / 'ca.crt'}",
        f"--quota-backend-bytes={QUOTA}",
    ]
    process = Process("etcd", argv, log=tmp_path / "etcd.log")
    try:
        made = Member(process=process, folder=tmp_path, port=port)
        wait_until(made.is_up, "etcd takes writes", within=30)
        yield made
    finally:
        process.kill()


async def asked(member: Member, *, client: bool = True) -> Finding:
    def file(name: str) -> str | None:
        return str(member.folder / name) if client or name == "ca.crt" else None

    place = Endpoint(host="127.0.0.1", port=member.port)
    etcd = Etcd(endpoints=(place,), ca_file=file("ca.crt"), certificate_file=file("client.crt"), key_file=file("client.key"))
    async with RoundNetwork(clock=SystemClock(), deadline=time.monotonic() + 60) as network:
        (finding,) = await Scene(etcd=etcd_access(etcd, clock=SystemClock()), seconds=time.monotonic()).run(
            "etcd-members", network=network
        )
    return finding


async def test_a_member_that_is_well_fills_up_and_raises_its_alarm(member: Member) -> None:
    well = await asked(member)
    assert (well.outcome, well.status, well.warning) == ("healthy", Status.OK, None)
    assert well.evidence["leader"] == 1
    assert well.evidence["quota_bytes"] == QUOTA
    assert 0 < well.evidence["db_bytes"] < QUOTA / 10
    nearly = well
    for number in range(120):
        assert member.write(number, 1_000_000) == 200
        nearly = await asked(member) if number > 40 else well
        if nearly.warning is not None:
            break
    assert (nearly.outcome, nearly.status) == ("healthy", Status.OK)
    assert nearly.warning is not None
    assert "of its quota of 100 MiB" in nearly.warning
    wait_until(lambda: member.write(999, 1_000_000) != 200, "etcd refuses writes", within=30)
    full = await asked(member)
    assert (full.outcome, full.status) == ("no-space", Status.PROBLEM)
    assert "ALARM NOSPACE" in full.sentence


async def test_a_member_that_wants_a_certificate_that_stands_still_and_that_is_gone(member: Member) -> None:
    assert (await asked(member, client=False)).outcome == "credentials-rejected"
    member.process.signal(signal.SIGSTOP)
    assert (await asked(member)).outcome == "silent"
    member.process.kill()
    assert (await asked(member)).outcome == "refused"
