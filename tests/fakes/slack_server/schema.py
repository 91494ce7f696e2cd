"""The small checks that Block Kit's rules are made of. A check looks at one value and reports what Slack would say of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any


class Report:
    """Collects complaints in Slack's form: the sentence, then a JSON pointer to the place."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def add(self, at: str, sentence: str) -> None:
        self.errors.append(f"{sentence} [json-pointer:{at}]")


Check = Callable[[Any, str, Report], None]


def string(most: int, least: int = 1, pattern: str | None = None) -> Check:
    """A string of ``least`` to ``most`` characters."""

    def check(value: Any, at: str, report: Report) -> None:
        if not isinstance(value, str):
            report.add(at, "must be a string")
        elif len(value) < least:
            report.add(at, f"must be more than {least - 1} characters")
        elif len(value) > most:
            report.add(at, f"must be less than {most + 1} characters")
        elif pattern and not re.search(pattern, value):
            report.add(at, f"failed to match pattern: {pattern}")

    return check


def one_of(*values: str) -> Check:
    def check(value: Any, at: str, report: Report) -> None:
        if value not in values:
            report.add(at, f"must be one of: {', '.join(values)}")

    return check


def boolean(value: Any, at: str, report: Report) -> None:
    if not isinstance(value, bool):
        report.add(at, "must be a boolean")


def integer(least: int = 0, most: int | None = None) -> Check:
    def check(value: Any, at: str, report: Report) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            report.add(at, "must be an integer")
        elif value < least or (most is not None and value > most):
            report.add(at, f"must be between {least} and {most}")

    return check


def array(item: Check, most: int | None = None, least: int = 1) -> Check:
    def check(value: Any, at: str, report: Report) -> None:
        if not isinstance(value, list):
            report.add(at, "must be an array")
            return
        if len(value) < least:
            report.add(at, f"no less than {least} items allowed")
        if most is not None and len(value) > most:
            report.add(at, f"no more than {most} items allowed")
        for index, element in enumerate(value):
            item(element, f"{at}/{index}", report)

    return check


def thing(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with these keys and no others."""
    known = {**required, **(optional or {})}

    def check(value: Any, at: str, report: Report) -> None:
        if not isinstance(value, dict):
            report.add(at, "must be an object")
            return
        for key in required:
            if key not in value:
                report.add(at, f"missing required field: {key}")
        for key, part in value.items():
            if key in known:
                known[key](part, f"{at}/{key}", report)
            else:
                report.add(at, f"invalid additional property: {key}")

    return check


def typed(kinds: Mapping[str, Check]) -> Check:
    """An object whose ``type`` chooses the check; the chosen one sees the object without it."""

    def check(value: Any, at: str, report: Report) -> None:
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str):
            report.add(at, "must define `type`")
        elif kind not in kinds:
            report.add(f"{at}/type", f"unsupported type: {kind}")
        else:
            kinds[kind]({key: part for key, part in value.items() if key != "type"}, at, report)

    return check


def both(*checks: Check) -> Check:
    def check(value: Any, at: str, report: Report) -> None:
        for part in checks:
            part(value, at, report)

    return check


def exactly_one(*keys: str) -> Check:
    """Just one of these keys is there."""

    def check(value: Any, at: str, report: Report) -> None:
        present = [key for key in keys if key in value]
        if len(present) != 1:
            report.add(at, f"must define exactly one of: {', '.join(keys)}")

    return check


def at_least_one(*keys: str) -> Check:
    def check(value: Any, at: str, report: Report) -> None:
        if not any(key in value for key in keys):
            report.add(at, f"must define one of: {', '.join(keys)}")

    return check
