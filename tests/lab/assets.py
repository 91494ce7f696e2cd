"""Finds kube-apiserver and etcd: KUBEBUILDER_ASSETS, then what ``make lab-assets`` built, then PATH.

PATH is last: a distribution's etcd may be years older than the API server, which then serves no watch that starts now.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from tests.require import missing

_MAKEFILE = Path(__file__).resolve().parents[2] / "Makefile"


def find(name: str) -> Path:
    """The binary, or a skip that says how to get it."""
    for folder in filter(None, (os.environ.get("KUBEBUILDER_ASSETS"), _built(), os.environ.get("PATH"))):
        found = shutil.which(name, path=folder)
        if found:
            return Path(found)
    missing("lab", f"{name} is not in KUBEBUILDER_ASSETS, on PATH or built. Next: make lab-assets")


def _built() -> str:
    version = re.search(r"^ASSETS_VERSION := (\S+)$", _MAKEFILE.read_text(), re.M)
    assert version is not None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return os.environ.get("APIDOWN_ASSETS") or str(cache / "apidown" / f"assets-{version.group(1)}")
