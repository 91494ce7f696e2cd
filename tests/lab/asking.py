"""Asking the command line about the lab's cluster, as people run it: a process of its own, on a host of the lab."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.lab.fault import Ask
from tests.lab.kubeadm import kubeconfig
from tests.lab.processes import dying_with_us
from tests.lab.topology import ROOT, Lab

_PATIENCE_S = 90.0


def investigate(lab: Lab, ask: Ask) -> dict[str, Any]:
    """The command line's JSON; an AssertionError with its words when it fails. What it logs on stderr is no failure: a busy
    machine may keep its store away for a moment."""
    folder = lab.scratch()
    config = write_config(lab, ask, folder)
    host = lab.hosts[ask.where]
    argv = [sys.executable, "-c", "from bot.cli import main; main()"]
    argv += ["investigate", "--cluster", lab.names.cluster, "--config", str(config), "--output", "json", *ask.more]
    done = subprocess.run(
        dying_with_us(host.command(*argv, files=files(ask, folder))),
        capture_output=True,
        text=True,
        env=environment(ask, folder),
        timeout=_PATIENCE_S,
        check=False,
    )
    assert done.returncode in (0, 1, 2), done.stderr
    return json.loads(done.stdout)


def write_config(lab: Lab, ask: Ask, folder: Path, **more: object) -> Path:
    """The configuration file, and the kubeconfig that it names."""
    asked = folder / "asked.kubeconfig"
    asked.write_text(ask.kubeconfig or kubeconfig_for(lab, ask))
    path = folder / "apidown.yaml"
    controls = [lab.control] if ask.controls is None else list(ask.controls)
    clusters = {lab.names.cluster: {"kubeconfig": str(asked), **watched(lab, ask), **ask.known}}
    path.write_text(json.dumps({"clusters": clusters, "controls": controls, **more}))
    return path


def watched(lab: Lab, ask: Ask) -> dict[str, object]:
    """Who else knows of the cluster, as its people have configured it once: Prometheus, and the balancer where it is asked."""
    found: dict[str, object] = {}
    if ask.prometheus and lab.prometheus is not None:
        found["prometheus"] = lab.prometheus.url
    if not lab.bare and (_asks_balancer(lab, ask) if ask.balancer is None else ask.balancer):
        found["balancer"] = {"haproxy": lab.balancer.page}
    return found


def _asks_balancer(lab: Lab, ask: Ask) -> bool:
    if ask.kubeconfig is not None:
        return False
    return ask.server is None or urlsplit(ask.server).hostname in (lab.names.api, lab.lb.address)


def kubeconfig_for(lab: Lab, ask: Ask) -> str:
    fields = {**({"tls-server-name": ask.server_name} if ask.server_name else {}), **ask.cluster}
    user = lab.user if ask.user is None else ask.user
    authority = (ask.authority or lab.authority).pem
    return kubeconfig(ask.server or lab.url, authority, user, cluster=lab.names.cluster, more=fields)


def files(ask: Ask, folder: Path) -> dict[str, Path]:
    shown = {}
    for index, (path, text) in enumerate(ask.files.items()):
        shown[path] = folder / f"file{index}"
        shown[path].write_text(text)
    return shown


def environment(ask: Ask, folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONPATH": str(ROOT),
        **ask.environment,
    }
