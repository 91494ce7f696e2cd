"""What was recognised in a pasted text is one line of the thread and of the terminal, and nothing in it mentions or links."""

from __future__ import annotations

import json

import pytest

from bot.model.events import EventType, Trigger
from bot.model.recognised import About, Recognised
from bot.recognise.pasted import recognise
from bot.render import story as told
from bot.render.terminal import lines_for
from bot.render.thread import messages
from tests.render.builder import Story

REFUSED = "<!channel> The connection to the server api.lab.example:6443 was refused - see <https://a|b>"


def pasted(story: Story, seen: Recognised) -> Story:
    trigger = Trigger(kind="slash-command", who="U0USER0001", text="x", recognised=seen)
    return story.add(EventType.TRIGGER_JOINED, len(story.events), data=trigger)


def root(story: Story) -> str:
    return json.dumps(messages(story.state, now=story.at)[0].blocks)


def test_the_root_says_what_was_recognised_and_by_which_words() -> None:
    shown = root(pasted(Story().begin(), recognise(REFUSED)))
    assert "Pasted text: connection-refused at api.lab.example:6443. It is about the API server that kubectl asks" in shown
    assert "<!channel>" not in shown
    assert "<https://a|b>" not in shown


def test_the_newest_text_counts() -> None:
    story = pasted(pasted(Story().begin(), recognise(REFUSED)), recognise("Unable to connect to the server: EOF"))
    assert "tls-closed" in told.pasted(story.state)
    assert "connection-refused" not in root(story)


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (
            Recognised(about=About.SOMETHING_ELSE, why="It is about a volume."),
            "Pasted text: not about reaching an API server. It is",
        ),
        (
            Recognised(about=About.API_SERVER, playbook="network-connectivity", why="It is about x."),
            "Pasted text: a failure without a known name. It is about x.",
        ),
    ],
)
def test_what_has_no_name_is_said_so(seen: Recognised, says: str) -> None:
    assert told.pasted(pasted(Story().begin(), seen).state).startswith(says)


def test_the_terminal_says_it_where_a_round_begins_and_nothing_without_a_text() -> None:
    story = pasted(Story(), recognise(REFUSED)).begin()
    begun = next(event for event in story.events if event.type == EventType.ROUND_STARTED)
    assert "Pasted text: connection-refused" in " ".join(lines_for(begun, story.state))
    plain = Story().begin()
    assert told.pasted(plain.state) == ""
    assert "Pasted" not in " ".join(lines_for(plain.events[-1], plain.state))
