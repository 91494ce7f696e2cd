"""Nobody said which authority signs for the server: a bare URL, or a CA file that cannot be read. Whatever answers cannot be
verified then, and that is no fault of its."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.adapters.kubeconfig.access import from_kubeconfig
from bot.app import build_core, investigate_once
from bot.config import ad_hoc
from bot.demo.scenarios import SCENARIOS, rehearse
from bot.model.diagnosis import Verdict
from bot.model.events import Trigger
from bot.model.finding import Status
from bot.ports import ClusterAccess
from bot.settings import Settings


async def investigated(access: ClusterAccess):
    trigger = Trigger(kind="command-line", who="ann")
    return await investigate_once(build_core(), access, trigger=trigger, on_event=lambda event, state: None)


def access_by_url(kubeconfig: dict, folder: Path) -> ClusterAccess:
    return ClusterAccess(cluster=ad_hoc(kubeconfig["clusters"][0]["cluster"]["server"]))


def access_without_ca_file(kubeconfig: dict, folder: Path) -> ClusterAccess:
    cluster = kubeconfig["clusters"][0]["cluster"]
    del cluster["certificate-authority-data"]
    cluster["certificate-authority"] = str(folder / "missing.crt")
    (folder / "kubeconfig").write_text(json.dumps(kubeconfig))
    return from_kubeconfig(folder / "kubeconfig", None, Settings.read())


@pytest.mark.parametrize("access", [access_by_url, access_without_ca_file])
async def test_a_healthy_server_whose_authority_is_not_known_is_accused_of_nothing(tmp_path: Path, access) -> None:
    async with rehearse(SCENARIOS["healthy"]) as rehearsal:
        state = await investigated(access(json.loads(rehearsal.kubeconfig), tmp_path))
    [seen] = [finding for finding in state.findings if finding.probe == "tls-handshake"]
    assert (seen.status, seen.outcome) == (Status.INCONCLUSIVE, "authority-not-known")
    assert seen.todo is not None
    assert "--kubeconfig" in seen.todo
    assert state.diagnosis is not None
    assert "Give its CA" in state.diagnosis.headline
    blamed = {cause.id for cause in state.diagnosis.causes}
    assert blamed.isdisjoint({"ca-mismatch", "wrong-cluster-answers", "tls-intercepted", "healthy"})
    assert any("its authority is not known here" in text for text in state.diagnosis.not_checked)


async def test_a_fault_above_tls_is_named_although_the_authority_is_not_known(tmp_path: Path) -> None:
    async with rehearse(SCENARIOS["etcd-failing"]) as rehearsal:
        state = await investigated(access_without_ca_file(json.loads(rehearsal.kubeconfig), tmp_path))
    assert state.diagnosis is not None
    assert state.diagnosis.verdict is Verdict.CAUSE
    assert state.diagnosis.causes[0].id == "etcd-unavailable"


async def test_a_ca_that_cannot_be_read_is_told_beside_the_grid_and_where_credentials_are_missed(tmp_path: Path) -> None:
    async with rehearse(SCENARIOS["healthy"]) as rehearsal:
        state = await investigated(access_without_ca_file(json.loads(rehearsal.kubeconfig), tmp_path))
    assert state.triage is not None
    [note] = state.triage.notes
    assert "missing.crt cannot be used" in note
    [auth] = [finding for finding in state.findings if finding.probe == "apiserver-auth"]
    assert (auth.outcome, note in auth.sentence) == ("credentials-unavailable", True)
