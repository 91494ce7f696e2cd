"""From what was pasted to what was said: secrets out, escapes and line breaks of logs and terminals undone, bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.redact import Redactor

MOST_CHARACTERS = 24_000
"""As much of a text is read, half from its beginning and half from its end: errors stand there."""
MOST_STATEMENTS = 300
_HALF = MOST_CHARACTERS // 2
_LONGEST = 4_000

_FRAME = re.compile(r"^[ \t]{0,20}[│|╷╵>*`+-]{1,3}[ \t]?", re.MULTILINE)
_ESCAPED = re.compile(r"\\{1,8}(?:x5c|u005c)?\\{0,8}(?P<what>[\"'nt/])|\\x22")
_TAG = re.compile(r"</?(?:table|thead|tbody|tr|th|td|b|code|pre|br|p|div|span|a|li|ul)(?:\s[^<>]{0,300})?/?>", re.IGNORECASE)
_WRAPPED = re.compile(r"\n[ \t]+(?=\S)")
# What begins a statement though it is indented: an event, or a line with its own time.
_BEGINS = re.compile(
    r"\n[ \t]+(?=(?:Warning|Normal)\s|[IWEF]\d{4} |\d{4}-\d\d-\d\d[T ]|time=|level=|[A-Z][a-z]{2} \d{1,2} \d\d:)"
)
_PLAIN = {"n": "\n", "t": "\t"}


def plain(text: str) -> str:
    """The text as it was meant: redacted, bounded, without the frames of terminals and the escapes of logs in logs."""
    if len(text) > MOST_CHARACTERS:
        text = f"{_whole_words(text[:_HALF])}\n{_whole_words(text[-_HALF:][::-1])[::-1]}"
    text = Redactor().text(text).replace("\r\n", "\n").replace("\u00a0", " ").replace("&quot;", '"')
    text = _FRAME.sub("", _TAG.sub(" ", text))
    return _ESCAPED.sub(lambda match: _PLAIN.get(match["what"] or '"', match["what"] or '"'), text)


def statements(text: str) -> Iterator[str]:
    """What was said, one at a time, of a long text at both ends: lines, where an indented line goes on with the one before."""
    joined = _WRAPPED.sub(" ", _BEGINS.sub("\n\n", text))
    lines = [line for line in map(str.strip, joined.splitlines()) if line]
    if len(lines) > MOST_STATEMENTS:
        lines = [*lines[: MOST_STATEMENTS // 2], *lines[-MOST_STATEMENTS // 2 :]]
    for line in lines:
        yield line[:_LONGEST]


def _whole_words(text: str) -> str:
    """Without the word that was cut in two: half a secret does not look like one."""
    return re.split(r"\s", text[::-1], maxsplit=1)[-1][::-1] if re.search(r"\s", text) else ""
