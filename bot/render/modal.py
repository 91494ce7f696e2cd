"""The one modal: what somebody found who looked at a manual step."""

from __future__ import annotations

import json

from bot.model.answer import LONGEST_NOTE
from bot.model.base import Json
from bot.model.message import Where
from bot.render.clean import shorten
from bot.render.slack_text import plain

FOUND_VIEW = "apidown.manual.found"
NOTE = "note"
SINCE = "since"
LONGEST_SINCE = 40

WRONG_TIME = "This is no time that has been. Type 30m, 14:05 (UTC) or 2026-11-20T14:05Z, or leave it empty."


def found_it(title: str, *, value: str, where: Where) -> Json:
    """The form: a note, and since when where that is known. ``value`` is the button's, ``where`` the place to answer in; both
    come back with what was typed."""
    return {
        "type": "modal",
        "callback_id": FOUND_VIEW,
        "private_metadata": json.dumps({"value": value, **where.model_dump(mode="json")}),
        "title": _text("What did you find?"),
        "submit": _text("Save"),
        "close": _text("Back"),
        "blocks": [
            {"type": "section", "text": _text(plain(shorten(f"The step is: {title}", 400)))},
            _input(
                NOTE,
                "What you saw",
                {"multiline": True, "max_length": LONGEST_NOTE, "focus_on_load": True},
                hint="It is quoted in the thread and the verdict. Secrets that are recognised are removed; paste none.",
            ),
            _input(
                SINCE,
                "Since when, if you can tell",
                {"max_length": LONGEST_SINCE, "placeholder": _text("30m, 14:05 or 2026-11-20T14:05Z")},
                hint="Times of day are UTC.",
                optional=True,
            ),
        ],
    }


def _input(name: str, label: str, more: Json, *, hint: str, optional: bool = False) -> Json:
    element = {"type": "plain_text_input", "action_id": name, **more}
    return {
        "type": "input",
        "block_id": name,
        "label": _text(label),
        "hint": _text(hint),
        "optional": optional,
        "element": element,
    }


def _text(text: str) -> Json:
    return {"type": "plain_text", "text": text, "emoji": False}
