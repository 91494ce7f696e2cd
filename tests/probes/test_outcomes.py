"""Every outcome that a probe declares has a test: it is written down in a test of that probe, and a test meets it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.probes.scene import MET, PASSED, PROBES

FOLDER = Path(__file__).parent


def texts(path: Path) -> set[str]:
    """The texts that stand in a file's code."""
    constants = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
    return {value for value in constants if isinstance(value, str)}


WRITTEN = {path.name: texts(path) for path in sorted(FOLDER.glob("test_*.py")) if path.name != Path(__file__).name}


@pytest.mark.parametrize("probe", sorted(PROBES))
def test_each_outcome_that_a_probe_declares_is_written_down_in_a_test_of_it(probe: str) -> None:
    about = [said for said in WRITTEN.values() if probe in said]
    assert about, f"no test names {probe}"
    assert sorted(outcome for outcome in PROBES[probe].outcomes if not any(outcome in said for said in about)) == []


def test_each_outcome_that_a_probe_declares_is_met() -> None:
    """Met by the probe in a test, or expected by a row of a table in a file about it, and the test of that row passed. Runs
    after all other tests of this folder, and is skipped where some of them are not run."""
    missing = [
        f"{name}: {outcome}"
        for name, probe in sorted(PROBES.items())
        for outcome in probe.outcomes
        if (name, outcome) not in MET
        and not any(outcome in PASSED.get(file, ()) for file, said in WRITTEN.items() if name in said)
    ]
    assert not missing, "; ".join(missing)
