"""Every item of the four source documents has its place, and none is left to a person that a probe can look at."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from bot.app import build_registry
from bot.playbook import default_folder, load_library
from tests.coverage import AGENT_MARKS, Carrier, carriers, gaps, how, rows
from tests.items import ITEMS, SHIPPED
from tests.require import missing

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = build_registry()
LIBRARY = load_library(default_folder(), REGISTRY)
FOUND = carriers(LIBRARY, REGISTRY)


def test_there_are_ninety_items_and_each_has_a_row() -> None:
    assert len(ITEMS) == 90
    assert [row[0] for row in rows()] == list(ITEMS)


def test_no_part_names_an_item_that_there_is_not() -> None:
    assert set(FOUND) - set(ITEMS) == set()


@pytest.mark.parametrize("name", ITEMS)
def test_each_item_is_carried_as_its_marks_ask(name: str) -> None:
    assert list(gaps(name, FOUND.get(name, []))) == []


def test_what_is_shipped_is_there() -> None:
    assert all((ROOT / path).exists() for path in SHIPPED.values())


def test_a_step_for_a_person_is_not_enough_for_a_probe_or_a_diagnosis_line() -> None:
    by_hand = [Carrier("by-hand", "somewhere")]
    assert list(gaps("002/lb/1", by_hand)) == ["002/lb/1: nothing carries its 'P'"]
    assert list(gaps("001/diagnosis/4", by_hand)) == ["001/diagnosis/4: nothing carries its 'C'"]
    assert list(gaps("002/firewall/2", by_hand)) == []
    assert list(gaps("002/firewall/2", [])) == ["002/firewall/2: nothing carries its 'P node'"]


def test_what_prometheus_tells_is_not_carried_by_any_probe() -> None:
    assert list(gaps("002/monitor/2", [Carrier("probe", "somewhere")])) == ["002/monitor/2: nothing carries its 'P metrics'"]
    assert list(gaps("002/monitor/2", [Carrier("probe", "somewhere", needs=("metrics",))])) == []


def test_a_step_without_a_command_is_said() -> None:
    said = list(gaps("002/firewall/2", [Carrier("by-hand", "somewhere", is_complete=False)]))
    assert said == ["002/firewall/2: somewhere has no command"]


def test_no_agent_is_promised_where_there_is_none() -> None:
    """An item that only an agent or a cloud can look at is not called automatic."""
    only = [item for item in ITEMS.values() if set(item.marks) <= AGENT_MARKS | {"M"}]
    assert only
    assert {how(item) for item in only} == {"automatic with an agent or cloud: not yet"}


def test_the_items_and_their_marks_are_the_documents_own() -> None:
    """Where the list of items is at hand; it is not part of this repository."""
    seeds = os.environ.get("APIDOWN_SEEDS")
    listed = Path(seeds).parent / "ITEMS.md" if seeds else None
    if listed is None or not listed.exists():
        missing("data", "there is no list of items beside APIDOWN_SEEDS")
    found = dict(re.findall(r"^\| (\d{3}/\S+) \| .* \| (.*?) \|$", listed.read_text(), re.M))
    assert {name: _marks(text) for name, text in found.items()} == {name: set(item.marks) for name, item in ITEMS.items()}


def _marks(text: str) -> set[str]:
    """``P metrics, node`` is two marks of one letter; what stands in brackets and after "or" are words."""
    text = re.sub(r" \(.*?\)|\bor the ", "", text).replace("shown on request", "shown")
    letter, marks = "", set()
    for part in text.split(", "):
        letter = part[0] if part[0].isupper() else letter
        marks.add(part if part[0].isupper() or part in ("select", "shown", "agent") else f"{letter} {part}")
    return marks
