"""Block Kit, checked as Slack checks it and in the few places where Slack is vague more strictly.

Only the blocks listed here are accepted. A block that the bot starts to use is added here first, from its documentation.
"""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.fakes.slack_server import limits
from tests.fakes.slack_server.schema import (
    Check,
    Report,
    array,
    at_least_one,
    boolean,
    both,
    exactly_one,
    integer,
    one_of,
    string,
    thing,
    typed,
)
from tests.fakes.slack_server.values import Json


def plain(most: int) -> Check:
    return typed({"plain_text": thing({"text": string(most)}, {"emoji": boolean})})


def any_text(most: int) -> Check:
    return typed(
        {
            "plain_text": thing({"text": string(most)}, {"emoji": boolean}),
            "mrkdwn": thing({"text": string(most)}, {"verbatim": boolean}),
        }
    )


_ACTION_ID = {"action_id": string(limits.ACTION_ID_MAX_LENGTH)}
_URL = string(limits.BUTTON_URL_MAX_LENGTH, pattern=r"^https?://[^\s<>|]+$")
_STYLE = one_of("primary", "danger")

_CONFIRM = thing(
    {
        "title": plain(limits.CONFIRMATION_TITLE_MAX_LENGTH),
        "text": any_text(limits.CONFIRMATION_TEXT_MAX_LENGTH),
        "confirm": plain(limits.CONFIRMATION_CONFIRM_MAX_LENGTH),
        "deny": plain(limits.CONFIRMATION_DENY_MAX_LENGTH),
    },
    {"style": _STYLE},
)


def _option(**more: Check) -> Check:
    required = {"text": any_text(limits.OPTION_TEXT_MAX_LENGTH), "value": string(limits.OPTION_VALUE_MAX_LENGTH)}
    return thing(required, {"description": any_text(limits.OPTION_DESCRIPTION_MAX_LENGTH), **more})


_BUTTON = thing(
    {"text": plain(limits.BUTTON_TEXT_MAX_LENGTH), **_ACTION_ID},
    {
        "value": string(limits.BUTTON_VALUE_MAX_LENGTH),
        "url": _URL,
        "style": _STYLE,
        "confirm": _CONFIRM,
        "accessibility_label": string(limits.BUTTON_ACCESSIBILITY_LABEL_MAX_LENGTH),
    },
)
_PLACEHOLDER = {"placeholder": plain(limits.SELECT_PLACEHOLDER_MAX_LENGTH), "confirm": _CONFIRM, "focus_on_load": boolean}


def _choice(most: int, initial: str, **more: Check) -> Check:
    options = array(_option(), most)
    start = _option() if initial == "initial_option" else array(_option(), most)
    return thing({**_ACTION_ID, "options": options}, {initial: start, "confirm": _CONFIRM, "focus_on_load": boolean, **more})


_SELECT = _choice(limits.SELECT_OPTIONS_MAX_ITEMS, "initial_option", placeholder=_PLACEHOLDER["placeholder"])
_MULTI_SELECT = _choice(
    limits.SELECT_OPTIONS_MAX_ITEMS,
    "initial_options",
    placeholder=_PLACEHOLDER["placeholder"],
    max_selected_items=integer(1),
)
_DAY = string(10, pattern=r"^\d{4}-\d{2}-\d{2}$")
_TIME = string(5, pattern=r"^([01]\d|2[0-3]):[0-5]\d$")

_CHOICES: dict[str, Check] = {
    "static_select": _SELECT,
    "multi_static_select": _MULTI_SELECT,
    "users_select": thing(_ACTION_ID, {**_PLACEHOLDER, "initial_user": string(20)}),
    "channels_select": thing(_ACTION_ID, {**_PLACEHOLDER, "initial_channel": string(20)}),
    "conversations_select": thing(_ACTION_ID, {**_PLACEHOLDER, "initial_conversation": string(20)}),
    "datepicker": thing(_ACTION_ID, {**_PLACEHOLDER, "initial_date": _DAY}),
    "timepicker": thing(_ACTION_ID, {**_PLACEHOLDER, "initial_time": _TIME, "timezone": string(60)}),
    "checkboxes": _choice(limits.CHECKBOXES_OPTIONS_MAX_ITEMS, "initial_options"),
    "radio_buttons": _choice(limits.RADIO_BUTTONS_OPTIONS_MAX_ITEMS, "initial_option"),
}
_OVERFLOW = thing({**_ACTION_ID, "options": array(_option(url=_URL), limits.OVERFLOW_OPTIONS_MAX_ITEMS)}, {"confirm": _CONFIRM})
_PRESSABLE: dict[str, Check] = {"button": _BUTTON, "overflow": _OVERFLOW, **_CHOICES}

_DISPATCH = thing({}, {"trigger_actions_on": array(one_of("on_enter_pressed", "on_character_entered"), 2)})
_TYPED_IN: dict[str, Check] = {
    "plain_text_input": thing(
        _ACTION_ID,
        {
            "initial_value": string(limits.PLAIN_TEXT_INPUT_MAX_LENGTH_MAX, 0),
            "multiline": boolean,
            "min_length": integer(0, limits.PLAIN_TEXT_INPUT_MAX_LENGTH_MAX),
            "max_length": integer(1, limits.PLAIN_TEXT_INPUT_MAX_LENGTH_MAX),
            "placeholder": plain(limits.PLAIN_TEXT_INPUT_PLACEHOLDER_MAX_LENGTH),
            "dispatch_action_config": _DISPATCH,
            "focus_on_load": boolean,
        },
    ),
    "number_input": thing({**_ACTION_ID, "is_decimal_allowed": boolean}, {**_PLACEHOLDER, "initial_value": string(40)}),
}

_SLACK_FILE = both(thing({}, {"id": string(40, pattern=r"^F[A-Z0-9]{8,}$"), "url": _URL}), exactly_one("id", "url"))
_PICTURE: dict[str, Check] = {
    "image_url": string(limits.IMAGE_IMAGE_URL_MAX_LENGTH, pattern=r"^https?://"),
    "slack_file": _SLACK_FILE,
}
_ALT = {"alt_text": string(limits.IMAGE_ALT_TEXT_MAX_LENGTH)}
_IMAGE_ELEMENT = both(thing(_ALT, _PICTURE), exactly_one("image_url", "slack_file"))

_TEXT_STYLE = thing({}, dict.fromkeys(("bold", "italic", "strike", "code", "underline"), boolean))
_STYLED = {"style": _TEXT_STYLE}
_LINK_PARTS = {"text": string(limits.TEXT_MAX_LENGTH), "unsafe": boolean}
_ANY_LENGTH = string(limits.MESSAGE_TEXT_MAX_LENGTH)
_SPANS: dict[str, Check] = {
    "text": thing({"text": _ANY_LENGTH}, _STYLED),
    "link": thing({"url": _URL}, {**_LINK_PARTS, **_STYLED}),
    "user": thing({"user_id": string(20)}, _STYLED),
    "channel": thing({"channel_id": string(20)}, _STYLED),
    "usergroup": thing({"usergroup_id": string(20)}, _STYLED),
    "emoji": thing({"name": string(100)}, {"unicode": string(100), **_STYLED}),
    "date": thing({"timestamp": integer(), "format": string(200)}, {"url": _URL, "fallback": string(200), **_STYLED}),
    "broadcast": thing({"range": one_of("here", "channel", "everyone")}, _STYLED),
}
_PLAIN_SPANS: dict[str, Check] = {"text": thing({"text": _ANY_LENGTH}), "link": thing({"url": _URL}, _LINK_PARTS)}
_RICH_SECTION = thing({"elements": array(typed(_SPANS), least=0)})
_BORDER = {"border": integer(0, 1)}
_RICH: dict[str, Check] = {
    "rich_text_section": _RICH_SECTION,
    "rich_text_quote": thing({"elements": array(typed(_SPANS))}, _BORDER),
    "rich_text_preformatted": thing({"elements": array(typed(_PLAIN_SPANS))}, _BORDER),
    "rich_text_list": thing(
        {"style": one_of("bullet", "ordered"), "elements": array(typed({"rich_text_section": _RICH_SECTION}))},
        {"indent": integer(0, limits.RICH_TEXT_LIST_INDENT_MAX), "offset": integer(), **_BORDER},
    ),
}
_RICH_BODY = array(typed(_RICH))


def _number(value: Any, at: str, report: Report) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        report.add(at, "must be a number")


_CELL = typed(
    {
        "raw_text": thing({"text": string(limits.TABLE_TOTAL_TEXT_MAX_LENGTH)}),
        "raw_number": thing({"value": _number, "text": string(200)}),
        "rich_text": thing({"elements": _RICH_BODY}),
    }
)


def _setting(value: Any, at: str, report: Report) -> None:
    if value is not None:
        thing({}, {"align": one_of("left", "center", "right"), "is_wrapped": boolean})(value, at, report)


def _block(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    return thing(required, {"block_id": string(limits.BLOCK_ID_MAX_LENGTH), **(optional or {})})


BLOCKS: dict[str, Check] = {
    "section": both(
        _block(
            {},
            {
                "text": any_text(limits.SECTION_TEXT_MAX_LENGTH),
                "fields": array(any_text(limits.SECTION_FIELDS_ITEM_MAX_LENGTH), limits.SECTION_FIELDS_MAX_ITEMS),
                "accessory": typed({**_PRESSABLE, "image": _IMAGE_ELEMENT}),
                "expand": boolean,
            },
        ),
        at_least_one("text", "fields"),
    ),
    "context": _block(
        {
            "elements": array(
                typed(
                    {
                        "image": _IMAGE_ELEMENT,
                        "plain_text": thing({"text": string(limits.TEXT_MAX_LENGTH)}, {"emoji": boolean}),
                        "mrkdwn": thing({"text": string(limits.TEXT_MAX_LENGTH)}, {"verbatim": boolean}),
                    }
                ),
                limits.CONTEXT_ELEMENTS_MAX_ITEMS,
            )
        }
    ),
    "header": _block({"text": plain(limits.HEADER_TEXT_MAX_LENGTH)}),
    "divider": _block({}),
    "actions": _block({"elements": array(typed(_PRESSABLE), limits.ACTIONS_ELEMENTS_MAX_ITEMS)}),
    "image": both(
        _block(_ALT, {**_PICTURE, "title": plain(limits.IMAGE_TITLE_MAX_LENGTH)}), exactly_one("image_url", "slack_file")
    ),
    "rich_text": _block({"elements": _RICH_BODY}),
    "table": _block(
        {"rows": array(array(_CELL, limits.TABLE_COLUMNS_MAX_ITEMS), limits.TABLE_ROWS_MAX_ITEMS)},
        {"column_settings": array(_setting, limits.TABLE_COLUMN_SETTINGS_MAX_ITEMS)},
    ),
    "markdown": _block({"text": string(limits.MARKDOWN_TEXT_MAX_LENGTH)}),
    "input": _block(
        {"label": plain(limits.INPUT_LABEL_MAX_LENGTH), "element": typed({**_TYPED_IN, **_CHOICES})},
        {"hint": plain(limits.INPUT_HINT_MAX_LENGTH), "optional": boolean, "dispatch_action": boolean},
    ),
}

_EVERYWHERE = frozenset({"section", "context", "header", "divider", "actions", "image", "rich_text", "input"})
SURFACES: dict[str, frozenset[str]] = {
    "message": _EVERYWHERE | {"table", "markdown"},
    "modal": _EVERYWHERE,
    "home": _EVERYWHERE | {"table"},
}
_MOST = {
    "message": limits.MESSAGE_BLOCKS_MAX_ITEMS,
    "modal": limits.VIEW_BLOCKS_MAX_ITEMS,
    "home": limits.VIEW_BLOCKS_MAX_ITEMS,
}


def check_blocks(blocks: Any, surface: str) -> list[str]:
    """What Slack would complain of, each complaint with its JSON pointer; empty when the blocks are good."""
    report = Report()
    array(typed({kind: BLOCKS[kind] for kind in SURFACES[surface]}), _MOST[surface], 0)(blocks, "/blocks", report)
    if not report.errors:
        _check_uniqueness(blocks, report)
        _check_totals(blocks, report)
    return report.errors


def _check_uniqueness(blocks: list[Json], report: Report) -> None:
    ids = Counter(block["block_id"] for block in blocks if "block_id" in block)
    for index, block in enumerate(blocks):
        if ids[block.get("block_id", "")] > 1:
            report.add(f"/blocks/{index}/block_id", f"`block_id` is not unique: {block['block_id']}")
        elements = block.get("elements", []) if block["type"] == "actions" else []
        actions = Counter(element["action_id"] for element in elements)
        for action, times in actions.items():
            if times > 1:
                report.add(f"/blocks/{index}/elements", f"`action_id` is not unique: {action}")


def _check_totals(blocks: list[Json], report: Report) -> None:
    if sum(len(block["text"]) for block in blocks if block["type"] == "markdown") > limits.MARKDOWN_TOTAL_TEXT_MAX_LENGTH:
        report.add("/blocks", f"markdown text must be less than {limits.MARKDOWN_TOTAL_TEXT_MAX_LENGTH + 1} characters in total")
    tables = [block for block in blocks if block["type"] == "table"]
    if len(tables) > limits.MESSAGE_TABLES_MAX_ITEMS:
        report.add("/blocks", "only_one_table_allowed")
    if sum(len(text) for table in tables for _, text in strings(table)) > limits.TABLE_TOTAL_TEXT_MAX_LENGTH:
        report.add("/blocks", f"table text must be less than {limits.TABLE_TOTAL_TEXT_MAX_LENGTH + 1} characters in total")


def check_view(view: Any) -> list[str]:
    """The same for a modal or a Home tab."""
    report = Report()
    if not isinstance(view, dict) or view.get("type") not in ("modal", "home"):
        report.add("/view/type", "must be one of: modal, home")
        return report.errors
    optional = {
        "private_metadata": string(limits.VIEW_PRIVATE_METADATA_MAX_LENGTH, 0),
        "callback_id": string(limits.VIEW_CALLBACK_ID_MAX_LENGTH),
        "external_id": string(limits.VIEW_EXTERNAL_ID_MAX_LENGTH),
    }
    required: dict[str, Check] = {"blocks": lambda value, at, report: None}
    if view["type"] == "modal":
        required["title"] = plain(limits.VIEW_TITLE_MAX_LENGTH)
        optional |= {
            "submit": plain(limits.VIEW_SUBMIT_MAX_LENGTH),
            "close": plain(limits.VIEW_CLOSE_MAX_LENGTH),
            "clear_on_close": boolean,
            "notify_on_close": boolean,
            "submit_disabled": boolean,
        }
    thing({"type": one_of("modal", "home"), **required}, optional)(view, "/view", report)
    blocks = view.get("blocks", [])
    report.errors += [error.replace("json-pointer:/", "json-pointer:/view/") for error in check_blocks(blocks, view["type"])]
    has_input = not report.errors and any(block["type"] == "input" for block in blocks)
    if has_input and view["type"] == "modal" and "submit" not in view:
        report.add("/view", "missing required field: submit")
    return report.errors


def view_size(view: Json) -> int:
    return len(json.dumps(view).encode())


def strings(value: Any, kind: str = "") -> Iterator[tuple[str, str]]:
    """Every text a reader sees, with the type of the object that holds it."""
    if isinstance(value, dict):
        kind = str(value.get("type", kind))
        for key, part in value.items():
            if key == "text" and isinstance(part, str):
                yield kind, part
            elif isinstance(part, (dict, list)):
                yield from strings(part, kind)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part, kind)


def rendered_length(blocks: list[Json]) -> int:
    """The size Slack holds against the whole message: text as escaped for the client, and a surcharge for each header."""
    size = limits.MESSAGE_HEADER_COST * sum(block["type"] == "header" for block in blocks)
    for kind, text in strings(blocks):
        shown = html.unescape(text) if kind in ("mrkdwn", "markdown") else text
        size += len(html.escape(shown, quote=False))
    return size


def slack_files(value: Any) -> Iterator[str]:
    """Ids of the uploads that image blocks show."""
    if isinstance(value, dict):
        if "slack_file" in value and isinstance(value["slack_file"], dict) and "id" in value["slack_file"]:
            yield value["slack_file"]["id"]
        for part in value.values():
            yield from slack_files(part)
    elif isinstance(value, list):
        for part in value:
            yield from slack_files(part)
