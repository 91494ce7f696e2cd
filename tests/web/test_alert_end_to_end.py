"""From Alertmanager's post to the thread: the bot as a process, Slack as the strict fake, and a cluster that refuses."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.fakes.slack import FakeSlack, Message
from tests.lab.processes import Process
from tests.triggers.payloads import alert, body

TOKEN = "6d2b7c0f4e8a1935"


@dataclass(frozen=True)
class Served:
    slack: FakeSlack
    process: Process

    @property
    def url(self) -> str:
        """Where it serves, once its log says so: a port that it chose itself is nobody else's."""
        (said,) = re.findall(r'"at": \["([^"]+)"\], "event": "http-served"', self.process.log.read_text())
        return f"{said}/webhooks/alertmanager"

    async def post(self, *alerts: dict[str, object]) -> dict[str, int]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession() as session, session.post(self.url, data=body(*alerts), headers=headers) as answer:
            assert answer.status == 202
            return await answer.json()

    async def root(self, *texts: str) -> Message:
        """The one root, once its text or blocks say all of this."""
        return await self.slack.wait_for(lambda: next(iter(self._saying(texts)), None), 40, f"the root says {texts}")

    def _saying(self, texts: tuple[str, ...]) -> list[Message]:
        roots = self.slack.roots(self.slack.incidents)
        return [root for root in roots if all(text in root.text + json.dumps(root.blocks) for text in texts)]


@contextmanager
def refusing_port() -> Generator[int]:
    """A port that is taken and that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def serving(folder: Path, slack: FakeSlack, port: int) -> Generator[Served]:
    config = folder / "clusters.yaml"
    cluster = {"server": f"https://127.0.0.1:{port}", "channels": [slack.incidents]}
    config.write_text(json.dumps({"clusters": {"prod": cluster}, "controls": [urlsplit(slack.base_url).netloc]}))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
        "APIDOWN_SLACK_BASE_URL": slack.base_url,
        "APIDOWN_CONFIG": str(config),
        "APIDOWN_STATE_DIR": str(folder / "state"),
        "APIDOWN_HEALTH_HOST": "127.0.0.1",
        "APIDOWN_HEALTH_PORT": "0",
        "APIDOWN_WEBHOOK_TOKEN": TOKEN,
    }
    argv = [sys.executable, "-c", "from bot.cli import main; main()", "serve"]
    process = Process("apidown", argv, log=folder / "bot.log", env=environment)
    try:
        yield Served(slack, process)
    finally:
        process.terminate()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncGenerator[Served]:
    async with FakeSlack() as slack:
        with refusing_port() as port, serving(tmp_path, slack, port) as one:
            try:
                await slack.wait_for(lambda: slack.connections, 30, "the bot connects to Slack")
                yield one
            except BaseException:
                print(one.process.tail(60))
                raise
        slack.assert_clean()
    assert TOKEN not in (tmp_path / "bot.log").read_text()


async def test_an_outage_told_by_alerts_alone_is_one_thread_from_the_first_to_the_last(served: Served) -> None:
    began = datetime.now(UTC) - timedelta(minutes=1)
    starts = began.isoformat()
    first, second = alert(starts=starts), alert(starts=starts, instance="10.0.0.2:6443")
    assert (await served.post(first))["opened"] == 1
    root = await served.root("opened by the alert KubeAPIDown (critical)", "apidown.rerun")
    assert "refused" in json.dumps(root.blocks)
    failing_since = (began - timedelta(minutes=15)).strftime("%H:%M")
    assert failing_since in json.dumps(root.blocks) + served.slack.transcript(served.slack.incidents, root.ts)

    again = await served.post(first, second, alert("TargetDown", starts=starts, job="apiserver"))
    assert (again["opened"], again["joined"], again["repeated"]) == (0, 2, 1)
    assert (await served.root("3 alerts: ", "KubeAPIDown \\u00d72")).ts == root.ts

    told = [first, second, alert("TargetDown", starts=starts, job="apiserver")]
    over = [{**one, "status": "resolved", "endsAt": datetime.now(UTC).isoformat()} for one in told]
    assert (await served.post(*over))["resolved"] == 3
    assert (await served.root("resolved at ", "round 2", "apidown.rerun")).ts == root.ts
    assert (await served.post(*told, *over))["opened"] == 0
    assert len(served.slack.roots(served.slack.incidents)) == 1
