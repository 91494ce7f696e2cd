"""What a tool of the comparison is: one file a tool in ``tools/``, its name the file's; run, never shipped."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.compare import tools


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is asked, taken apart from one kubeconfig, for tools that do not read it themselves; None where it has none."""

    kubeconfig: Path
    url: str
    host: str
    port: int
    folder: Path  # for the tool's own files; empty before each run
    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    token: str | None = None
    server_name: str | None = None
    proxy: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tool:
    """How one tool is asked.

    ``commands`` are run one after the other, each for ``limit`` seconds at most. ``complains`` says of an output and the exit
    codes whether the tool reports that something is wrong; what it says is judged elsewhere. ``limit`` is a command's.
    """

    name: str
    title: str
    asked: str  # what is run, for people
    binary: str
    licence: str
    version: Sequence[str]  # arguments that print it
    commands: Callable[[str, Target], list[list[str]]]
    complains: Callable[[str, Sequence[int]], bool]
    limit: float = 20.0
    static: bool = True  # linked without the machine's C library, so that no clock can be put before its own
    environment: Callable[[Target], dict[str, str]] = lambda _: {}


def exit_tells(_: str, exits: Sequence[int]) -> bool:
    """Most tools: any exit code but 0 is a complaint."""
    return any(exits)


def known() -> dict[str, Tool]:
    """Every tool of the folder, by name, in the order of names."""
    names = sorted(module.name for module in pkgutil.iter_modules(tools.__path__))
    found = [importlib.import_module(f"{tools.__name__}.{name}").TOOL for name in names]
    return {tool.name: tool for tool in found}
