"""Asking the command line about the lab's cluster, as people run it: a process of its own, in the client's network."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.demo.pki import Authority
from tests.lab.control_plane import ControlPlane
from tests.lab.network import Host, Network

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Lab:
    """The cluster, the network and a place for files."""

    network: Network
    plane: ControlPlane
    folder: Path

    @property
    def server(self) -> Host:
        return self.network.control_plane

    def upstream(self) -> tuple[str, int]:
        return self.server.address, self.plane.port


@dataclass(kw_only=True)
class Ask:
    """What is investigated, and from where: a kubeconfig's fields, and what replaces the machine's own files."""

    server: str | None = None
    authority: Authority | None = None
    user: dict[str, str] | None = None
    server_name: str | None = None
    controls: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    more: tuple[str, ...] = ()


def investigate(lab: Lab, ask: Ask) -> dict[str, Any]:
    """The command line's JSON, and nothing on stderr."""
    config = lab.folder / "apidown.yaml"
    config.write_text(
        json.dumps({"clusters": {"lab": {"kubeconfig": str(kubeconfig(lab, ask))}}, "controls": list(ask.controls)})
    )
    argv = ["investigate", "--cluster", "lab", "--config", str(config), "--output", "json", *ask.more]
    argv = [sys.executable, "-c", "from bot.cli import main; main()", *argv]
    for index, (path, text) in enumerate(ask.files.items()):
        source = lab.folder / f"file{index}"
        source.write_text(text)
        argv = ["sh", "-c", f'mount --bind {source} {path} && exec "$@"', "sh", *argv]
    argv = ["unshare", "--mount", *argv] if ask.files else argv
    environment = {"PATH": os.environ["PATH"], "HOME": str(lab.folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        lab.network.client.command(*argv), capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert done.returncode in (0, 1, 2), done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def kubeconfig(lab: Lab, ask: Ask) -> Path:
    def b64(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    authority = ask.authority or lab.plane.authority
    cluster = {"server": ask.server or lab.plane.url, "certificate-authority-data": b64(authority.pem)}
    if ask.server_name:
        cluster["tls-server-name"] = ask.server_name
    admin = {"client-certificate-data": b64(lab.plane.admin.certificate), "client-key-data": b64(lab.plane.admin.key)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": "me", "user": admin if ask.user is None else {**ask.user}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "me"}}],
    }
    path = lab.folder / "asked.kubeconfig"
    path.write_text(json.dumps(document))
    return path
