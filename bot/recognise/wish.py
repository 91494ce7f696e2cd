"""What a person typed, if part of it was pasted: the text, what it is recognised as, and what of it is kept.

A cluster's name or a server's URL in front says which API server is meant, so it is looked at whatever stands behind it.
Without one, a text about something else starts nothing: it is answered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.config import Config
from bot.errors import UsageError
from bot.model.recognised import About, Recognised
from bot.recognise.pasted import recognise
from bot.redact import Redactor

PASTED_WORDS = 4
"""Words from which a text is taken for something that was pasted rather than for a name."""
_SERVER = re.compile(r"https?://[^/?#\s]{1,300}/?", re.IGNORECASE)
_OPENS = tuple("[{<\"'")
_MOST_KEPT = 300


@dataclass(frozen=True, kw_only=True)
class Pasted:
    """A pasted text, read. ``named`` is whether a cluster or a server was typed in front of it."""

    recognised: Recognised
    named: bool

    @property
    def is_something_else(self) -> bool:
        """Whether it is to be answered rather than investigated."""
        return self.recognised.about is About.SOMETHING_ELSE and not self.named

    @property
    def worth_saying(self) -> Recognised | None:
        """What the thread says of it: nothing, where nothing was recognised."""
        return None if self.recognised.about is About.UNCLEAR else self.recognised


def pasted(text: str, config: Config, channel: str | None = None) -> Pasted | None:
    """What was pasted; None when nothing was, but a name, a URL or a few words."""
    head, rest = [*text.split(maxsplit=1), "", ""][:2]
    named = _names_a_cluster(head, config, channel) or _SERVER.fullmatch(head) is not None
    said = rest if named else text
    if len(said.split()) < PASTED_WORDS and not said.startswith(_OPENS):
        return None
    return Pasted(recognised=recognise(said), named=named)


def kept(text: str) -> str:
    """What the log keeps of a text that was typed: one line, redacted, short, and never half of a word, which may be a
    secret."""
    words = Redactor().text(text[: _MOST_KEPT * 20]).split()
    line = ""
    for word in words:
        if len(line) + len(word) >= _MOST_KEPT:
            return f"{line} …".strip()
        line = f"{line} {word}".strip()
    return line


def _names_a_cluster(word: str, config: Config, channel: str | None) -> bool:
    try:
        config.cluster_named(word, channel)
    except UsageError:
        return False
    return True
