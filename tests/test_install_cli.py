"""`apidown doctor` and `apidown init` as their user has them: another process, its exit status and its output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.config import Config
from bot.demo.scenarios import SCENARIOS, rehearse
from tests.fakes.slack import FakeSlack
from tests.test_cli import Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


async def test_init_then_doctor_is_well_when_slack_and_the_cluster_are(terminal: Terminal) -> None:
    async with rehearse(SCENARIOS["healthy"]) as rehearsal, FakeSlack() as slack:
        (terminal.home / ".kube").mkdir()
        (terminal.home / ".kube" / "config").write_text(rehearsal.kubeconfig)
        done = await terminal.run("init")
        assert (done.status, done.err) == (0, "")
        assert "apidown doctor --config apidown.yaml" in done.out
        assert Config.load(terminal.home / "apidown.yaml").clusters
        tokens = {"SLACK_BOT_TOKEN": slack.bot_token, "SLACK_APP_TOKEN": slack.app_token}
        done = await terminal.run("doctor", "--config", "apidown.yaml", APIDOWN_SLACK_BASE_URL=slack.base_url, **tokens)
        assert (done.status, done.err) == (0, ""), done.out
        assert done.out.splitlines()[-1].startswith("All is well")
        assert not [token for token in tokens.values() if token in done.out]


async def test_doctor_ends_with_1_where_something_is_missing_and_has_json(terminal: Terminal) -> None:
    done = await terminal.run("doctor", "--output", "json")
    assert (done.status, done.err) == (1, "")
    said = json.loads(done.out)
    assert (said["schema"], said["ok"]) == ("apidown-doctor/v1", False)
    checks = {one["check"]: one for one in said["checks"]}
    assert checks["Slack bot token"]["status"] == "not-checked"
    assert checks["store"]["status"] == "ok"
    assert all(set(one) == {"check", "subject", "status", "sentence", "remedy"} for one in said["checks"])


async def test_doctor_says_a_wrong_setting_in_a_line_and_ends_with_1(terminal: Terminal) -> None:
    done = await terminal.run("doctor", APIDOWN_LOG_LEVEL="loud")
    assert done.status == 1
    assert "✗ problem" in done.out
    assert "APIDOWN_LOG_LEVEL" in done.out


@pytest.mark.parametrize("words", [("doctor", "--nonsense"), ("doctor", "--output", "yaml"), ("init", "--kubeconfig", "missing")])
async def test_wrong_usage_is_3(terminal: Terminal, words: tuple[str, ...]) -> None:
    done = await terminal.run(*words)
    assert done.status == 3
    assert done.err
    assert not done.out


async def test_init_says_what_it_left_out_and_why(terminal: Terminal) -> None:
    contexts = [{"name": name, "context": {"cluster": name}} for name in ("prod", "old")]
    clusters = [{"name": "prod", "cluster": {"server": "https://127.0.0.1:1"}}]
    (terminal.home / "kubeconfig").write_text(json.dumps({"contexts": contexts, "clusters": clusters}))
    done = await terminal.run("init", "--kubeconfig", "kubeconfig")
    assert done.status == 0
    assert "apidown.yaml has prod. " in done.out
    assert "\n  Left out: Context 'old' names the cluster 'old', which is not there.\n" in done.out


async def test_init_replaces_a_file_only_when_it_is_told_to(terminal: Terminal) -> None:
    (terminal.home / "apidown.yaml").write_text("mine")
    async with rehearse(SCENARIOS["healthy"]) as rehearsal:
        (terminal.home / "kubeconfig").write_text(rehearsal.kubeconfig)
    done = await terminal.run("init", "--kubeconfig", "kubeconfig")
    assert done.status == 3
    assert (terminal.home / "apidown.yaml").read_text() == "mine"
    done = await terminal.run("init", "--kubeconfig", "kubeconfig", "--force")
    assert done.status == 0
    assert Config.load(terminal.home / "apidown.yaml").clusters
