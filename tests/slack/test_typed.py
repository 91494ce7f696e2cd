from __future__ import annotations

import pytest

from bot.slack.typed import unformat


@pytest.mark.parametrize(
    ("sent", "typed"),
    [
        ("prod", "prod"),
        ("<https://api.prod.example:6443|https://api.prod.example:6443>", "https://api.prod.example:6443"),
        ("<https://api.prod.example:6443>", "https://api.prod.example:6443"),
        ("<http://api.prod.example:6443|api.prod.example:6443>", "api.prod.example:6443"),
        ("<@U0ANN00001|ann> <#C0CHAN00001|incidents> <!here>", "@ann #incidents here"),
        ("<mailto:a@b.example|a@b.example>", "a@b.example"),
        ("a &lt;b&gt; &amp;amp;", "a <b> &amp;"),
        ("prod \u2014since 30m", "prod --since 30m"),
        ("down \u2014 why?", "down \u2014 why?"),
        ("Get \u201chttps://a:6443\u201d", 'Get "https://a:6443"'),
    ],
)
def test_what_slack_sends_is_read_as_the_person_typed_it(sent, typed):
    assert unformat(sent) == typed
