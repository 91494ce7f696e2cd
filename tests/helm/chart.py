"""Helm, and what the chart renders to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.helm.values import CHART
from tests.require import missing

_MAKEFILE = Path(__file__).resolve().parents[2] / "Makefile"

SECRETS: dict[str, Any] = {"slack": {"existingSecret": "apidown-slack"}, "valkey": {"existingSecret": "apidown-valkey"}}
"""The least that a person has to say."""


def helm() -> str:
    """The program, on PATH or built; else a skip that says how to get it."""
    version = re.search(r"^HELM_VERSION := (\S+)$", _MAKEFILE.read_text(), re.M)
    assert version is not None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    built = os.environ.get("APIDOWN_HELM") or str(cache / "apidown" / f"helm-{version[1]}")
    found = shutil.which("helm", path=built) or shutil.which("helm")
    if found is None:
        missing("helm", "helm is not on PATH or built. Next: make helm-lint")
    return found


@dataclass
class Rendered:
    """The objects, by kind and name."""

    objects: list[dict[str, Any]] = field(default_factory=list)

    def kinds(self) -> list[str]:
        return sorted(one["kind"] for one in self.objects)

    def of(self, kind: str, name: str = "apidown") -> dict[str, Any]:
        return next(one for one in self.objects if one["kind"] == kind and one["metadata"]["name"] == name)

    def pod(self, kind: str = "Deployment", name: str = "apidown") -> dict[str, Any]:
        return self.of(kind, name)["spec"]["template"]["spec"]

    def environment(self) -> dict[str, Any]:
        return {one["name"]: one.get("value", one.get("valueFrom")) for one in self.pod()["containers"][0]["env"]}


def run(words: list[str], values: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    # A home of its own: nobody's repositories and plugins count.
    return subprocess.run(
        # A Helm that was built without its release's flags takes the cluster for an old one.
        [helm(), *words, str(CHART), "--values", str(file), "--kube-version", "1.36.0"],
        capture_output=True,
        text=True,
        timeout=60,
        env={"HOME": str(folder), "PATH": os.environ["PATH"]},
        check=False,
    )


def merged(*values: dict[str, Any]) -> dict[str, Any]:
    """Later values win, group by group."""
    result: dict[str, Any] = {}
    for one in values:
        for key, value in one.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else value
    return result


def render(folder: Path, values: dict[str, Any], *, release: str = "apidown", namespace: str = "default") -> Rendered:
    done = run(["template", release, "--namespace", namespace], values, folder)
    assert done.returncode == 0, done.stderr
    return Rendered([one for one in yaml.safe_load_all(done.stdout) if one])


def refusal(folder: Path, values: dict[str, Any]) -> str:
    done = run(["template", "apidown"], values, folder)
    assert done.returncode != 0, "these values are taken"
    return done.stderr
