"""Members of etcd, asked themselves: each state as it shows, credentials for verified members only, and how full one is."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.kubeconfig.etcd import etcd_access
from bot.clock import SystemClock
from bot.errors import Unavailable
from bot.model.finding import Finding, Status
from bot.model.observation import Failure, HttpAnswer
from bot.model.target import Endpoint, Etcd
from bot.net.round import RoundNetwork
from bot.ports import EtcdAccess
from bot.probes._shared import etcd
from tests import pki
from tests.fakes.network import NOW, ScriptedNetwork, certificate
from tests.ports import free_port
from tests.probes.scene import PROBES, OwnCredentials, Scene

HEALTH, LOCAL, METRICS = "/health", "/health?serializable=true", "/metrics"
ONE = Endpoint(host="10.1.0.11", port=2379)
GOOD = '{"health":"true","reason":""}'
NUMBERS = """# TYPE etcd_mvcc_db_total_size_in_bytes gauge
etcd_mvcc_db_total_size_in_bytes {size}
etcd_server_has_leader {leader}
etcd_server_quota_backend_bytes 2.147483648e+09
etcd_server_version{{server_version="3.4.23"}} 1
etcd_odd_thing nonsense
"""


def member(
    health: str = GOOD,
    status: int | None = 200,
    *,
    failure: Failure | None = None,
    local: str = "",
    size: str = "2e+07",
    **given: Any,
) -> Scene:
    network = ScriptedNetwork()
    network.resolves(ONE.host, ONE.host)
    network.answers(ONE.host, HEALTH, None if failure else status, health, failure=failure, **given)
    network.answers(ONE.host, LOCAL, 200 if local else None, local, failure=None if local else failure or Failure.HTTP_TIMEOUT)
    metrics = NUMBERS.format(size=size, leader=given.get("leader", 1))
    network.answers(ONE.host, METRICS, None if failure else 200, metrics, failure=failure)
    return Scene(network=network, etcd=EtcdAccess(etcd=Etcd(endpoints=(ONE,)), credentials=OwnCredentials()))


def leaderless() -> Scene:
    scene = member(failure=Failure.HTTP_TIMEOUT, local=GOOD)
    scene.network.answers(ONE.host, METRICS, 200, NUMBERS.format(size=1, leader=0))
    return scene


def nameless(failure: Failure = Failure.NAME_NOT_FOUND) -> Scene:
    scene = member()
    scene.network.resolves(ONE.host, failure=failure)
    return scene


CASES: list[tuple[str, Scene]] = [
    ("healthy", member()),
    ("healthy", member('{"health": true}')),
    ("no-space", member('{"health":"false","reason":"ALARM NOSPACE"}', 503)),
    ("corrupt", member('{"health":"false","reason":"ALARM CORRUPT"}', 503)),
    ("no-leader", member('{"health":"false","reason":"RAFT NO LEADER"}', 503)),
    ("no-leader", leaderless()),
    ("no-majority", member(failure=Failure.HTTP_TIMEOUT, local=GOOD)),
    ("unhealthy", member('{"health":"false","reason":"QGET ERROR:etcdserver: request timed out"}', 503)),
    ("refused", member(failure=Failure.CONNECTION_REFUSED)),
    ("refused", member(failure=Failure.TLS_CLOSED)),
    ("silent", member(failure=Failure.CONNECT_TIMEOUT)),
    ("silent", member(failure=Failure.HTTP_TIMEOUT)),
    ("unreachable", member(failure=Failure.HOST_UNREACHABLE)),
    ("unreachable", member(failure=Failure.PROXY_FAILED)),
    ("unreachable", nameless()),
    ("certificate-expired", member(failure=Failure.CERTIFICATE_EXPIRED)),
    ("certificate-rejected", member(failure=Failure.CERTIFICATE_NAME_MISMATCH)),
    ("credentials-rejected", member(failure=Failure.TLS_ALERT)),
    ("credentials-rejected", member(failure=Failure.HTTP_CLOSED, phases={"tls": 0.01})),
    ("credentials-rejected", member("", 401)),
    ("not-an-etcd", member("<html>", 200)),
    ("not-an-etcd", member("[]", 404)),
    ("not-an-etcd", member("[" * 200_000)),
    ("not-an-etcd", member(failure=Failure.NOT_TLS)),
    ("not-looked-at", member(failure=Failure.DEADLINE_CAPPED)),
    ("not-looked-at", nameless(Failure.DEADLINE_CAPPED)),
    ("not-looked-at", nameless(Failure.RESOLVER_TIMEOUT)),
    ("not-looked-at", Scene(etcd=EtcdAccess(etcd=Etcd(endpoints=(ONE,)), problem="the file x cannot be used (gone)"))),
    ("none-configured", Scene()),
]
STATUS = {"healthy": Status.OK, "not-looked-at": Status.NOT_CHECKED, "none-configured": Status.NOT_CHECKED}


@pytest.mark.parametrize(("outcome", "scene"), CASES)
async def test_each_outcome(outcome: str, scene: Scene) -> None:
    finding = await scene.one("etcd-members")
    assert (finding.outcome, finding.status) == (outcome, STATUS.get(outcome, Status.PROBLEM))


def test_every_outcome_has_a_scene() -> None:
    assert {outcome for outcome, _ in CASES} == set(PROBES["etcd-members"].outcomes)


def test_a_sample_of_the_metrics_is_one_line() -> None:
    """Else one that never ends would be looked for from each of 30,000 lines to the end."""
    text = "etcd_a{\n" * 30_000 + '} 1\netcd_server_has_leader{of="x"} 0\n'
    answer = HttpAnswer(address=ONE.host, port=ONE.port, path=METRICS, status=200, body=text, started_at=NOW, duration_s=0.1)
    said = etcd.judge(answer.model_copy(update={"body": GOOD}), answer, answer)
    assert (said.outcome, said.evidence["leader"]) == ("healthy", 0)
    assert (
        etcd.judge(answer, answer, answer.model_copy(update={"body": "etcd_server_has_leader{\n} 0"})).evidence["leader"] is None
    )


async def test_a_database_that_is_nearly_full_is_a_warning_and_no_problem() -> None:
    finding = await member(size="1.9e+09").one("etcd-members")
    assert (finding.outcome, finding.status) == ("healthy", Status.OK)
    assert finding.warning == (
        "Member 10.1.0.11:2379 of etcd has used 88% of its quota of 2,048 MiB, and takes no writes any more when that is full."
    )
    assert finding.sentence == "Member 10.1.0.11:2379 of etcd is healthy, with 88% of its quota of 2,048 MiB used."
    assert (await member().one("etcd-members")).warning is None


async def test_a_member_s_certificate_that_ends_soon_is_warned_of() -> None:
    scene = member()
    soon = certificate(not_before=NOW - timedelta(days=350), not_after=NOW + timedelta(days=15))
    scene.network.handshakes(ONE.host, chain=(soon,))
    finding = await scene.one("etcd-members")
    assert (finding.outcome, finding.status) == ("healthy", Status.OK)
    assert finding.warning is not None
    assert finding.warning.startswith("Member 10.1.0.11:2379 of etcd: the certificate ends in 15 days, at 2026-12-05")


async def test_credentials_that_cannot_be_had_are_said() -> None:
    scene = member()
    scene.etcd = EtcdAccess(
        etcd=Etcd(endpoints=(ONE,)), credentials=OwnCredentials(error=Unavailable("the key cannot be read", next="look at it"))
    )
    finding = await scene.one("etcd-members")
    assert (finding.outcome, finding.todo) == ("not-looked-at", "look at it")


async def test_five_members_are_asked() -> None:
    scene = member()
    many = tuple(Endpoint(host=f"10.1.0.{number}", port=2379) for number in range(11, 18))
    for one in many:
        scene.network.resolves(one.host, one.host)
        scene.network.answers(one.host, HEALTH, 200, GOOD)
    scene.etcd = EtcdAccess(etcd=Etcd(endpoints=many), credentials=OwnCredentials())
    assert len(await scene.run("etcd-members")) == 5


# Over real sockets


@pytest.fixture(scope="module")
def authority() -> pki.Authority:
    return pki.Authority(common_name="etcd-ca")


def files(folder: Path, authority: pki.Authority, client: pki.Issued | None, port: int) -> EtcdAccess:
    """Access as the configuration's files give it."""
    (folder / "ca.crt").write_text(authority.pem)
    given: dict[str, str] = {}
    if client is not None:
        (folder / "client.crt").write_text(client.pem)
        (folder / "client.key").write_text(client.key_pem)
        given = {"certificate_file": str(folder / "client.crt"), "key_file": str(folder / "client.key")}
    place = Endpoint(host="127.0.0.1", port=port)
    access = etcd_access(Etcd(endpoints=(place,), ca_file=str(folder / "ca.crt"), **given), clock=SystemClock())
    assert access is not None
    return access


@asynccontextmanager
async def serving(context: ssl.SSLContext, body: str = GOOD, status: str = "200 OK") -> AsyncGenerator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write((head + body).encode())
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def asked(access: EtcdAccess) -> Finding:
    async with RoundNetwork(clock=SystemClock(), deadline=time.monotonic() + 60) as network:
        (finding,) = await Scene(etcd=access, seconds=time.monotonic()).run("etcd-members", network=network)
    return finding


def demanding(issued: pki.Issued, authority: pki.Authority) -> ssl.SSLContext:
    context = issued.server_context(client_ca_pem=authority.pem)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_a_member_that_wants_a_certificate_gets_the_configured_one(authority: pki.Authority, tmp_path: Path) -> None:
    async with serving(demanding(authority.issue("127.0.0.1"), authority)) as port:
        assert (await asked(files(tmp_path, authority, authority.issue(common_name="probe"), port))).outcome == "healthy"


@pytest.mark.parametrize("known", [True, False])
async def test_a_member_that_does_not_take_the_certificate(authority: pki.Authority, tmp_path: Path, known: bool) -> None:
    client = pki.Authority(common_name="other").issue(common_name="probe") if known else None
    async with serving(demanding(authority.issue("127.0.0.1"), authority)) as port:
        assert (await asked(files(tmp_path, authority, client, port))).outcome == "credentials-rejected"


async def test_a_member_whose_certificate_has_expired_or_is_a_stranger_s(authority: pki.Authority, tmp_path: Path) -> None:
    client = authority.issue(common_name="probe")
    expired = authority.issue("127.0.0.1", valid_from=timedelta(days=-9), valid_to=timedelta(days=-1))
    async with serving(demanding(expired, authority)) as port:
        assert (await asked(files(tmp_path, authority, client, port))).outcome == "certificate-expired"
    stranger = pki.Authority(common_name="etcd-ca").issue("127.0.0.1")
    async with serving(demanding(stranger, authority)) as port:
        finding = await asked(files(tmp_path, authority, client, port))
    assert finding.outcome == "certificate-rejected"


async def test_a_closed_port_and_a_file_that_is_gone(authority: pki.Authority, tmp_path: Path) -> None:
    access = files(tmp_path, authority, authority.issue(), free_port())
    assert (await asked(access)).outcome == "refused"
    (tmp_path / "ca.crt").write_text("no certificate")
    broken = etcd_access(access.etcd, clock=SystemClock())
    assert broken is not None
    assert broken.problem == f"the file {tmp_path / 'ca.crt'} cannot be used (it is no certificate)"
    (tmp_path / "ca.crt").unlink()
    assert (await asked(etcd_access(access.etcd, clock=SystemClock()) or access)).outcome == "not-looked-at"
