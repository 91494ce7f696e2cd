"""Reads kubeconfig files as kubectl takes them: several are merged, the first to name a thing wins, and relative paths are
relative to the file that says them.

What cannot be used is said in a sentence and left out; what is left is used. No message quotes a value, since any of them may
be a secret.
"""

from __future__ import annotations

import base64
import binascii
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.document import DocumentErrors, did_you_mean, read
from bot.errors import ConfigError
from bot.model.base import Json

_DEFAULT_SERVER = "http://localhost:8080"
_API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


@dataclass(frozen=True, kw_only=True)
class Pem:
    """A certificate, key or bundle: inline, or a file that is read when it is used."""

    data: bytes = field(default=b"", repr=False)
    path: Path | None = None

    def __bool__(self) -> bool:
        return bool(self.data or self.path)


@dataclass(frozen=True, kw_only=True)
class ExecPlugin:
    """A program that hands out credentials. ``command`` is one word, never a shell's line."""

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    api_version: str = _API_VERSIONS[0]
    provide_cluster_info: bool = False


@dataclass(frozen=True, kw_only=True)
class User:
    """Where one user's credentials are. Secrets do not show in its repr."""

    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    certificate: Pem = Pem()
    key: Pem = Pem()
    plugin: ExecPlugin | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What one context names. ``problems`` are sentences."""

    context: str
    server: str
    ca: Pem = Pem()
    tls_server_name: str | None = None
    proxy_url: str | None = None
    user: User = User()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Named:
    """One named thing with the folder of its file."""

    body: Json
    folder: Path


def read_entry(paths: Sequence[Path], context: str | None) -> Entry:
    """The entry of a context, or of the current one. A single path must be a kubeconfig; of several, those are read that are
    there, and an empty one says nothing.

    Raises ConfigError when there is no server to be had from them.
    """
    problems: list[str] = []
    alone = len(paths) == 1
    files = [(path, _file(path, problems, alone=alone)) for path in paths if alone or path.exists()]
    shown = ", ".join(str(path) for path in paths) or "kubeconfig"
    if not files:
        raise ConfigError("there is no kubeconfig", where=shown, next="give --kubeconfig FILE or --server URL")
    contexts = _merged(files, "contexts", "context")
    current = next((name for _, body in files if (name := _text(body, "current-context", problems))), None)
    wanted = context or current
    if wanted is None:
        raise ConfigError("no current-context is set", where=shown, nearest=_choice(contexts), next="name a context")
    if wanted not in contexts:
        nearest = did_you_mean(wanted, contexts) or _choice(contexts)
        raise ConfigError(f"there is no context '{wanted}'", where=shown, nearest=nearest, next=get_contexts(paths))
    chosen = contexts[wanted].body
    cluster_name, user_name = _text(chosen, "cluster", problems), _text(chosen, "user", problems)
    clusters = _merged(files, "clusters", "cluster")
    if not cluster_name or cluster_name not in clusters:
        what = f"context '{wanted}' names the cluster '{cluster_name}', which is not there"
        raise ConfigError(what, where=shown, nearest=did_you_mean(cluster_name or "", clusters) or _choice(clusters))
    users = _merged(files, "users", "user")
    if user_name and user_name not in users:
        problems.append(f"The kubeconfig has no user '{user_name}', so no credentials are used.")
    user = _user(users[user_name], problems) if user_name in users and user_name else User()
    return _entry(wanted, clusters[cluster_name], user, problems)


def get_contexts(paths: Sequence[Path]) -> str:
    """The command that lists the contexts of these very files, whatever the reader's KUBECONFIG is."""
    if len(paths) == 1:
        return f"kubectl config get-contexts --kubeconfig {shlex.quote(str(paths[0]))}"
    return f"KUBECONFIG={shlex.quote(':'.join(map(str, paths)))} kubectl config get-contexts"


def contexts(path: Path, *, alone: bool) -> tuple[list[str], str | None]:
    """The names of a kubeconfig's contexts in its order, and its current one; none for an empty file that is not ``alone``.
    Raises ConfigError when it cannot be read."""
    body = _file(path, [], alone=alone)
    return list(_merged([(path, body)], "contexts", "context")), _text(body, "current-context", [])


def _choice(names: Iterable[str]) -> str:
    known = ", ".join(list(names)[:12])
    return f"there are {known}" if known else ""


def _file(path: Path, problems: list[str], *, alone: bool) -> Json:
    try:
        document = read(path, private=True)
    except DocumentErrors as error:
        raise ConfigError(error.what, where=error.where, nearest=error.nearest) from error
    if document.data is None and not alone:
        return {}
    if not isinstance(document.data, dict):
        raise ConfigError("this is not a kubeconfig", where=str(path), nearest="a kubeconfig has clusters, users and contexts")
    problems += [f"{problem.headline}." for problem in document.problems]
    return document.data


def _merged(files: Iterable[tuple[Path, Json]], section: str, inner: str) -> dict[str, _Named]:
    merged: dict[str, _Named] = {}
    for path, body in files:
        entries = body.get(section)
        for entry in entries if isinstance(entries, list) else ():
            name = entry.get("name") if isinstance(entry, dict) else None
            if isinstance(name, str):
                inside = entry.get(inner)
                merged.setdefault(name, _Named(body=inside if isinstance(inside, dict) else {}, folder=path.absolute().parent))
    return merged


def _entry(context: str, cluster: _Named, user: User, problems: list[str]) -> Entry:
    server = _text(cluster.body, "server", problems)
    if server is None:
        problems.append(f"The kubeconfig names no server, so clients take {_DEFAULT_SERVER}.")
    if cluster.body.get("insecure-skip-tls-verify"):
        problems.append("The kubeconfig says insecure-skip-tls-verify; the server's certificate is verified all the same.")
    return Entry(
        context=context,
        server=server or _DEFAULT_SERVER,
        ca=_pem(cluster, "certificate-authority", problems),
        tls_server_name=_text(cluster.body, "tls-server-name", problems),
        proxy_url=_text(cluster.body, "proxy-url", problems),
        user=user,
        problems=tuple(problems),
    )


def _user(user: _Named, problems: list[str]) -> User:
    if user.body.get("username") or user.body.get("password"):
        problems.append("The user has a user name and password, which API servers do not take any more; they are not used.")
    if user.body.get("auth-provider"):
        problems.append("The user has an auth-provider, which clients do not support any more; use an exec plugin.")
    if user.body.get("as") or user.body.get("as-groups"):
        problems.append("The user impersonates another one (as); apidown asks as itself.")
    certificate, key = _pem(user, "client-certificate", problems), _pem(user, "client-key", problems)
    if bool(certificate) != bool(key):
        problems.append("The user has a client certificate without its key, or a key without its certificate; neither is used.")
        certificate = key = Pem()
    return User(
        token=_text(user.body, "token", problems),
        token_file=_path(user, "tokenFile", problems),
        certificate=certificate,
        key=key,
        plugin=_plugin(user, problems),
    )


def _plugin(user: _Named, problems: list[str]) -> ExecPlugin | None:
    body = user.body.get("exec")
    if body is None:
        return None
    command = _text(body, "command", problems) if isinstance(body, dict) else None
    if command is None:
        problems.append("The user's exec plugin names no command, so it is not used.")
        return None
    version = _text(body, "apiVersion", problems) or ""
    if version not in _API_VERSIONS:
        problems.append(f"The user's exec plugin does not speak {' or '.join(_API_VERSIONS)}, so it is not used.")
        return None
    if body.get("interactiveMode") == "Always":
        problems.append("The user's exec plugin needs a person at a terminal (interactiveMode Always), so it is not used.")
        return None
    args = body.get("args") or []
    env = body.get("env") or []
    if not _texts(args) or not isinstance(env, list) or not all(isinstance(pair, dict) for pair in env):
        problems.append("The user's exec plugin has args or env that are not lists of text, so it is not used.")
        return None
    pairs = {pair.get("name"): pair.get("value") for pair in env}
    return ExecPlugin(
        # As kubectl does it: a command with a folder in it is relative to the file, any other is looked for on PATH.
        command=str(user.folder / command) if "/" in command else command,
        args=tuple(args),
        env={name: value for name, value in pairs.items() if isinstance(name, str) and name and isinstance(value, str)},
        api_version=version,
        provide_cluster_info=body.get("provideClusterInfo") is True,
    )


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _text(body: Json, key: str, problems: list[str]) -> str | None:
    value = body.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    problems.append(f"The kubeconfig's '{key}' is not text, so it is not used.")
    return None


def _path(named: _Named, key: str, problems: list[str]) -> Path | None:
    text = _text(named.body, key, problems)
    return named.folder / text if text else None


def _pem(named: _Named, key: str, problems: list[str]) -> Pem:
    """``key``-data before ``key``, as kubectl does it."""
    data = _text(named.body, f"{key}-data", problems)
    if data is None:
        return Pem(path=_path(named, key, problems))
    try:
        return Pem(data=base64.b64decode("".join(data.split()), validate=True))
    except (binascii.Error, ValueError):
        problems.append(f"The kubeconfig's '{key}-data' is not base64, so it is not used.")
        return Pem()
