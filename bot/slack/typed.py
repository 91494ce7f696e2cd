"""What a person typed, out of what Slack makes of it: links, mentions, entities and the telephone's typography undone."""

from __future__ import annotations

import re

# As Slack sends what it recognises: <https://a|a>, <mailto:x|x>, <@U1|ann>, <#C1|general>, <!here>.
_LINK = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")
_QUOTES = str.maketrans({"\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'", "\u00a0": " "})
_LONG_DASH = re.compile(r"(?<!\S)[\u2013\u2014](?=[a-z])")


def unformat(text: str) -> str:
    """The text as the person typed it: Slack's links, entities and the telephone's typography undone."""
    text = _LINK.sub(_unlink, text)
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return _LONG_DASH.sub("--", text.translate(_QUOTES)).strip()


def _unlink(match: re.Match[str]) -> str:
    target, label = match[1], match[2]
    if target[0] in "@#!":
        return f"{'' if target[0] == '!' else target[0]}{label or target[1:]}"
    scheme, _, rest = target.partition("://")
    if scheme.lower() not in ("http", "https"):
        return label or target
    # "api.example.com:6443" is made a link with a scheme that nobody typed.
    return label if label and label.rstrip("/") == rest.rstrip("/") else target
