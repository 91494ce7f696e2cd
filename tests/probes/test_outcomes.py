"""Every outcome that a probe declares has a test, of whatever kind: what tests have met is compared with what is declared."""

from __future__ import annotations

from pathlib import Path

from tests.probes.scene import MET, PASSED, PROBES

FOLDER = Path(__file__).parent


def test_each_outcome_that_a_probe_declares_is_met() -> None:
    """Met by the probe in a test, or expected by a row of a table in a file that names the probe, and the test of that row
    passed. Runs after all other tests of this folder, and is skipped where some of them are not run."""
    texts = {name: (FOLDER / name).read_text() for name in PASSED}
    missing = [
        f"{name}: {outcome}"
        for name, probe in sorted(PROBES.items())
        for outcome in probe.outcomes
        if (name, outcome) not in MET
        and not any(outcome in passed for file, passed in PASSED.items() if f'"{name}"' in texts[file])
    ]
    assert not missing, "; ".join(missing)
