"""What would break next is said while it works, with its time or number; what is usual warns of nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.clock import stamp
from bot.model.base import Json
from bot.model.finding import Status
from bot.model.observation import Failure
from bot.model.target import Endpoint
from bot.ports import Kind
from tests.fakes.network import NOW, certificate
from tests.probes.scene import ADDRESS, PLACE, OwnCredentials, Scene, target
from tests.probes.test_behind import grows, hooks, releases, secrets
from tests.probes.test_kube_system_workloads import system, workload

DAY = timedelta(days=1)
YEAR = {"not_before": NOW - 300 * DAY}


async def handshake(*chain: Any, ca_pem: str | None = None) -> str | None:
    scene = Scene(target=target(ca_pem=ca_pem))
    scene.network.handshakes(ADDRESS, chain=chain)
    finding = await scene.one("tls-handshake")
    assert (finding.outcome, finding.status) == ("verified", Status.OK)
    return finding.warning


async def test_a_certificate_that_ends_within_a_month_is_warned_of() -> None:
    assert await handshake(certificate(**YEAR, not_after=NOW + 40 * DAY)) is None
    said = await handshake(certificate(**YEAR, not_after=NOW + 20 * DAY))
    assert said == (
        f"{PLACE}: the certificate ends in 20 days, at 2026-12-10 12:00:00 UTC; without a new one every client that verifies it "
        "fails then."
    )


async def test_what_is_renewed_every_month_or_day_is_no_news() -> None:
    assert await handshake(certificate(not_before=NOW - 10 * DAY, not_after=NOW + 20 * DAY)) is None
    assert await handshake(certificate(not_before=NOW - 12 * DAY / 24, not_after=NOW + 12 * DAY / 24)) is None
    assert await handshake(certificate(not_before=NOW - 27 * DAY, not_after=NOW + 3 * DAY)) is not None


def authority(name: str, begin: datetime, end: datetime) -> str:
    """An authority's certificate with these dates."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(begin).not_valid_after(end)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


async def test_the_authority_that_signed_counts_and_a_newer_one_beside_it_replaces_it() -> None:
    old = authority("kubernetes", NOW - 3640 * DAY, NOW + 10 * DAY)
    new = authority("kubernetes", NOW - DAY, NOW + 3649 * DAY)
    other = authority("etcd-ca", NOW - 3640 * DAY, NOW + 10 * DAY)
    leaf = certificate(issuer="CN=kubernetes", not_after=NOW + 200 * DAY)
    said = await handshake(leaf, ca_pem=old)
    assert said is not None
    assert said.startswith(f"{PLACE}: the authority CN=kubernetes ends in 10 days, at 2026-11-30")
    assert await handshake(leaf, ca_pem=new + old) is None
    assert await handshake(leaf, ca_pem=other) is None
    signer = certificate(subject="CN=intermediate", **YEAR, not_after=NOW + 9 * DAY)
    said = await handshake(leaf, signer)
    assert said is not None
    assert "CN=intermediate, which signed the certificate, ends in 9 days" in said


@pytest.mark.parametrize(
    ("about", "warned"),
    [
        ({"kind": "client-certificate", "not_before": -340, "not_after": 25}, True),
        ({"kind": "client-certificate", "not_before": -300, "not_after": 65}, False),
        ({"kind": "client-certificate", "not_after": 25}, True),
        ({"kind": "client-certificate"}, False),
        ({"kind": "token", "not_before": -340, "not_after": 25}, True),
        ({"kind": "token", "not_before": 0, "not_after": 0.04}, False),
        ({"kind": "token", "not_after": 25}, False),
    ],
)
async def test_credentials_that_end_soon_are_warned_of_unless_they_come_anew_by_themselves(about: Json, warned: bool) -> None:
    said = {key: stamp(NOW + value * DAY) if key != "kind" else value for key, value in about.items()}
    finding = await Scene(credentials=OwnCredentials(about=said)).one("apiserver-auth")
    assert (finding.outcome, finding.status) == ("accepted", Status.OK)
    assert (finding.warning is not None) is warned
    if finding.warning is not None:
        assert "that apidown is configured with ends in 25 days, at 2026-12-15 12:00:00 UTC." in finding.warning


async def test_a_webhook_with_nobody_behind_it_is_warned_of() -> None:
    scene = Scene()
    hooks()(scene)
    warning = (await scene.one("admission-webhooks")).warning
    assert warning is not None
    assert "w0.example.com fails closed and has nobody behind it." in warning
    hooks(slices=[["10.0.0.1"]])(scene)
    assert (await scene.one("admission-webhooks")).warning is None


@pytest.mark.parametrize(
    ("size", "quota"), [(1.0e9, None), (1.9e9, "2048 MiB"), (3.0e9, None), (7.5e9, "8192 MiB"), (9.0e9, None)]
)
async def test_a_database_just_below_a_usual_quota_is_warned_of(size: float, quota: str | None) -> None:
    scene = Scene()
    grows(apiserver_storage_size_bytes={(): size})(scene)
    found = {one.subject: one for one in await scene.run("apiserver-load", seconds=0.0)}
    assert {one.outcome for one in found.values()} == {"quick"}
    warning = found["etcd requests"].warning
    assert (quota is None) == (warning is None)
    if warning is not None:
        assert f"where its quota is {quota}" in warning


async def test_files_that_run_out_are_warned_of_before_they_are_a_problem() -> None:
    scene = Scene()
    grows(process_open_fds={(): 750.0})(scene)
    (files,) = [one for one in await scene.run("apiserver-load", seconds=0.0) if one.subject == "open files"]
    assert (files.status, files.warning) == (
        Status.OK,
        "Of the API server's files 750 of at most 1000 files are open; at the limit it takes no connections.",
    )


async def test_helms_revisions_that_pile_up_are_warned_of_before_they_are_a_problem() -> None:
    scene = Scene()
    releases(400, 5)(scene)
    finding = await scene.one("helm-releases", count=True)
    assert (finding.outcome, finding.warning) == (
        "few",
        "Helm keeps 390 revisions more than it does by itself, most of apps/app0.",
    )
    releases(12, 5)(scene)
    assert (await scene.one("helm-releases", count=True)).warning is None
    secrets(700, 700 * 45_000)(scene)
    assert (await scene.one("helm-releases")).warning == (
        "There are 700 secrets of all kinds, as large as Helm's releases are; from 1000 on lists are slow."
    )
    secrets(700, 700 * 3_000)(scene)
    assert (await scene.one("helm-releases")).warning is None


async def test_the_last_pod_of_a_workload_is_warned_of() -> None:
    (last,) = await system(workload(Kind.DEPLOYMENTS, "coredns", 2, 1)).run("kube-system-workloads")
    assert (last.outcome, last.status) == ("available", Status.OK)
    assert last.warning == "Deployment coredns has one pod left of 2; with the next failure there is none."
    (fine,) = await system(workload(Kind.DEPLOYMENTS, "coredns", 3, 2)).run("kube-system-workloads")
    assert fine.warning is None


async def test_one_node_of_two_that_is_down_is_warned_of_and_both_are_an_outage() -> None:
    scene = Scene(nodes=(Endpoint(host="10.0.0.11", port=6443), Endpoint(host="10.0.0.12", port=6443)))
    scene.network.connects("10.0.0.12", failure=Failure.CONNECTION_REFUSED)
    good, bad = await scene.run("control-plane-nodes")
    assert good.warning is None
    assert bad.warning is not None
    assert bad.warning.startswith("1 of 2 control-plane nodes are down for who asks them: Node 10.0.0.12:6443 refuses")
    both = Scene(nodes=scene.nodes)
    for address in ("10.0.0.11", "10.0.0.12"):
        both.network.connects(address, failure=Failure.CONNECTION_REFUSED)
    assert [one.warning for one in await both.run("control-plane-nodes")] == [None, None]


async def test_a_server_that_is_alive_and_not_ready_is_warned_of() -> None:
    scene = Scene()
    scene.network.answers(ADDRESS, "/readyz?verbose", 500, "[+]ping ok\n[-]shutdown failed: reason withheld\n")
    finding = await scene.one("apiserver-health")
    assert (finding.outcome, finding.status) == ("checks-failing", Status.PROBLEM)
    assert finding.warning is not None
    assert finding.warning.endswith("; it is alive, and a balancer that asks /readyz leaves it out.")
