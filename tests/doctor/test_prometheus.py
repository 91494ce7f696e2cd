"""The doctor's line about a cluster's Prometheus: that it answers, and that it scrapes what an investigation asks it about."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.demo.scenarios import SCENARIOS, rehearse
from bot.doctor.lines import Line
from bot.doctor.run import examine
from bot.model.finding import Status
from tests.fakes.prometheus import Recorded, serving, target
from tests.ports import free_port


async def line(folder: Path, monkeypatch: pytest.MonkeyPatch, targets: Sequence[Any], *, url: str = "", never: str = "") -> Line:
    """What is said of it beside a healthy cluster; ``HERE`` in an address is the cluster's own."""
    for name in list(os.environ):
        if name.startswith(("APIDOWN_", "SLACK_", "KUBE")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("APIDOWN_STATE_DIR", str(folder / "state"))
    async with rehearse(SCENARIOS["healthy"]) as rehearsal:
        server = yaml.safe_load(rehearsal.kubeconfig)["clusters"][0]["cluster"]["server"].rpartition("/")[2]
        looks = [[target(ending, address.replace("HERE", server), job) for ending, address, job in targets]]
        async with serving(Recorded(looks=looks, never=frozenset({never}))) as served:
            (folder / "kubeconfig").write_text(rehearsal.kubeconfig)
            cluster = {"kubeconfig": "kubeconfig", "prometheus": url or served}
            (folder / "apidown.yaml").write_text(json.dumps({"clusters": {"lab": cluster}}))
            monkeypatch.setenv("APIDOWN_CONFIG", str(folder / "apidown.yaml"))
            return next(one for one in await examine(None) if one.title == "lab: Prometheus")


async def test_it_scrapes_the_api_server_and_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = [("up", "HERE", "apiserver"), ("up", "127.0.0.1:2381", "kube-etcd"), ("up", "127.0.0.1:9100", "node")]
    found = await line(tmp_path, monkeypatch, targets)
    assert found.status is Status.OK
    assert found.sentence.endswith(" answers Prometheus. It scrapes more of the control plane: etcd, machine.")


@pytest.mark.parametrize(
    ("targets", "never", "status", "says"),
    [
        ([], "", Status.INCONCLUSIVE, "scrapes no API server of this cluster"),
        ([("refused", "10.0.0.1:6443", "apiserver")], "10.0.0.1:6443", Status.INCONCLUSIVE, "could not be scraped all day"),
        ([("other-authority", "10.0.0.1:6443", "apiserver")], "", Status.INCONCLUSIVE, "says more of Prometheus"),
    ],
)
async def test_it_cannot_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, targets: list[Any], never: str, status: Status, says: str
) -> None:
    found = await line(tmp_path, monkeypatch, targets, never=never)
    assert (found.status, bool(found.remedy)) == (status, True)
    assert says in found.sentence


async def test_it_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = await line(tmp_path, monkeypatch, [], url=f"http://127.0.0.1:{free_port()}")
    assert found.status is Status.NOT_CHECKED
    assert "Prometheus at http://127.0.0.1:" in found.sentence
    assert found.remedy.startswith("curl ")
