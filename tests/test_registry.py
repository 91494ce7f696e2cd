"""Contributions are found by their files, and a file that does not contribute is a defect that is said."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest

import bot.probes
from bot.errors import UsageError
from bot.model.finding import Status
from bot.model.observation import Connection, Failure
from bot.model.target import Cluster, Target
from bot.model.vantage import BOT
from bot.registry import BOUNDARY_OUTCOMES, Probe, ProbeContext, scan
from tests.fakes.network import NOW, ScriptedNetwork
from tests.probes.scene import StoppedClock

PROBE = '''"""{doc}"""
from __future__ import annotations
from collections.abc import AsyncGenerator
from bot.model.base import Value
from bot.model.finding import Finding
from bot.registry import ProbeContext, probe


class Params(Value):
    count: int = 1


@probe(outcomes={{"good": "it is good"}}, params=Params)
async def {name}(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
    """Looks."""
    yield
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    package = tmp_path / "contributed"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield package
    for name in [name for name in sys.modules if name.split(".")[0] == "contributed"]:
        del sys.modules[name]


def load() -> ModuleType:
    importlib.invalidate_caches()
    return importlib.import_module("contributed")


def test_a_file_is_a_contribution_named_after_it(folder: Path) -> None:
    (folder / "node_clock.py").write_text(PROBE.format(doc="The clocks agree.\n\nMore of it.", name="anything"))
    (folder / "_helper.py").write_text("raise RuntimeError('helpers are not contributions')")
    (one,) = scan(load(), Probe).values()
    assert (one.id, one.good_state) == ("node-clock", "The clocks agree.")
    assert one.doc.endswith("More of it.")


def test_a_file_with_nothing_in_it_is_a_defect(folder: Path) -> None:
    (folder / "empty.py").write_text('"""Nothing."""')
    with pytest.raises(TypeError, match=r"contributed\.empty has 0 contributions of kind Probe; a file has one"):
        scan(load(), Probe)


def test_a_file_with_two_in_it_is_a_defect(folder: Path) -> None:
    (folder / "two.py").write_text(PROBE.format(doc="x", name="one") + "\n\ntwo = probe(outcomes={})(one.run)\n")
    with pytest.raises(TypeError, match="2 contributions"):
        scan(load(), Probe)


def test_what_is_found_cannot_be_changed(folder: Path) -> None:
    (folder / "one.py").write_text(PROBE.format(doc="x", name="one"))
    with pytest.raises(TypeError):
        scan(load(), Probe)["another"] = None  # type: ignore[index]


def test_wrong_parameters_are_named_with_the_right_ones(folder: Path) -> None:
    (folder / "one.py").write_text(PROBE.format(doc="x", name="one"))
    probe = scan(load(), Probe)["one"]
    assert probe.validate({"count": 2}).count == 2
    with pytest.raises(UsageError, match="the parameters of the probe one: 'cuont' is not one of them") as refusal:
        probe.validate({"cuont": 2})
    assert refusal.value.nearest == "did you mean 'count'?"


def test_every_probe_says_its_good_state_first_and_declares_its_own_outcomes() -> None:
    for probe in scan(bot.probes, Probe).values():
        assert probe.good_state.endswith("."), probe.id
        assert probe.outcomes, probe.id
        assert not set(probe.outcomes) & set(BOUNDARY_OUTCOMES) - {"not-checked"}, probe.id


def test_a_finding_takes_its_start_duration_and_error_from_what_was_seen() -> None:
    target = Target.from_url("https://10.0.0.1:6443")
    context = ProbeContext(
        probe="one",
        params={"a": 1},
        cluster=Cluster(name="prod", target=target, configured=True),
        vantage=BOT,
        round=3,
        network=ScriptedNetwork(),
        clock=StoppedClock(),
        deadline=0.0,
    )
    later = NOW + timedelta(seconds=1)
    first = Connection(started_at=later, duration_s=0.25, address="a", port=1)
    second = Connection(
        started_at=NOW, duration_s=0.5, address="b", port=1, failure=Failure.CONNECTION_REFUSED, raw_error="errno 111"
    )
    finding = context.finding("a", Status.PROBLEM, "bad", "It is bad.", seen=(first, second))
    assert (finding.started_at, finding.duration_s, finding.raw_error) == (NOW, 0.75, "errno 111")
    assert (finding.probe, finding.params, finding.round, finding.vantage) == ("one", {"a": 1}, 3, BOT)
