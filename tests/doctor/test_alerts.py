"""What the doctor says of alerts: whether they are taken, and where they would lead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.config import Config
from bot.doctor.alerts import look
from bot.doctor.lines import Line
from bot.model.finding import Status
from bot.settings import Settings

CHANNEL = "C0123ABCD"
WITH_CHANNEL = {"server": "https://api.example.com:6443", "channels": [CHANNEL]}
WITHOUT = {"server": "https://other.example.com:6443"}


@pytest.fixture
def look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def looked(*, token: bool, **config: Any) -> list[Line]:
        monkeypatch.delenv("APIDOWN_WEBHOOK_TOKEN", raising=False)
        if token:
            monkeypatch.setenv("APIDOWN_WEBHOOK_TOKEN", "0123456789abcdef")
        (tmp_path / "apidown.yaml").write_text(json.dumps(config))
        return look(Settings.read(), Config.load(tmp_path / "apidown.yaml"))

    return looked


def test_without_a_token_nothing_is_asked_for_unless_alerts_are_meant(look_at: Any) -> None:
    (line,) = look_at(token=False, clusters={"prod": WITH_CHANNEL})
    assert line.status is Status.NOT_APPLICABLE
    assert "APIDOWN_WEBHOOK_TOKEN" in line.sentence
    for meant in (
        {"clusters": {"prod": WITH_CHANNEL}, "alerts": {"names": ["KubeAPIDown"]}},
        {"clusters": {"prod": WITHOUT | {"incident_channel": CHANNEL}}},
    ):
        (line,) = look_at(token=False, **meant)
        assert line.status is Status.PROBLEM
        assert "openssl rand -hex 32" in line.remedy


def test_each_cluster_whose_alerts_would_lead_nowhere_is_named(look_at: Any) -> None:
    lines = look_at(token=True, clusters={"prod": WITH_CHANNEL, "two": WITHOUT, "one": WITHOUT})
    assert [(line.title, line.status) for line in lines] == [
        ("alerts", Status.OK),
        ("one: alerts", Status.PROBLEM),
        ("two: alerts", Status.PROBLEM),
    ]
    assert "incident_channel" in lines[1].remedy
    assert "without it, nothing is done" in lines[0].sentence


def test_what_an_alert_without_a_cluster_means_is_said(look_at: Any) -> None:
    both = {"prod": WITH_CHANNEL, "two": WITHOUT | {"incident_channel": CHANNEL}}
    (line,) = look_at(token=True, clusters=both, alerts={"default_cluster": "two", "cluster_label": "k8s"})
    assert "'k8s'" in line.sentence
    assert "it is two" in line.sentence
    (line,) = look_at(token=True, clusters={"prod": WITH_CHANNEL})
    assert "it is prod" in line.sentence


def test_a_token_without_clusters_is_a_problem_and_an_empty_list_is_a_choice(look_at: Any) -> None:
    (line,) = look_at(token=True)
    assert line.status is Status.PROBLEM
    (line,) = look_at(token=True, clusters={"prod": WITH_CHANNEL}, alerts={"names": []})
    assert line.status is Status.OK
    assert "none opens" in line.sentence
