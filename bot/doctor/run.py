"""All checks at once, in one order, within a bound: whatever is down, the doctor has said everything after 15 seconds."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.adapters.kubeconfig.access import FileDirectory
from bot.app import Core
from bot.config import Config
from bot.doctor import alerts, clusters, machine, store
from bot.doctor.lines import Line, redacted
from bot.model.finding import Status
from bot.redact import Redactor
from bot.settings import Settings

BOUND_S = 14.0
"""After this, what has not answered is said to be so; the rest of 15 s is for starting and ending."""
_PROBES_S = 12.0


@dataclass(kw_only=True)
class _Part:
    """What one area of the machine has said so far."""

    title: str
    work: Coroutine[Any, Any, None] | None = None
    lines: list[Line] = field(default_factory=list)


async def examine(config_file: Path | None, *, bound_s: float = BOUND_S) -> list[Line]:
    """Every line, redacted, in the order of reading: the machine, the store, Slack, the clusters. ``config_file`` None is
    the settings' one."""
    settings, settings_line = machine.settings()
    named = config_file or (settings.config if settings else None)
    config, config_line = machine.configuration(named, known=settings is not None)
    secrets = settings.secrets() if settings else ()
    core, playbooks_line = machine.playbooks(config, secrets)
    first = [machine.python(), settings_line, config_line, playbooks_line, machine.embedded_store()]
    usable = config_line.status is not Status.PROBLEM
    parts = _parts(settings, config, core, _investigate(config_file)) if settings else []
    await _all(parts, bound_s)
    last = alerts.look(settings, config) if settings and usable else []
    last += _not_looked_at(known=settings is not None, usable=usable, core=core)
    return redacted([*first, *(line for part in parts for line in part.lines), *last], Redactor(secrets))


def _investigate(config_file: Path | None) -> str:
    """The command that looks closer, with the configuration that this doctor was given."""
    return f"apidown investigate{f' --config {shlex.quote(str(config_file))}' if config_file else ''}"


def _not_looked_at(*, known: bool, usable: bool, core: Core | None) -> list[Line]:
    """What nobody looked at is said, so that silence is never read as ok."""
    if not known:
        return [machine.not_looked_at("store, Slack, clusters", "the settings are right")]
    if not usable:
        return [machine.not_looked_at("clusters, channels", "the configuration is valid")]
    return [machine.not_looked_at("clusters", "the playbooks are valid")] if core is None else []


def _parts(settings: Settings, config: Config, core: Core | None, investigate: str) -> list[_Part]:
    from bot.clock import SystemClock
    from bot.doctor import slack

    clock = core.clock if core else SystemClock()
    stored = _Part(title="store")
    stored.work = _store(settings, stored)
    told = _Part(title="Slack")
    told.work = slack.look(settings, config, clock, told.lines.append, within_s=_PROBES_S)
    return [stored, told, *(_clusters(settings, config, core, investigate) if core else [])]


def _clusters(settings: Settings, config: Config, core: Core, investigate: str) -> list[_Part]:
    directory = FileDirectory(lambda: config, settings, clock=core.clock)
    parts = []
    for name, definition in sorted(config.clusters.items()):
        part = _Part(title=name)
        asks = f"{investigate} {shlex.quote(name)}"
        part.work = clusters.look(core, directory, definition.cluster(), part.lines.append, asks=asks, within_s=_PROBES_S)
        parts.append(part)
    return parts


async def _store(settings: Settings, part: _Part) -> None:
    part.lines += await store.look(settings)


async def _all(parts: list[_Part], bound_s: float) -> None:
    """Runs the parts; one that is not over in time keeps what it said, and a line says that there would be more."""
    tasks = {asyncio.create_task(part.work, name=part.title): part for part in parts if part.work}
    if not tasks:
        return
    try:
        _, late = await asyncio.wait(tasks, timeout=bound_s)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for task in late:
        tasks[task].lines.append(_late(tasks[task].title, bound_s))
    for result in ended:
        if isinstance(result, Exception):
            raise result


def _late(title: str, bound_s: float) -> Line:
    said = f"Not everything was answered within {bound_s:g} s."
    return Line(check="time", subject=title, status=Status.NOT_CHECKED, sentence=said, remedy="run the doctor again")
