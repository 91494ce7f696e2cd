"""What the tests of this folder have shown is collected, and compared with what probes declare after all others have run."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.probes.scene import PASSED

LAST = "test_each_outcome_that_a_probe_declares_is_met"
_FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    last = [item for item in items if item.name == LAST]
    if not last:
        return
    items[:] = [item for item in items if item.name != LAST] + last
    collected = {item.path for item in items}
    narrowed = config.option.keyword or config.option.lf or any("::" in arg for arg in config.args)
    unneeded = set(_FOLDER.glob("test_lab_*.py"))
    if narrowed or not set(_FOLDER.glob("test_*.py")) - unneeded <= collected:
        last[0].add_marker(pytest.mark.skip(reason="it needs all tests of this folder"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keeps the texts among a passed test's parameters: the outcomes of a table are there."""
    report = yield
    if report.when == "call" and report.passed and item.path.parent == _FOLDER:
        given = getattr(item, "callspec", None)
        texts = {value for value in given.params.values() if isinstance(value, str)} if given else set()
        PASSED.setdefault(item.path.name, set()).update(texts)
    return report
