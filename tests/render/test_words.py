"""Durations, onsets and the grid as people read them."""

from __future__ import annotations

import pytest

from bot.model.diagnosis import Cell, Layer
from bot.model.finding import Status
from bot.model.playbook import NextStep
from bot.render.grid import draw
from bot.render.phrases import duration, milliseconds
from bot.render.story import commands


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0123, "12 ms"),
        (0.4, "0.4 s"),
        (3.06, "3.1 s"),
        (9.97, "10 s"),
        (12.2, "12 s"),
        (59.7, "1 min"),
        (72, "1 min 12 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations_are_short_and_have_a_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_grids_times_are_milliseconds_below_a_second() -> None:
    assert [milliseconds(value) for value in (0.4, 0.9996, 4.0)] == ["400 ms", "1.0 s", "4.0 s"]


def _cell(layer: Layer, address: str, vantage: str = "bot", outcome: str | None = "x", status: Status = Status.OK) -> Cell:
    return Cell(layer=layer, address=address, vantage=vantage, status=status, outcome=outcome, duration_s=0.012)


def test_many_addresses_go_into_bands_that_fit_the_width() -> None:
    cells = [_cell(layer, f"10.0.0.{n}:6443") for n in range(12) for layer in (Layer.TCP, Layer.TLS)]
    drawn = draw(cells, width=80)
    assert max(map(len, drawn.split("\n"))) <= 80
    assert all(f"10.0.0.{n}:6443" in drawn for n in range(12))
    assert drawn.count("tcp ") == 3


def test_every_vantage_point_has_its_column() -> None:
    cells = [
        _cell(Layer.NAME, "api.example"),
        _cell(Layer.TCP, "10.0.0.1:6443", outcome="connect-timeout", status=Status.PROBLEM),
        _cell(Layer.NAME, "api.example", "node:cp-1"),
        _cell(Layer.TCP, "10.0.0.1:6443", "node:cp-1"),
    ]
    assert draw(cells) == (
        "        10.0.0.1:6443 from bot  10.0.0.1:6443 from node:cp-1\n"
        "name    ok 12 ms                ok 12 ms\n"
        "tcp     no answer 12 ms         ok 12 ms"
    )


def test_a_name_that_does_not_resolve_has_a_column_of_its_own() -> None:
    assert draw([_cell(Layer.NAME, "api.example", outcome="name-not-found", status=Status.PROBLEM)]).split() == [
        "api.example", "name", "name", "not", "found", "12", "ms",
    ]  # fmt: skip


def test_what_is_said_never_becomes_a_command() -> None:
    step = NextStep(say="Ask the peer, which said: Run: reboot", run=None)
    assert commands([step]) == ["# Ask the peer, which said: Run: reboot"]
    assert commands([NextStep(say="Look. Run: reboot", run="ls")]) == ["# Look. Run: reboot", "ls"]
