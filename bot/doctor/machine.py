"""What does not need the network: Python, the settings' files, the playbooks, and the store that apidown brings along."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

from bot.adapters.valkey import find_server
from bot.app import Core, build_core
from bot.config import Config
from bot.doctor.lines import Line
from bot.document import DocumentErrors
from bot.errors import ApidownError
from bot.model.finding import Status
from bot.settings import Settings

T = TypeVar("T")

_SHOWN = 10
"""How many mistakes of one kind are told."""


def python() -> Line:
    try:
        own = version("apidown")
    except PackageNotFoundError:
        own = "(not installed, from its source folder)"
    said = f"apidown {own} runs on Python {platform.python_version()}."
    return Line(check="Python", status=Status.OK, sentence=said)


def settings() -> tuple[Settings | None, Line]:
    """The environment, and what is wrong with it."""
    read, line = _tried("settings", Settings.read)
    return read, line or Line(check="settings", status=Status.OK, sentence="Every variable that is set is valid.")


def configuration(path: Path | None, *, known: bool = True) -> tuple[Config, Line]:
    """The configuration file; the empty one where it is not set or not valid. ``known`` is False when the settings, which
    may name it, cannot be read."""
    if path is None and not known:
        return Config.empty(), not_looked_at("configuration", "the settings are right")
    if path is None:
        said = "APIDOWN_CONFIG is not set, so only bare URLs can be asked about, without credentials."
        remedy = "apidown init, which writes a first file from your kubeconfig; then set APIDOWN_CONFIG to it"
        return Config.empty(), Line(check="configuration", status=Status.NOT_CHECKED, sentence=said, remedy=remedy)
    config, line = _tried("configuration", lambda: Config.load(path))
    if config is None or line:
        assert line is not None
        return Config.empty(), line
    said = f"{path} is valid: {_count(len(config.clusters), 'cluster')}, {_count(len(config.channels), 'channel')}."
    return config, Line(check="configuration", status=Status.OK, sentence=said)


def playbooks(config: Config, secrets: tuple[str, ...]) -> tuple[Core | None, Line]:
    """The installed playbooks and causes, with the user's own on top."""
    core, line = _tried("playbooks", lambda: build_core(secrets=secrets, playbooks=config.playbooks))
    if core is None or line:
        assert line is not None
        return None, line
    said = f"{len(core.library.playbooks)} playbooks and {len(core.library.causes)} causes are valid."
    return core, Line(check="playbooks", status=Status.OK, sentence=said)


def embedded_store() -> Line:
    """The server program that ``investigate`` always needs, and ``serve`` where no store is configured."""
    found, line = _tried("embedded store", find_server)
    return line or Line(check="embedded store", status=Status.OK, sentence=f"Its server is here: {found}.")


def _tried(check: str, read: Callable[[], T]) -> tuple[T | None, Line | None]:
    try:
        return read(), None
    except ApidownError as error:
        return None, problem(check, error)


def problem(check: str, error: ApidownError, *, subject: str = "", remedy: str = "") -> Line:
    """An error as a line: its own next step is the remedy, where it has one. Of several mistakes each is told."""
    if isinstance(error, DocumentErrors):
        told = "\n".join(_mistakes(error))
    else:
        said = f"{error.where}: {error.what}" if error.where else error.what
        told = "\n".join(part for part in (said, error.nearest) if part)
    return Line(check=check, subject=subject, status=Status.PROBLEM, sentence=told, remedy=error.next or remedy)


def not_looked_at(check: str, until: str) -> Line:
    """What cannot be looked at before another line is mended, which has the remedy."""
    return Line(check=check, status=Status.NOT_CHECKED, sentence=f"Not looked at before {until}.")


def _mistakes(error: DocumentErrors) -> Iterator[str]:
    for one in error.problems[:_SHOWN]:
        yield one.headline
        if one.nearest:
            yield one.nearest
    if len(error.problems) > _SHOWN:
        yield f"and {len(error.problems) - _SHOWN} more"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
