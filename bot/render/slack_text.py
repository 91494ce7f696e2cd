"""The one place that turns text into what Slack parses: nothing from outside mentions, links or formats.

``Markup`` is mrkdwn that is safe to send. It comes from ``fmt``, whose template is ours and whose values are escaped
unless they are markup already, so that forgetting to escape is not possible without saying so. Blocks start as drafts
that know their whole text; ``bot.render.slack_message`` cuts them once, to the budget.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import LiteralString

from bot.model.base import Json
from bot.render.clean import clean, one_line, unbroken
from bot.render.phrases import utc

# Invisible, of no width, and no word boundary: "@here" with it is no mention and still reads as one wrote it.
_JOINER = "\u2060"
_BARE_MENTION = re.compile(r"@(?=[_*~]*(?:here|channel|everyone)\b)", re.I)
_CONTROL_SEQUENCE = re.compile(r"<(?=[!@#])")
_USER = re.compile(r"[UW][A-Z0-9]{6,20}")
_WEB = re.compile(r"https?://[^\s<>|]+", re.I)
# An emoji's short name; up to four hex digits between colons are left alone, because that is what IPv6 looks like.
_EMOJI = re.compile(r":(?![0-9a-f]{1,4}:)(?=[a-z0-9_+'-]*[a-z][a-z0-9_+'-]*:)", re.I)
# Formatting characters are replaced by look-alikes; an underscore inside a word formats nothing and stays.
_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LOOK_ALIKES = str.maketrans({"*": "\u2217", "~": "\u223c", "`": "'"})
_QUOTE = "'"
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_ATOM = re.compile(r"&(?:amp|lt|gt);|<[^<>\n]*>|.", re.S)


class Markup(str):
    """Slack mrkdwn that is safe to send as it is."""

    __slots__ = ()


def escape(text: str) -> Markup:
    """Outside text as mrkdwn, on one line: it reads the same and does nothing."""
    text = _UNDERSCORE.sub("\u02cd", _EMOJI.sub(":" + _JOINER, unbroken(text)).translate(_LOOK_ALIKES))
    return Markup(_BARE_MENTION.sub("@" + _JOINER, text).translate(_ENTITIES))


def code(text: str) -> Markup:
    """Outside text as one copies it, a command above all: between backticks Slack formats nothing."""
    return Markup(f"`{plain(one_line(text)).replace('`', _QUOTE).translate(_ENTITIES)}`")


def fmt(template: LiteralString, *values: object) -> Markup:
    """``str.format`` with every value escaped that is not markup. The template is a literal of ours."""
    return Markup(template.format(*(value if isinstance(value, Markup) else escape(str(value)) for value in values)))


def lines(parts: Iterable[Markup]) -> Markup:
    """Markup on lines of its own; empty parts are left out."""
    return Markup("\n".join(part for part in parts if part))


def plain(text: str) -> str:
    """Outside text for places that Slack does not parse (plain_text, preformatted), defused all the same."""
    text = _CONTROL_SEQUENCE.sub("<" + _JOINER, clean(text))
    return _BARE_MENTION.sub("@" + _JOINER, text)


def date(moment: datetime) -> Markup:
    """A time each reader sees in their own zone; UTC where that does not work."""
    return Markup(f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time_secs}}|{utc(moment)}>")


def person(who: str, name: str | None = None) -> Markup:
    """A Slack user by id, so that Slack shows the name; anybody else by name, as text."""
    return Markup(f"<@{who}>") if _USER.fullmatch(who) else escape(name or who)


def link(url: str, label: str) -> Markup:
    """A link if the URL is http or https and nothing else hides in it; else the label with the URL as text."""
    if _WEB.fullmatch(url) and clean(url) == url:
        return Markup(f"<{url.translate(_ENTITIES)}|{escape(label).replace('|', '¦')}>")
    return escape(f"{label} ({url})")


def cost(text: str) -> int:
    """Characters as Slack counts them: UTF-16 units, with ``& < >`` as their entities unless they are markup's own."""
    units = len(text) + sum(1 for character in text if character > "\uffff")
    if isinstance(text, Markup):
        return units
    return units + 4 * text.count("&") + 3 * (text.count("<") + text.count(">"))


def cut(text: str, limit: int) -> str:
    """At most ``limit`` as ``cost`` counts; never inside an entity or a control sequence; says how much was left out."""
    if cost(text) <= limit:
        return text
    made = type(text) if isinstance(text, Markup) else str
    atoms = _ATOM.findall(text) if isinstance(text, Markup) else list(text)
    kept, used, room = 0, 0, max(limit - len(_left_out(len(atoms))), 0)
    for atom in atoms:
        used += cost(made(atom))
        if used > room:
            break
        kept += 1
    # A whole last line reads better than a broken one, unless that would throw much away.
    breaks = [index for index in range(kept // 2, kept) if atoms[index] == "\n"]
    if breaks and kept - breaks[-1] < 200:
        kept = breaks[-1]
    return made("".join(atoms[:kept]) + _left_out(len(atoms) - kept))


def _left_out(number: int) -> str:
    return f" … ({number:,} more characters)"


class Kind(StrEnum):
    HEADER = "header"
    SECTION = "section"
    PREFORMATTED = "preformatted"
    CONTEXT = "context"
    ACTIONS = "actions"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A block before it is cut to size."""

    kind: Kind
    text: str = ""
    elements: tuple[Json, ...] = ()


def header(text: str) -> Draft:
    return Draft(kind=Kind.HEADER, text=plain(one_line(text)))


def section(text: Markup, *, beside: Json | None = None) -> Draft:
    """``beside`` is a button at its side."""
    return Draft(kind=Kind.SECTION, text=text, elements=() if beside is None else (beside,))


def preformatted(text: str) -> Draft:
    """Monospace; nothing in it is parsed, so commands can be copied as they are."""
    return Draft(kind=Kind.PREFORMATTED, text=plain(text).strip("\n"))


def context(text: Markup) -> Draft:
    return Draft(kind=Kind.CONTEXT, text=text)


VALUE_LIMIT = 2_000
"""Slack's bound on a button's value. What is named by one that does not fit gets no button."""


def actions(*buttons: Json) -> Draft:
    return Draft(kind=Kind.ACTIONS, elements=buttons)


def button(
    text: str, *, action_id: str, value: str, style: str | None = None, confirm: tuple[str, str, str, str] | None = None
) -> Json:
    """A button. ``confirm`` is (title, text, confirm, deny); ``style`` is primary or danger."""
    made: Json = {"type": "button", "text": _plain_text(text), "action_id": action_id, "value": value}
    if style is not None:
        made["style"] = style
    if confirm is not None:
        title, question, yes, no = confirm
        texts = {"title": title, "text": question, "confirm": yes, "deny": no}
        made["confirm"] = {name: _plain_text(value) for name, value in texts.items()}
    return made


def _plain_text(text: str) -> Json:
    return {"type": "plain_text", "text": text, "emoji": False}


def block(draft: Draft, limit: int) -> Json:
    """The block as Slack takes it, its text cut to ``limit``."""
    text = cut(draft.text, limit)
    if draft.kind is Kind.HEADER:
        return {"type": "header", "text": _plain_text(text)}
    if draft.kind is Kind.SECTION:
        made: Json = {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}, "expand": True}
        return {**made, "accessory": draft.elements[0]} if draft.elements else made
    if draft.kind is Kind.CONTEXT:
        return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}
    if draft.kind is Kind.ACTIONS:
        return {"type": "actions", "elements": list(draft.elements)}
    elements = [{"type": "text", "text": text}]
    return {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": elements, "border": 0}]}
