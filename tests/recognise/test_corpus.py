"""What people really paste, where it is at hand: nine of ten are recognised, and nine of ten that only look alike are told."""

from __future__ import annotations

import os

import pytest

from tests.recognition import ENOUGH, Judged, about_api, corpus_lines, hard_negatives, judge, report, share
from tests.require import missing


@pytest.fixture(scope="module")
def corpus() -> list[Judged]:
    named = os.environ.get("APIDOWN_CORPUS")
    if not named:
        missing("data", "APIDOWN_CORPUS is not set")
    try:
        lines = corpus_lines(named)
    except FileNotFoundError as error:
        missing("data", str(error))
    return judge(lines)


def test_the_right_playbook_is_named(corpus: list[Judged]) -> None:
    assert len(about_api(corpus)) >= 100
    assert share(about_api(corpus)) >= ENOUGH, report(corpus)
    assert share(corpus) >= ENOUGH, report(corpus)


def test_what_only_looks_alike_is_told_apart(corpus: list[Judged]) -> None:
    assert len(hard_negatives(corpus)) >= 20
    assert share(hard_negatives(corpus)) >= ENOUGH, report(corpus)
