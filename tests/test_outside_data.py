"""The source documents and the errors that people really paste, where they are at hand; neither is part of this repository."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from bot.app import build_registry
from bot.config import Config
from bot.errors import UsageError
from bot.playbook import default_folder, load_library
from bot.recognise import wish
from bot.recognise.cluster import cluster_meant
from tests.recognition import corpus_lines
from tests.require import missing

_UNITS = {"minute": 60, "minutes": 60, "hour": 3600, "hours": 3600}


def given(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        missing("data", f"{variable} is not set")
    return Path(value)


FOLLOWED = {"000": "connection-refused", "001": "cannot-access-api"}
each_playbook = pytest.mark.parametrize(("number", "name"), FOLLOWED.items())


def document(number: str) -> str:
    (found,) = given("APIDOWN_SEEDS").glob(f"{number}_*.txt")
    return found.read_text()


def section(document: str, title: str) -> list[str]:
    """The numbered items below a heading."""
    body = document.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\d+\. (.+)$", body, re.M)


@each_playbook
def test_every_step_and_line_of_the_document_has_a_place(number: str, name: str) -> None:
    playbook = load_library(default_folder(), build_registry()).playbooks[name]
    steps = {source for step in playbook.steps for source in step.source}
    lines = {source for line in playbook.diagnosis for source in line.source}
    text = document(number)
    assert section(text, "Playbook")
    assert {f"{number}/playbook/{place}" for place in range(1, len(section(text, "Playbook")) + 1)} <= steps
    assert {f"{number}/diagnosis/{place}" for place in range(1, len(section(text, "Diagnosis")) + 1)} <= lines


@each_playbook
def test_the_windows_are_those_of_the_document(number: str, name: str) -> None:
    playbook = load_library(default_folder(), build_registry()).playbooks[name]
    text = document(number)
    widened = {
        span(first): span(second)
        for first, second in re.findall(r"(\d+ \w+) → (\d+ \w+)", text.partition("Extend the search")[2])
    }
    for place, item in enumerate(section(text, "Diagnosis"), 1):
        said = re.findall(r"within (\d+ (?:minutes?|hours?))", item)
        (line,) = [line for line in playbook.diagnosis if f"{number}/diagnosis/{place}" in line.source]
        assert span(said[0]) == line.window.length, line.id
        assert line.window.widen == widened.get(line.window.length), line.id


def span(text: str) -> timedelta:
    number, unit = text.split()
    return timedelta(seconds=int(number) * _UNITS[unit])


def pasted() -> list[str]:
    try:
        lines = corpus_lines(str(given("APIDOWN_CORPUS")))
    except FileNotFoundError as error:
        missing("data", str(error))
    return [json.loads(line)["text"] for line in lines]


def test_whatever_people_paste_gets_a_stranger_or_a_sentence() -> None:
    config = Config.empty()
    for text in pasted():
        with suppress(UsageError):
            # What somebody pasted never gets credentials.
            assert not cluster_meant(text.split(), config).configured
            seen = wish.pasted(text, config)
            assert not cluster_meant(text.split(), config, recognised=seen.recognised if seen else None).configured
