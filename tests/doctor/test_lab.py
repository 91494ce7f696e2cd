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

from bot.doctor.lines import Line
from bot.doctor.run import examine
from bot.model.finding import Status
from tests.lab.control_plane import ControlPlane, control_plane
from tests.lab.processes import wait_until
from tests.require import missing

pytestmark = pytest.mark.lab

INSTALL = (Path(__file__).resolve().parents[2] / "docs" / "install.md").read_text()


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane")) as made:
        for namespace in ("default", "kube-system", "kube-public"):
            wait_until(lambda: made.status(f"/api/v1/namespaces/{namespace}") == 200, namespace, within=30)  # noqa: B023
        yield made


async def examined(folder: Path, monkeypatch: pytest.MonkeyPatch, cluster: dict[str, Any]) -> dict[str, Line]:
    (folder / "apidown.yaml").write_text(json.dumps({"clusters": {"lab": cluster}}))
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
    assert "system:masters" in found["may write"].sentence


async def test_an_identity_without_rights_is_accepted_and_its_missing_reads_are_said(
    plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = plane.authority.client("somebody", ["some-group"])
    found = await examined(tmp_path, monkeypatch, {"kubeconfig": str(plane.kubeconfig(user=user))})
    assert found["credentials"].status is Status.OK
    assert found["optional reads"].status is Status.NOT_CHECKED
    assert "get and list" in found["optional reads"].remedy
    assert "somebody" in found["may write"].sentence


async def test_the_documents_commands_make_an_identity_that_may_read_enough(
    plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("kubectl") is None:
        missing("kubectl", "kubectl is not on PATH")
    section = INSTALL.split("## An identity that may only read")[1].split("\n## ")[0]
    script = re.search(r"```sh\n(.*?)```", section, re.S)
    assert script
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(plane.kubeconfig())}
    done = subprocess.run(
        ["sh", "-euc", script[1]], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    (tmp_path / "ca.crt").write_text(plane.authority.pem)
    cluster = {"server": plane.url, "ca": "ca.crt", "token_file": "prod.token"}
    found = await examined(tmp_path, monkeypatch, cluster)
    assert {one.status for one in found.values()} <= {Status.OK, Status.NOT_APPLICABLE}, "\n".join(map(str, found.values()))
    assert "system:serviceaccount:kube-system:apidown" in found["may write"].sentence
