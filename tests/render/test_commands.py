"""Commands that a reader copies out of a thread: they are whole, said once, and what is no command does nothing in a shell."""

from __future__ import annotations

from bot.model.events import StepPlan
from bot.model.finding import Status
from bot.render.missing import Unchecked, by_hand
from bot.render.slack_text import code
from bot.render.thread_replies import by_hand as told
from tests.render.builder import Story, seen
from tests.render.scenarios import SCENARIOS
from tests.render.test_thread import thread
from tests.render.transcript import transcript


def told_of(todo: str, run: str) -> str:
    plan = StepPlan(id="balancer", title="The balancer is well", playbook="p", probe="balancer", run=run)
    missed = seen("balancer", "lab", Status.NOT_CHECKED, "not-configured", "It is not configured.", todo=todo)
    story = Story().begin().select(plan).finish("balancer", missed).conclude()
    return transcript([told(story.state)])


def test_a_remark_among_commands_does_nothing_in_a_shell() -> None:
    text = told_of("Configure the cluster's `prometheus:`, or look at /targets.\nEither will do.", "curl -s http://a/targets")
    assert (
        "| # Configure the cluster's `prometheus:`, or look at /targets.\n| # Either will do.\n| curl -s http://a/targets" in text
    )


def test_a_command_of_probe_and_step_alike_is_said_once() -> None:
    assert told_of("echo 'show stat'", "echo 'show stat'").count("show stat") == 1
    item = Unchecked(label="1. x", why="y", todo="echo 'show stat'", run="echo 'show stat'")
    assert by_hand(item) == ("", ["echo 'show stat'"])


def test_both_commands_are_there_where_probe_and_step_have_one_each() -> None:
    text = told_of("On a control-plane node: grep server: /etc/kubernetes/*.conf", "kubectl config current-context")
    assert "| # On a control-plane node:\n| grep server: /etc/kubernetes/*.conf\n| kubectl config current-context" in text


def test_a_command_that_a_cause_misses_keeps_its_signs() -> None:
    story = SCENARIOS["tie"]()
    before = story.state.diagnosis
    assert before is not None
    missed = ("On a control-plane node: grep server: /etc/kubernetes/*.conf",)
    first = before.causes[0].model_copy(update={"unchecked": missed})
    story.diagnose(before.model_copy(update={"causes": (first, *before.causes[1:]), "revision": before.revision + 1}))
    shown = transcript([thread(story)["verdict/1"]])
    assert "• On a control-plane node: `grep server: /etc/kubernetes/*.conf`" in shown


def test_code_mentions_and_ends_nothing() -> None:
    assert code("a `b` <!channel> <@U0USER0001>\n& c") == "`a 'b' &lt;\u2060!channel&gt; &lt;\u2060@U0USER0001&gt; &amp; c`"
