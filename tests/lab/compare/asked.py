"""Runs one tool against one fault: on the host that the bot would run on, with the same kubeconfig, files and environment."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.redact import Redactor
from tests.lab import asking
from tests.lab.compare.kept import Seen, bounded
from tests.lab.compare.tool import Target, Tool
from tests.lab.fault import Ask, Fault
from tests.lab.processes import dying_with_us
from tests.lab.topology import Lab

# The output of a command that was ended says so: somebody who waits sees that nothing comes.
_ENDED = "(still running after {limit:.0f} s; ended)"


def see(lab: Lab, fault: Fault, ask: Ask, tool: Tool, binary: Path) -> Seen:
    """One run of all the tool's commands, timed together."""
    folder = lab.scratch()
    kubeconfig = ask.kubeconfig or asking.kubeconfig_for(lab, ask)
    target = read_target(json.loads(kubeconfig), folder)
    target.kubeconfig.write_text(kubeconfig)
    host = lab.hosts[ask.where]
    environment = asking.environment(ask, folder) | tool.environment(target)
    shown = asking.files(ask, folder)
    began, started = datetime.now(UTC), time.monotonic()
    outputs, exits = [], []
    for argv in tool.commands(str(binary), target):
        output, code = run_command(host.command(*argv, files=shown), environment, folder / "output", tool.limit)
        outputs.append(output)
        exits.append(code)
    seconds = time.monotonic() - started
    redactor = Redactor(secrets(kubeconfig))
    return Seen(
        fault=fault.name,
        title=fault.title,
        causes=[fault.truth.cause, *fault.truth.also],
        acceptable=list(fault.truth.acceptable["bot"]),
        tool=tool.name,
        output=bounded(redactor.text("\n".join(outputs))),
        exits=exits,
        seconds=round(seconds, 2),
        now=began.isoformat(),
        words=words(lab, target),
        ports=sorted({lab.names.port, lab.names.secure_port}),
    )


def run_command(argv: Sequence[str], environment: Mapping[str, str], file: Path, limit: float) -> tuple[str, int]:
    """Both streams and the exit code; after ``limit`` seconds it is killed with what it started."""
    with file.open("wb") as output:
        process = subprocess.Popen(
            dying_with_us(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=10)
            code = -signal.SIGKILL
    text = file.read_text(errors="replace")
    return (f"{text}\n{_ENDED.format(limit=limit)}" if code == -signal.SIGKILL else text), code


def read_target(document: Mapping[str, Any], folder: Path) -> Target:
    """The kubeconfig's current cluster and user, their certificates as files."""
    context = _named(document, "contexts", document["current-context"], "context")
    cluster = _named(document, "clusters", context["cluster"], "cluster")
    user = _named(document, "users", context.get("user", ""), "user")
    url = str(cluster["server"]).rstrip("/")
    parts = urlsplit(url)

    def file(fields: Mapping[str, Any], field: str) -> Path | None:
        if data := fields.get(f"{field}-data"):
            path = folder / f"{field}.pem"
            path.touch(mode=0o600)
            path.write_bytes(base64.b64decode(data))
            return path
        return Path(fields[field]) if fields.get(field) else None

    return Target(
        kubeconfig=folder / "kubeconfig",
        url=url,
        host=parts.hostname or "",
        port=parts.port or (80 if parts.scheme == "http" else 443),
        folder=folder,
        authority=file(cluster, "certificate-authority"),
        certificate=file(user, "client-certificate"),
        key=file(user, "client-key"),
        token=user.get("token"),
        server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url"),
    )


def _named(document: Mapping[str, Any], plural: str, name: str, kind: str) -> Mapping[str, Any]:
    return next((one[kind] or {} for one in document.get(plural, ()) if one["name"] == name), {})


def secrets(kubeconfig: str) -> Iterator[str]:
    """What of a kubeconfig may not be kept."""
    for one in json.loads(kubeconfig).get("users", ()):
        fields = one["user"] or {}
        yield from (str(fields[name]) for name in ("token", "password", "client-key-data") if fields.get(name))


def words(lab: Lab, target: Target) -> dict[str, str]:
    """What is known to somebody who knows the cluster: its name and addresses, and those of the machines around it."""
    names = lab.names
    servers = (names.api, *(names.addresses[role] for role in ("lb", "cp1", "cp2")))
    others = {names.addresses[role]: role for role in ("dns", "router", "node", "client", "client2")}
    # Which of the two a balancer chose is chance.
    called = dict.fromkeys(names.hosts.values(), "machine")
    spare = dict.fromkeys(names.unused, "other address")
    return {
        **others,
        **called,
        **spare,
        **dict.fromkeys(servers, "server"),
        names.cluster: "cluster",
        names.zone: "zone",
        str(target.folder): "folder",
    }


def find(tools: Iterable[Tool], built: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """The tools that are there, what was built first; and of those that are not, why."""
    found, missing = {}, {}
    for tool in tools:
        path = shutil.which(tool.binary, path=str(built)) or shutil.which(tool.binary)
        if path:
            found[tool.name] = Path(path)
        else:
            missing[tool.name] = f"{tool.binary} is not in {built} or on PATH"
    return found, missing
