"""The bot as its users run it: a process of its own, configured by a file and the environment."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.fakes.slack import FakeSlack
from tests.lab.control_plane import ControlPlane
from tests.lab.network import Host
from tests.lab.processes import Process


@contextmanager
def bot(
    folder: Path, slack: FakeSlack, plane: ControlPlane, *, host: Host | None = None, replica: str = "one"
) -> Generator[Process]:
    """``apidown serve`` with the lab as its one cluster; in a namespace where a host is given."""
    config = folder / "apidown.yaml"
    document = {
        "clusters": {"lab": {"kubeconfig": str(plane.kubeconfig()), "aliases": ["l"]}},
        "channels": {slack.incidents: {"cluster": "lab"}},
        # What answers whatever happens to the cluster: the fake Slack itself.
        "controls": [urlsplit(slack.base_url).netloc],
    }
    config.write_text(json.dumps(document))
    with serving(folder, slack, config, host=host, replica=replica) as process:
        yield process


@contextmanager
def serving(
    folder: Path,
    slack: FakeSlack,
    config: Path,
    *,
    host: Host | None = None,
    replica: str = "one",
    files: Mapping[str, Path] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Generator[Process]:
    """``apidown serve`` with this configuration; on a host, with these files over the machine's own, where one is given."""
    variables = {
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
        "APIDOWN_LOG_FORMAT": "text",
        "APIDOWN_REPLICA": replica,
        **(environment or {}),
    }
    argv = [sys.executable, "-c", "from bot.cli import main; main()", "serve"]
    command = host.command(*argv, files=files) if host else argv
    process = Process("apidown", command, log=folder / f"bot-{replica}.log", env=variables)
    try:
        yield process
    finally:
        process.terminate()
