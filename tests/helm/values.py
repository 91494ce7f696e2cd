"""The chart's values as its README lists them: the comment above each key, and what it is if nothing is said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[2] / "helm" / "apidown"
_KEY = re.compile(r"( *)([A-Za-z]+):(.*)")


def documented() -> Iterator[tuple[str, str, Any]]:
    """Path, default and text of every value that has a comment beginning with ``# --``."""
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    path: list[str] = []
    comment: list[str] = []
    for line in (CHART / "values.yaml").read_text().splitlines():
        stripped = line.strip()
        if stripped.startswith("# --"):
            comment = [stripped.removeprefix("# --").strip()]
        elif stripped.startswith("#"):
            comment.append(stripped.removeprefix("#").strip())
        elif found := _KEY.fullmatch(line):
            path[len(found[1]) // 2 :] = [found[2]]
            if comment:
                yield ".".join(path), _at(defaults, path), " ".join(comment)
            comment = []


def leaves(values: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The path of every value that is not a group of others."""
    if isinstance(values, dict) and values and path[-1:] != ("resources",):
        for key, inner in values.items():
            yield from leaves(inner, (*path, key))
    else:
        yield ".".join(path)


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _at(values: Any, path: list[str]) -> Any:
    for key in path:
        values = values[key]
    return values
