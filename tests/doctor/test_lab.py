"""The doctor and the documents' commands against a real API server: rights as it really answers them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.doctor import rights
from bot.doctor.lines import Line
from bot.doctor.run import examine
from bot.model.finding import Status
from tests.lab.compare.running import built
from tests.lab.control_plane import ControlPlane, control_plane
from tests.lab.processes import wait_until
from tests.require import missing
from tests.rights import LOG, MUST_NOT, status_of

pytestmark = pytest.mark.lab

INSTALL = (Path(__file__).resolve().parents[2] / "docs" / "install.md").read_text()
RIGHTS = (
    "list pods in kube-system",
    "list endpointslices in default",
    "get the config map kubeadm-config in kube-system",
    "get the config map cluster-info in kube-public",
    "list configmaps in kube-system",
    "list deployments in kube-system",
    "list daemonsets in kube-system",
    "list statefulsets in kube-system",
    "list networkpolicies",
    "list the namespace kube-system",
    "list nodes",
    "list leases in kube-system",
    "list apiservices",
    "list validatingwebhookconfigurations",
    "list mutatingwebhookconfigurations",
    "list endpointslices in all namespaces",
    "list services in all namespaces",
    "get the path /metrics",
)
"""What an investigation looks at, but for logs: docs/configuration.md, Credentials."""
COUNTING = """\
id: count
title: Helm's objects are counted
meaning: There may be many.
impact: Lists of them are slow.
steps:
  - {id: count, title: Helm keeps few revisions, probe: helm-releases, with: {count: true}}
"""


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane")) as made:
        for namespace in ("default", "kube-system", "kube-public"):
            wait_until(lambda: made.status(f"/api/v1/namespaces/{namespace}") == 200, namespace, within=30)  # noqa: B023
        yield made


async def examined(folder: Path, monkeypatch: pytest.MonkeyPatch, cluster: dict[str, Any], **more: Any) -> dict[str, Line]:
    (folder / "apidown.yaml").write_text(json.dumps({"clusters": {"lab": cluster}, **more}))
    monkeypatch.setenv("APIDOWN_STATE_DIR", str(folder / "state"))
    lines = await examine(folder / "apidown.yaml")
    return {line.check: line for line in lines if line.subject == "lab"}


async def test_an_administrator_may_read_everything_and_is_told_who_it_is(
    plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await examined(tmp_path, monkeypatch, {"kubeconfig": str(plane.kubeconfig())})
    assert {one.status for one in found.values()} <= {Status.OK, Status.NOT_APPLICABLE}
    assert found["credentials"].status is Status.OK
    assert found["optional reads"].status is Status.OK
    assert rights.LOGS not in found["optional reads"].sentence
    assert "system:masters" in found["may write"].sentence


async def test_an_identity_without_rights_is_accepted_and_each_missing_right_is_named(
    plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = plane.authority.client("somebody", ["some-group"])
    found = await examined(tmp_path, monkeypatch, {"kubeconfig": str(plane.kubeconfig(user=user))})
    reads = found["optional reads"]
    assert found["credentials"].status is Status.OK
    assert reads.status is Status.NOT_CHECKED
    for right in (*RIGHTS, rights.LOGS):
        assert right in reads.sentence, right
    assert f"{len(RIGHTS)} rights are missing" in reads.sentence
    assert "An identity that may only read" in reads.remedy
    assert "somebody" in found["may write"].sentence


async def test_a_right_that_only_a_playbook_asks_for_is_missed_only_where_there_is_one(
    plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = plane.authority.client("somebody", ["some-group"])
    cluster = {"kubeconfig": str(plane.kubeconfig(user=user))}
    assert "secrets" not in (await examined(tmp_path, monkeypatch, cluster))["optional reads"].sentence
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "count.yaml").write_text(COUNTING)
    found = await examined(tmp_path, monkeypatch, cluster, playbooks="playbooks")
    assert "list secrets in all namespaces" in found["optional reads"].sentence


async def test_the_documents_commands_make_an_identity_that_may_read_enough_and_no_more(
    plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = INSTALL.split("## An identity that may only read")[1].split("\n## ")[0]
    scripts = re.findall(r"```sh\n(.*?)```", section, re.S)
    assert len(scripts) == 2, "the identity, and its choice"
    run(scripts[0], plane, tmp_path)
    (tmp_path / "ca.crt").write_text(plane.authority.pem)
    token = (tmp_path / "prod.token").read_text().strip()
    cluster = {"server": plane.url, "ca": "ca.crt", "token_file": "prod.token"}
    found = await examined(tmp_path, monkeypatch, cluster)
    assert {one.status for one in found.values()} <= {Status.OK, Status.NOT_APPLICABLE}, "\n".join(map(str, found.values()))
    assert rights.LOGS in found["optional reads"].sentence
    assert "system:serviceaccount:kube-system:apidown" in found["may write"].sentence
    for path in (*MUST_NOT, LOG):
        assert status_of(plane, token, path) == 403, path
    run(scripts[1], plane, tmp_path)
    wait_until(lambda: status_of(plane, token, LOG) == 404, "the right to logs", within=10)
    assert rights.LOGS not in (await examined(tmp_path, monkeypatch, cluster))["optional reads"].sentence
    for path in MUST_NOT:
        assert status_of(plane, token, path) == 403, path


def run(script: str, plane: ControlPlane, folder: Path) -> None:
    """A documented script, as a person runs it who administers that cluster."""
    kubectl = shutil.which("kubectl") or shutil.which("kubectl", path=str(built()))
    if kubectl is None:
        missing("kubectl", "kubectl is not on PATH or built. Next: make compare-tools")
    path = f"{Path(kubectl).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(folder), "KUBECONFIG": str(plane.kubeconfig())}
    done = subprocess.run(
        ["sh", "-euc", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
