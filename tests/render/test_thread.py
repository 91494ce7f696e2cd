"""The thread: what it says in each state, in which order, and that it keeps within Slack's limits whatever comes in."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from slack_sdk.models.blocks import Block

from bot.config import ClusterDefinition, ad_hoc
from bot.model.diagnosis import Diagnosis, Verdict
from bot.model.events import EventType, Trigger
from bot.model.finding import Status
from bot.model.investigation import State
from bot.model.message import Message
from bot.model.replay import advance
from bot.render.slack_message import BLOCK_LIMIT, FALLBACK_LIMIT, MESSAGE_LIMIT
from bot.render.slack_text import Markup, cost
from bot.render.terminal import summary
from bot.render.thread import messages
from bot.render.thread_manual import MOST_BLOCKS
from tests.fakes.slack_server.blocks import check_blocks
from tests.render.builder import Story, seen
from tests.render.scenarios import SCENARIOS, A


def thread(story: Story) -> dict[str, Message]:
    return {message.key: message for message in messages(story.state, now=story.at)}


def texts(message: Message) -> list[tuple[str, str]]:
    """Every text of the blocks with the kind of block it is in."""
    found = []
    for block in message.blocks:
        if block["type"] == "rich_text":
            found.append(("preformatted", block["elements"][0]["elements"][0]["text"]))
        elif block["type"] == "context":
            found.append(("context", block["elements"][0]["text"]))
        elif block["type"] != "actions":
            found.append((block["type"], block["text"]["text"]))
    return found


def assert_within_budgets(message: Message) -> None:
    limits = {"header": 150, "section": 2_900, "preformatted": 2_500, "context": 1_500}
    most = MOST_BLOCKS if message.key.startswith("manual/") else BLOCK_LIMIT
    assert 0 < len(message.text) <= FALLBACK_LIMIT
    assert len(message.blocks) <= most
    total = 0
    for kind, text in texts(message):
        size = cost(Markup(text)) if kind in ("section", "context") else cost(text)
        assert 0 < size <= limits[kind], (message.key, kind)
        total += size
    assert total <= MESSAGE_LIMIT, message.key
    assert check_blocks(list(message.blocks), "message") == []
    for block in Block.parse_all(list(message.blocks)):
        block.validate_json()


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_message_keeps_within_the_budgets(name: str) -> None:
    for message in thread(SCENARIOS[name]()).values():
        assert_within_budgets(message)


@pytest.mark.parametrize("name", SCENARIOS)
def test_keys_are_unique_and_at_most_fifteen_a_round(name: str) -> None:
    made = messages(SCENARIOS[name]().state, now=SCENARIOS[name]().at)
    assert len({message.key for message in made}) == len(made) <= 15


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("every", [1, 2, 5, 1000])
def test_a_posted_message_never_moves_or_goes(name: str, every: int) -> None:
    """Replays the log, delivering all that is new after every so many events, as a slow channel would."""
    source, story = SCENARIOS[name](), Story()
    posted: list[str] = []
    story._state, count = None, 0
    for event in source.events:
        if event.type == EventType.DELIVERED:
            continue
        story.at, story.round = event.at, event.round
        story._state = advance(story.ref, story._state, event)
        count += 1
        if count % every == 0:
            story.deliver()
            keys = [message.key for message in messages(story.state, now=story.at)]
            assert keys[: len(posted)] == posted
            posted = keys


def test_the_first_reply_is_there_before_anything_is_known() -> None:
    story = Story()
    assert list(thread(story)) == ["root", "steps/1"]
    assert "Started" in thread(story)["steps/1"].text


def test_an_unchanged_state_is_not_edited_every_second() -> None:
    story = SCENARIOS["waiting"]()
    digests = {messages(story.state, now=story.at + timedelta(seconds=age))[0].digest for age in range(30)}
    later = messages(story.state, now=story.at + timedelta(seconds=61))[0]
    assert len(digests) == 1
    assert later.digest not in digests
    assert "for 1 min" in str(later.blocks)


def test_only_the_verdict_is_broadcast() -> None:
    shown = thread(SCENARIOS["tie"]())
    assert [key for key, message in shown.items() if message.broadcast] == ["verdict/1"]
    assert shown["verdict/1"].terminal
    assert shown["root"].terminal
    assert not thread(SCENARIOS["waiting"]())["root"].terminal


def test_a_tie_is_shown_as_one_with_the_check_that_separates_it() -> None:
    assert "*Cannot be told apart from here:* The API server is not running; " in str(thread(SCENARIOS["tie"]())["root"].blocks)
    shown = str(thread(SCENARIOS["tie"]())["verdict/1"].blocks)
    assert "*1, 2 and 3 cannot be told apart from here.*" in shown
    assert "ss -ltnp 'sport = :6443'" in shown.replace("\\'", "'")
    assert "Best-supported cause" not in shown


def test_checks_that_separate_no_more_than_an_earlier_one_are_left_out() -> None:
    story = SCENARIOS["tie"]()
    diagnosis = story.state.diagnosis
    assert diagnosis is not None
    first, second, third = diagnosis.causes
    assert first.separator is not None
    again = first.separator.model_copy(update={"check": "Look again.", "run": "netstat -ltn"})
    wider = again.model_copy(update={"between": (*again.between, "lb-down"), "run": "wider"})
    causes = (first, second.model_copy(update={"separator": again}), third.model_copy(update={"separator": wider}))
    shown = thread(story.diagnose(diagnosis.model_copy(update={"causes": causes})))["verdict/1"]
    assert "netstat" not in str(shown.blocks)
    assert "wider" in str(shown.blocks)


def test_a_single_leader_is_the_best_supported_cause_and_a_revision_says_so() -> None:
    shown = thread(SCENARIOS["revised"]())["verdict/1"]
    assert "Best-supported cause: The API server's configuration is wrong" in str(shown.blocks).replace("\\'", "'")
    assert "*Revised:* It was: The API server is not running, medium confidence; " in str(shown.blocks)
    assert shown.text.startswith("Revised. ")


def test_a_later_diagnosis_that_says_nothing_new_is_no_revision_to_a_reader() -> None:
    story = SCENARIOS["tie"]()
    told = story.state.diagnosis
    assert told is not None
    before = thread(story)["verdict/1"]
    story.diagnose(told.model_copy(update={"revision": 2}))
    assert thread(story)["verdict/1"].digest == before.digest
    assert "evis" not in str(thread(story)["verdict/1"].blocks) + before.text
    assert "evis" not in summary(story.state, story.at)


def test_what_was_not_checked_is_never_shown_as_ok() -> None:
    shown = thread(SCENARIOS["healthy"]())
    assert "not checked" in str(shown["root"].blocks)
    assert ":white_check_mark: 5." not in str(shown["root"].blocks)
    assert "Writes" in str(shown["unchecked/1"].blocks)


def test_an_inconclusive_verdict_is_no_all_clear() -> None:
    shown = thread(SCENARIOS["silent"]())
    assert "not an all-clear" in str(shown["root"].blocks)
    assert "not an all-clear" in str(shown["verdict/1"].blocks)
    assert "Best-supported" not in str(shown["verdict/1"].blocks)


def test_cancelled_says_by_whom_offers_nothing_more_and_has_no_verdict() -> None:
    shown = thread(SCENARIOS["cancelled"]())
    assert "*Cancelled* by <@U0USER0002>" in str(shown["root"].blocks)
    assert shown["root"].text.startswith("API server of lab: cancelled before")
    assert _buttons(shown["root"]) == []
    assert "/apidown lab looks again" in str(shown["root"].blocks)
    assert "verdict/1" not in shown


def test_a_concluded_investigation_can_be_run_again_and_a_closed_one_cannot() -> None:
    story = SCENARIOS["tie"]()
    assert _buttons(thread(story)["root"]) == [("apidown.rerun", "lab|20261120-k7f3")]
    assert _buttons(thread(story.close())["root"]) == []


def test_a_step_that_ran_when_it_was_cancelled_says_so() -> None:
    story = Story().begin().start("tls-handshake").close("cancelled", "U0USER0002")
    shown = thread(story)["unchecked/1"]
    assert "It was still running when this ended." in str(shown.blocks)
    assert "It was not run." in str(shown.blocks)


def test_a_running_investigation_can_be_cancelled_and_a_cancelling_one_not_again() -> None:
    story = SCENARIOS["waiting"]()
    assert _buttons(thread(story)["root"]) == [("apidown.cancel", "lab|20261120-k7f3")]
    story.add(EventType.CANCEL_REQUESTED, by="U0USER0002")
    assert _buttons(thread(story)["root"]) == []


def test_our_own_defect_is_called_one() -> None:
    shown = str(thread(SCENARIOS["defect"]())["problem/1/tcp-connect"].blocks)
    assert "defect of apidown" in shown


def test_a_new_round_has_messages_of_its_own() -> None:
    story = SCENARIOS["tie"]().deliver().begin()
    assert list(thread(story)) == ["root", "steps/2"]
    assert "round 2" in str(thread(story)["root"].blocks)


def test_a_new_round_says_whose_wish_it_is() -> None:
    story = SCENARIOS["tie"]().deliver()
    story.add(EventType.TRIGGER_JOINED, data=Trigger(kind="slash-command", who="U0USER0002")).begin()
    assert "*Round 2*, asked for by <@U0USER0002>" in str(thread(story)["steps/2"].blocks)
    assert thread(story)["steps/2"].text.startswith("Round 2. ")
    story.diagnose(SCENARIOS["tie"]().state.diagnosis).conclude()
    story.add(EventType.RERUN_REQUESTED, by="U0USER0003").begin()
    assert "*Round 3*, asked for by <@U0USER0003>" in str(thread(story)["steps/3"].blocks)


def test_a_round_that_says_the_same_is_not_shown_in_the_channel_again() -> None:
    told = SCENARIOS["tie"]().state.diagnosis
    assert told is not None
    story = SCENARIOS["tie"]().deliver().begin()
    assert not thread(story.diagnose(told))["verdict/2"].broadcast
    assert thread(story)["verdict/2"].text.startswith("Round 2: ")
    first, second, *others = told.causes
    other = told.model_copy(update={"revision": 2, "causes": (second, first, *others)})
    assert thread(story.diagnose(other))["verdict/2"].broadcast


def test_a_verdict_that_no_channel_has_seen_is_shown_there() -> None:
    told = SCENARIOS["tie"]().state.diagnosis
    assert told is not None
    assert thread(SCENARIOS["tie"]().begin().diagnose(told))["verdict/2"].broadcast


def test_a_kubeconfig_that_names_no_server_is_said_to_be_ours() -> None:
    nowhere = ClusterDefinition(name="prod", kubeconfig=Path("prod.kubeconfig")).cluster()
    story = SCENARIOS["waiting"]()
    opened = story.state.opened.model_copy(update={"cluster": nowhere})
    said = "Inconclusive: apidown's own configuration: prod.kubeconfig: there is no kubeconfig. Nobody looked at the cluster."
    diagnosis = Diagnosis(revision=1, verdict=Verdict.INCONCLUSIVE, headline=said, notes=("Next: give one.",), final=True)
    told = {"opened": opened, "steps": (), "server": None, "diagnosis": diagnosis, "state": State.CONCLUDED}
    root = next(iter(messages(story.state.model_copy(update=told), now=story.at)))
    shown = root.text + str(root.blocks)
    for text in ("Apidown's own configuration: prod.kubeconfig", "nothing was looked at", "Next: give one."):
        assert text in shown
    assert "0 of 0" not in shown
    assert "current-context" not in shown


def test_a_bare_url_is_called_by_its_host_and_port() -> None:
    story = SCENARIOS["waiting"]()
    url = ad_hoc("https://10.0.0.9:6443")
    state = story.state.model_copy(update={"opened": story.state.opened.model_copy(update={"cluster": url})})
    root = next(iter(messages(state, now=story.at)))
    assert "API server investigation: 10.0.0.9:6443" in str(root.blocks)
    assert "url-" not in root.text + str(root.blocks[0])


def test_problems_beyond_the_cap_share_a_message() -> None:
    shown = thread(SCENARIOS["many-problems"]())
    assert sum(key.startswith("problem/") for key in shown) == 5
    assert "16 more problems" in shown["problems/1"].text


def test_a_mention_in_a_finding_is_dead_in_every_message() -> None:
    for message in thread(SCENARIOS["hostile"]()).values():
        for text in (message.text, *(text for _, text in texts(message))):
            assert "<!" not in text.replace("<!date^", "")
            assert "<@U0VICTIM" not in text
            assert "<https" not in text or text.count("<https") == text.count("<https://evil.example|ok>")
            assert "@here" not in text
            assert "@everyone" not in text
            assert "\x1b" not in text
            assert "\u202e" not in text


def test_outside_text_is_still_readable() -> None:
    assert "'rm -rf /'" in thread(SCENARIOS["hostile"]())["problem/1/tcp-connect"].text


def test_forty_kilobytes_of_evidence_say_how_much_is_left_out() -> None:
    story = Story().begin()
    story.finish("tcp-connect", seen("tcp-connect", A, Status.PROBLEM, "x", "It fails.", evidence={"body": "x" * 40_000}))
    assert "more characters)" in str(thread(story)["problem/1/tcp-connect"].blocks)


def _buttons(message: Message) -> list[tuple[str, str]]:
    rows = [block["elements"] for block in message.blocks if block["type"] == "actions"]
    return [(button["action_id"], button["value"]) for row in rows for button in row]


def test_what_is_wrong_with_the_access_stands_beside_the_grid() -> None:
    story = SCENARIOS["tie"]()
    assert story.state.triage is not None
    note = "The kubeconfig has no user <!channel> adm."
    state = story.state.model_copy(update={"triage": story.state.triage.model_copy(update={"notes": (note,)})})
    root = next(message for message in messages(state, now=story.at) if message.key == "root")
    (where,) = [text for kind, text in texts(root) if kind == "section" and "*Where:*" in text]
    assert ":warning: The kubeconfig has no user" in where
    assert "<!channel>" not in where
    assert "! The kubeconfig has no user" in summary(state, story.at)
