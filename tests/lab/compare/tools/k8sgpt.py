"""``k8sgpt analyze`` with its own analyzers and no language model behind it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tests.lab.compare.tool import Target, Tool


def commands(binary: str, target: Target) -> list[list[str]]:
    return [[binary, "analyze", "--no-cache", f"--kubeconfig={target.kubeconfig}", "--output=text"]]


def environment(target: Target) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(target.folder), "XDG_CACHE_HOME": str(target.folder)}


def complains(output: str, exits: Sequence[int]) -> bool:
    """ConfigMaps that no pod uses are housekeeping, which it finds in every healthy cluster."""
    return any(exits) or re.search(r"(?m)^\d+: (?!ConfigMap )", output) is not None


TOOL = Tool(
    name="k8sgpt",
    title="k8sgpt analyze",
    asked="`k8sgpt analyze` without a language model",
    binary="k8sgpt",
    licence="Apache-2.0",
    version=("version",),
    commands=commands,
    complains=complains,
    limit=20.0,
    environment=environment,
)
