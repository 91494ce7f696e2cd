"""Runs a kubeconfig's exec plugin: one program, no shell, no terminal, no more than five seconds.

The plugin is the reader's own, but what it says is text from outside: its output is bounded and judged, and its complaint is
shown redacted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bot.adapters.kubeconfig.files import ExecPlugin
from bot.errors import Unavailable
from bot.model.base import Json
from bot.redact import Redactor

DEADLINE_S = 5.0
_MAX_OUTPUT = 256 * 1024
_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, kw_only=True)
class ExecCredential:
    """What a plugin handed out. ``expires`` None: it does not say."""

    token: str | None = field(default=None, repr=False)
    certificate_pem: str | None = field(default=None, repr=False)
    key_pem: str | None = field(default=None, repr=False)
    expires: datetime | None = None


async def run_plugin(
    plugin: ExecPlugin, *, environment: Mapping[str, str], cluster: Json, deadline_s: float = DEADLINE_S
) -> ExecCredential:
    """The credentials that the plugin prints. ``environment`` is what it inherits, ``cluster`` what it is told of the cluster
    if it asks for that. Raises Unavailable with the plugin's last line of complaint."""
    spec: Json = {"interactive": False}
    if plugin.provide_cluster_info:
        spec["cluster"] = cluster
    info = {"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec}
    env = {**environment, **plugin.env, "KUBERNETES_EXEC_INFO": json.dumps(info)}
    try:
        process = await asyncio.create_subprocess_exec(
            plugin.command, *plugin.args, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=env, start_new_session=True
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "its command is not usable"
        raise _failed(plugin, f"cannot be started: {reason}") from error
    try:
        async with asyncio.timeout(deadline_s):
            output, complaint = await _output(process)
            status = await process.wait()
    except TimeoutError as error:
        raise _failed(plugin, f"does not answer within {deadline_s:g} s") from error
    finally:
        await _end(process)
    if status != 0:
        raise _failed(plugin, f"ends with status {status}{_last_line(complaint)}")
    try:
        return parse_credential(output, plugin.api_version)
    except ValueError as error:
        raise _failed(plugin, str(error)) from error


async def _output(process: Process) -> tuple[bytes, bytes]:
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.TaskGroup() as group:
        output = group.create_task(_bounded(process.stdout), name="exec plugin: output")
        complaint = group.create_task(_bounded(process.stderr), name="exec plugin: complaint")
    return output.result(), complaint.result()


async def _bounded(stream: asyncio.StreamReader) -> bytes:
    """Everything up to the limit; what is more is read and dropped, so that the plugin does not block."""
    kept = bytearray()
    while chunk := await stream.read(16 * 1024):
        kept += chunk[: _MAX_OUTPUT - len(kept)]
    return bytes(kept)


async def _end(process: Process) -> None:
    """Nothing that the plugin started outlives this, whatever ended it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        await process.wait()


def parse_credential(output: bytes, api_version: str) -> ExecCredential:
    """An ExecCredential of this version, as a plugin prints it; raises ValueError that says what is wrong."""
    try:
        body = json.loads(output)
    except (ValueError, RecursionError) as error:
        raise ValueError("prints no JSON") from error
    if not isinstance(body, dict) or body.get("kind") != "ExecCredential":
        raise ValueError("prints no ExecCredential")
    if body.get("apiVersion") != api_version:
        raise ValueError(f"answers in another version than {api_version}")
    status = body.get("status")
    if not isinstance(status, dict):
        raise ValueError("prints an ExecCredential without a status")  # noqa: TRY004 - the value of a text, not a type
    parts = {key: status.get(key) for key in ("token", "clientCertificateData", "clientKeyData", "expirationTimestamp")}
    if any(value is not None and not isinstance(value, str) for value in parts.values()):
        raise ValueError("prints an ExecCredential with a part that is not text")
    token, certificate, key = parts["token"] or None, parts["clientCertificateData"] or None, parts["clientKeyData"] or None
    if bool(certificate) != bool(key):
        raise ValueError("prints a client certificate without its key, or a key without its certificate")
    if not token and not certificate:
        raise ValueError("prints neither a token nor a client certificate")
    if token and not is_token(token):
        raise ValueError("prints a token with characters that no token has")
    return ExecCredential(token=token, certificate_pem=certificate, key_pem=key, expires=_moment(parts["expirationTimestamp"]))


def is_token(text: str) -> bool:
    """Whether it can be sent in a header: printable ASCII without a space."""
    return bool(_TOKEN.fullmatch(text))


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("prints an expirationTimestamp that is no time") from error


def _last_line(complaint: bytes) -> str:
    lines = [line.strip() for line in complaint.decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        return ""
    printable = "".join(character if character.isprintable() else " " for character in Redactor().text(lines[-1]))
    return f" ({printable[:300]})"


def _failed(plugin: ExecPlugin, what: str) -> Unavailable:
    name = plugin.command.rsplit("/", 1)[-1]
    return Unavailable(f"the exec plugin {name} {what}", next=f"run {name} by hand where apidown runs")
