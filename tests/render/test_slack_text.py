"""Outside text does nothing in Slack: no mention, no link, no format, no broken entity."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.diagnosis import Confidence, Diagnosis, RankedCause, Verdict
from bot.model.finding import Status
from bot.model.playbook import Domain, NextStep
from bot.render.clean import clean, shorten
from bot.render.slack_text import Markup, cost, cut, escape, fmt, link, person, plain
from bot.render.terminal import summary
from bot.render.thread import messages
from tests.render.builder import Story, seen
from tests.render.test_thread import assert_within_budgets, texts

_SEEDS = [
    "<!channel>",
    "<!here|x>",
    "<@U0ABCDEFG1>",
    "<#C0ABCDEFG1>",
    "@here",
    "@channel",
    "_@everyone_",
    "<https://e.example|x>",
]
_SEEDS += [
    "&amp;",
    "&lt;!channel&gt;",
    "`",
    "*",
    "\x1b[2J",
    "\u202e",
    "\x00",
    "\ud800",
    "\U0001f600",
    "]]>",
    "<!date^1^x|y>",
    "@\u2060here",
]
HOSTILE = st.lists(st.one_of(st.sampled_from(_SEEDS), st.text(max_size=40)), max_size=400).map("".join)
# As it comes out of the log: JSON cannot carry half a surrogate pair.
LOGGED = HOSTILE.map(lambda text: text.encode(errors="replace").decode())
_LIVE = re.compile(r"<[!@#]|@(?:here|channel|everyone)\b", re.I)
_DATE = re.compile(r"<!date\^\d+\^\{date_short_pretty\} \{time_secs\}\|[0-9 :-]+UTC>")
_BROKEN_ENTITY = re.compile(r"&(?!(?:amp|lt|gt);)")


def assert_dead(text: str, *, markup: bool) -> None:
    left = _DATE.sub("", text).replace("<@U0USER0001>", "")
    assert not _LIVE.search(left), left
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", left)
    if markup:
        assert "<" not in left
        assert ">" not in left
        assert "`" not in left
        assert not _BROKEN_ENTITY.search(left)
    left.encode()


@given(HOSTILE)
def test_escaped_text_is_dead_and_on_one_line(text: str) -> None:
    escaped = escape(text)
    assert_dead(escaped, markup=True)
    assert "\n" not in escaped


@given(HOSTILE)
def test_plain_text_is_dead(text: str) -> None:
    assert_dead(plain(text), markup=False)


@given(HOSTILE, st.integers(min_value=60, max_value=500))
def test_a_cut_fits_breaks_no_entity_and_counts_what_is_missing(text: str, limit: int) -> None:
    for whole in (escape(text), plain(text)):
        kept = cut(whole, limit)
        assert cost(kept) <= limit
        if isinstance(whole, Markup):
            assert isinstance(kept, Markup)
            assert not _BROKEN_ENTITY.search(kept)
        assert kept == whole or re.search(r"\([\d,]+ more characters\)$", kept)


@given(st.text(max_size=300), st.integers(min_value=40, max_value=200))
def test_shortened_text_fits_on_its_line(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert len(short) <= limit
    assert "\n" not in short


@settings(max_examples=40, deadline=None)
@given(LOGGED, LOGGED, LOGGED)
def test_no_finding_and_no_cause_breaks_a_budget_or_comes_alive(one: str, two: str, three: str) -> None:
    story = Story().begin()
    finding = seen(
        "tcp-connect",
        one or "x",
        Status.PROBLEM,
        "reset",
        two,
        raw_error=three,
        evidence={one: two, "deep": [three, {two: one}]},
        todo=one,
    )
    story.finish("tcp-connect", finding)
    story.finish("tls-handshake", finding.model_copy(update={"probe": "tls-handshake", "status": Status.NOT_CHECKED}))
    cause = RankedCause(
        id="a", domain=Domain.TLS, title=one, sentence=two, confidence=Confidence.LOW, score=1,
        evidence_for=(three,) * 9, next=(NextStep(say=one, run=two),),
    )  # fmt: skip
    story.diagnose(Diagnosis(revision=1, verdict=Verdict.CAUSE, headline=three, causes=(cause,), not_checked=(one,)))
    for message in messages(story.state, now=story.at):
        assert_within_budgets(message)
        assert_dead(message.text, markup=True)
        for kind, text in texts(message):
            assert_dead(text, markup=kind in ("section", "context"))
    shown = summary(story.state, story.at, full=True)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)


def test_formatting_characters_become_look_alikes_and_identifiers_stay() -> None:
    assert escape("*bold* `code` ~gone~ _slanted_ kube_apiserver_up") == "∗bold∗ 'code' ∼gone∼ ˍslantedˍ kube_apiserver_up"  # noqa: RUF001
    assert escape("2001:db8::1 and 10.0.0.1:6443:") == "2001:db8::1 and 10.0.0.1:6443:"
    assert ":x:" not in escape("all fine :x: really")


def test_markup_is_not_escaped_twice() -> None:
    assert fmt("{} {}", Markup("*a*"), "<b> & c") == "*a* &lt;b&gt; &amp; c"


def test_a_link_is_made_of_a_web_address_only() -> None:
    assert link("https://docs.example/a?b=1&c=2", "the | docs") == "<https://docs.example/a?b=1&amp;c=2|the ¦ docs>"
    for bad in (
        "javascript:alert(1)",
        "https://a.example|evil",
        "https://a.example/>x",
        "https://a b",
        "ftp://a",
        "https://a\u202eb",
    ):
        assert not link(bad, "docs").startswith("<")


def test_only_a_users_id_is_mentioned() -> None:
    assert person("U0USER0001") == "<@U0USER0001>"
    assert person("<!channel>") == "&lt;!channel&gt;"
    assert person("bot-1", "Ann *") == "Ann ∗"  # noqa: RUF001


def test_terminal_sequences_go_whole() -> None:
    assert clean("a\x1b[31mred\x1b[0m \x1b]0;title\x07b \x9b2Jc\r\nd\x08") == "ared b c\nd"
