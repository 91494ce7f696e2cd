"""Finds kube-apiserver and etcd: KUBEBUILDER_ASSETS, then what ``make lab-assets`` built, then PATH; and Prometheus.

PATH is last: a distribution's etcd may be years older than the API server, which then serves no watch that starts now.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.require import missing, required

_MAKEFILE = Path(__file__).resolve().parents[2] / "Makefile"


def find(name: str) -> Path:
    """The binary, or a skip that says how to get it."""
    for folder in filter(None, (os.environ.get("KUBEBUILDER_ASSETS"), _built(), os.environ.get("PATH"))):
        found = shutil.which(name, path=folder)
        if found:
            return Path(found)
    missing("lab", f"{name} is not in KUBEBUILDER_ASSETS, on PATH or built. Next: make lab-assets")


@dataclass(frozen=True)
class Watchers:
    """The programs that watch a lab."""

    prometheus: Path
    node_exporter: Path


def watchers() -> Watchers | None:
    """What ``make lab-prometheus`` got, else what is on PATH; None where they are missing, and a failure where that is required.
    The lab runs without them."""
    for folder in (_got(), os.environ.get("PATH")):
        prometheus = shutil.which("prometheus", path=folder)
        exporter = shutil.which("prometheus-node-exporter", path=folder) or shutil.which("node_exporter", path=folder)
        if prometheus and exporter:
            return Watchers(Path(prometheus), Path(exporter))
    if required("prometheus"):
        missing("prometheus", "Prometheus and the node exporter are not to be found. Next: make lab-prometheus")
    return None


def _built() -> str:
    return os.environ.get("APIDOWN_ASSETS") or _cached("assets-" + _in_makefile(r"ASSETS_VERSION := (\S+)"))


def _got() -> str:
    return os.environ.get("APIDOWN_PROMETHEUS") or _cached(_in_makefile(r"PROMETHEUS_HOME := .*/(prometheus-[\d.]+)"))


def _in_makefile(pattern: str) -> str:
    found = re.search(rf"^{pattern}\)?$", _MAKEFILE.read_text(), re.M)
    assert found is not None
    return found.group(1)


def _cached(name: str) -> str:
    return str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "apidown" / name)
