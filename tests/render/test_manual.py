"""Steps for a person in the thread: what to do and three buttons, or one line when somebody answered."""

from __future__ import annotations

import pytest

from bot.model.answer import Answer
from bot.model.events import EventType, StepPlan
from bot.model.message import Message
from bot.render import thread_manual
from bot.render.report import as_json
from bot.render.terminal import summary
from bot.render.thread import messages
from tests.render.builder import Story
from tests.render.scenarios import SCENARIOS
from tests.render.test_thread import assert_within_budgets, thread
from tests.render.transcript import transcript

KEY = "manual/1"


def buttons(message: Message) -> list[tuple[str, str]]:
    rows = [block["elements"] for block in message.blocks if block["type"] == "actions"]
    beside = [[block["accessory"]] for block in message.blocks if "accessory" in block]
    return [(button["action_id"], button["value"]) for row in (*rows, *beside) for button in row]


def steps(number: int, *, length: int = 60) -> list[StepPlan]:
    return [
        StepPlan(id=f"hand-{n}", title=f"Thing {n} is well", playbook="connection-refused", manual="m" * length, run="r" * length)
        for n in range(number)
    ]


def with_steps(number: int, *, length: int = 60) -> Story:
    story = Story().begin().select(*steps(number, length=length))
    for plan in steps(number):
        story.by_hand(plan.id)
    told = SCENARIOS["tie"]().state.diagnosis
    assert told is not None
    return story.diagnose(told).conclude()


def test_a_step_that_waits_has_its_command_and_three_buttons() -> None:
    shown = thread(SCENARIOS["tie"]())[KEY]
    assert "systemctl status kubelet; journalctl -u kubelet -n 50 --no-pager" in transcript([shown])
    value = "lab|20261120-k7f3|1|kubelet|0"
    assert buttons(shown)[:3] == [("apidown.manual.ok", value), ("apidown.manual.found", value), ("apidown.manual.skip", value)]
    assert len(buttons(shown)) == 6


def test_an_answered_step_is_one_line_with_who_and_when_and_can_be_changed() -> None:
    shown = thread(SCENARIOS["answered"]())[KEY]
    assert buttons(shown) == [
        ("apidown.manual.change", "lab|20261120-k7f3|1|kubelet|1"),
        ("apidown.manual.change", "lab|20261120-k7f3|1|network-team|1"),
    ]
    text = transcript([shown])
    assert "found, <@U0USER0001>, <!date^" in text
    assert "skipped, <@U0USER0002>" in text
    assert "since 2026-11-20 13:41:00 UTC" in text
    assert "systemctl" not in text
    assert "<!channel>" not in text


def test_what_is_taken_back_waits_again() -> None:
    story = SCENARIOS["answered"]().answer("kubelet", Answer.TAKEN_BACK)
    assert ("apidown.manual.found", "lab|20261120-k7f3|1|kubelet|2") in buttons(thread(story)[KEY])


def test_a_find_is_said_in_root_and_verdict_and_gets_no_post_of_its_own() -> None:
    shown = thread(SCENARIOS["answered"]())
    assert "problem/1/kubelet" not in shown
    assert "alice found: masked since the upgrade of cp-1" in transcript([shown["root"]])
    assert "(alice found: masked since the upgrade of cp-1)" in transcript([shown["verdict/1"]])


def test_a_find_that_is_nobodys_evidence_is_quoted_all_the_same() -> None:
    story = SCENARIOS["tie"]().answer("network-team", Answer.FOUND, note="bob swaps backends")
    assert "*Found by a person:* 8. Nobody is working on the load balancer - alice found: bob swaps backends" in transcript(
        [thread(story)["verdict/1"]]
    )


def test_what_tells_most_is_marked_and_nothing_moves_for_it() -> None:
    story = SCENARIOS["tie"]()
    told = story.state.diagnosis
    assert told is not None
    story.diagnose(told.model_copy(update={"revision": 2, "ask": ("network-team",)}))
    rows = transcript([thread(story)[KEY]]).splitlines()
    marked = [row for row in rows if "tells most" in row]
    assert [row[:3] for row in marked] == ["*8."]
    assert "most would tell 8. Nobody is working on the load balancer" in transcript([thread(story)["root"]])


def test_the_short_report_has_the_commands_of_what_tells_most() -> None:
    story = SCENARIOS["tie"]()
    told = story.state.diagnosis
    assert told is not None
    assert "systemctl" not in summary(story.state, story.at)
    story.diagnose(told.model_copy(update={"revision": 2, "ask": ("kubelet",)}))
    shown = summary(story.state, story.at)
    assert "? 2 steps for a person; these would tell most:" in shown
    assert "      systemctl status kubelet; journalctl -u kubelet -n 50 --no-pager" in shown
    assert "systemctl" in summary(story.state, story.at, full=True)


@pytest.mark.parametrize("end", ["closed", "cancelling"])
def test_nothing_can_be_answered_when_it_is_over(end: str) -> None:
    story = SCENARIOS["answered"]().answer("network-team", Answer.TAKEN_BACK)
    if end == "closed":
        story.close()
    else:
        story = with_steps(2).begin().select(*steps(2)).diagnose(SCENARIOS["tie"]().state.diagnosis)
        story.add(EventType.CANCEL_REQUESTED, by="U0USER0001")
    [shown] = [message for key, message in thread(story).items() if key.startswith("manual/")]
    assert buttons(shown) == []
    assert "|" in transcript([shown]), "the commands stay"


def test_no_post_before_there_is_a_verdict() -> None:
    story = Story().begin().select(*steps(2))
    assert KEY not in thread(story)


@pytest.mark.parametrize(("number", "length", "pages"), [(1, 60, 1), (15, 60, 1), (16, 60, 2), (30, 60, 2), (14, 600, 3)])
def test_pages_are_as_few_as_slack_allows_and_every_step_is_on_one(number: int, length: int, pages: int) -> None:
    story = with_steps(number, length=length)
    shown = [message for key, message in thread(story).items() if key.startswith("manual/")]
    assert [message.key for message in shown] == [KEY, "manual/1/2", "manual/1/3"][:pages]
    assert {value.split("|")[3] for message in shown for _, value in buttons(message)} == {plan.id for plan in steps(number)}
    for message in shown:
        assert_within_budgets(message)


def test_an_answer_moves_no_step_to_another_page() -> None:
    story = with_steps(30)
    before = [{value.split("|")[3] for _, value in buttons(page)} for page in thread_manual.pages(story.state)]
    for plan in steps(9):
        story.answer(plan.id, Answer.FOUND, note="n" * 1000)
    after = [{value.split("|")[3] for _, value in buttons(page)} for page in thread_manual.pages(story.state)]
    assert before == after
    for message in messages(story.state, now=story.at):
        assert_within_budgets(message)


def test_a_healthy_cluster_asks_nobody_unless_the_playbook_was_named() -> None:
    calm = SCENARIOS["healthy"]().state.diagnosis
    assert calm is not None
    story = Story().begin().select(*steps(3))
    for plan in steps(3):
        story.by_hand(plan.id)
    story.diagnose(calm).conclude()
    assert KEY not in thread(story)
    assert "*3 steps:* A person has to look" in transcript([thread(story)["unchecked/1"]])
    assert "For a person" not in transcript([thread(story)["root"]])
    named = story.state.opened.model_copy(update={"playbook": "connection-refused"})
    story._state = story.state.model_copy(update={"opened": named})
    assert KEY in thread(story)


def test_an_answer_is_in_the_json_report_with_who_said_it() -> None:
    report = as_json(SCENARIOS["answered"]().state)
    [step] = [one for one in report["steps"] if one["id"] == "kubelet"]
    assert (step["probe"], step["vantage"], step["status"], step["outcome"]) == (None, "person", "problem", "found")
    assert step["evidence"]["name"] == "alice"


def test_a_name_that_slack_would_not_take_gets_commands_without_buttons() -> None:
    long = Story(cluster="c" * 2_100).begin().select(*steps(1)).by_hand("hand-0")
    shown = thread(long.diagnose(SCENARIOS["tie"]().state.diagnosis))[KEY]
    assert buttons(shown) == []
    assert "r" * 60 in transcript([shown])
    for message in thread(long).values():
        assert_within_budgets(message)


@pytest.mark.parametrize("typed", ["n", "&", "<!channel> ", "\U0001f525"])
@pytest.mark.parametrize("answered", [1, 5, 14, 15])
def test_long_notes_take_no_words_from_above_another_steps_buttons(typed: str, answered: int) -> None:
    story = with_steps(15, length=180)
    for plan in steps(15)[:answered]:
        story.answer(plan.id, Answer.FOUND, note=(typed * 1_000)[:1_000], since="2026-11-20T13:41:00Z")
    shown = [message for key, message in thread(story).items() if key.startswith("manual/")]
    for message in shown:
        assert_within_budgets(message)
    text = transcript(shown)
    assert "more left out" not in text
    assert all(f". Thing {n} is well" in text for n in range(15))
    pressed = [action for message in shown for action, _ in buttons(message)]
    assert pressed.count("apidown.manual.change") == answered
    assert pressed.count("apidown.manual.ok") == 15 - answered
