"""Text from outside, made harmless for every view: no terminal sequences, no invisible or direction-changing characters.

Log lines, labels, banners and certificates are written by others. What a reader sees must be what was sent, in the order
it was sent, and nothing in it may move a cursor or hide a word. Slack's own syntax is ``bot.render.slack_text``'s concern.
"""

from __future__ import annotations

import re
import unicodedata

# CSI, OSC (terminated or not), other two-character escapes, and the one-byte CSI.
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-~])|\x9b[0-?]*[ -/]*[@-~]")
_BREAKS = re.compile(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_BLANKS = re.compile(r"\s+")


def clean(text: str) -> str:
    """The same text without terminal sequences, control, zero-width and bidi characters; line breaks are kept."""
    text = _BREAKS.sub("\n", _TERMINAL.sub("", text)).expandtabs(4)
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


def unbroken(text: str) -> str:
    """Clean, with every run of white space as one space, at the ends too."""
    return _BLANKS.sub(" ", clean(text))


def one_line(text: str) -> str:
    """Clean, on one line, without white space at the ends."""
    return unbroken(text).strip()


def shorten(text: str, limit: int) -> str:
    """Clean, on one line, and at most ``limit`` characters; what was cut is counted."""
    line = one_line(text)
    if len(line) <= limit:
        return line
    # The longest that the note can be: more is left out than the limit says, because the note itself takes room.
    longest = f" … ({len(line):,} more characters)"
    kept = max(limit - len(longest), 1)
    return line[:kept].rstrip() + f" … ({len(line) - kept:,} more characters)"[: limit - 1]


def _visible(character: str) -> str:
    if character == "\n":
        return character
    category = unicodedata.category(character)
    if category == "Cs":
        return "\ufffd"
    return "" if category in ("Cc", "Cf") else character
