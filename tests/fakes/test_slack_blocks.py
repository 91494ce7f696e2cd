"""Block Kit in the fake: each limit just inside and just outside, against a second, independent table and validator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import slackblocks
from slack_sdk.errors import SlackApiError
from slack_sdk.models import blocks as models
from slack_sdk.web.async_client import AsyncWebClient
from slackblocks import _limits, _surfaces

from tests.fakes.slack import FakeSlack
from tests.fakes.slack_server import limits
from tests.fakes.slack_server.blocks import BLOCKS, SURFACES, check_blocks, check_view

Json = dict[str, Any]


def plain(length: int) -> Json:
    return {"type": "plain_text", "text": "x" * length}


def mrkdwn(length: int) -> Json:
    return {"type": "mrkdwn", "text": "x" * length}


def button(number: int = 0, **more: Any) -> Json:
    return {"type": "button", "action_id": f"a{number}", "text": plain(5), **more}


def confirm(**more: Any) -> Json:
    texts = {"title": plain(5), "text": mrkdwn(5), "confirm": plain(5), "deny": plain(5)}
    return {"type": "actions", "elements": [button(confirm={**texts, **more})]}


def actions(element: Json) -> Json:
    return {"type": "actions", "elements": [element]}


def option(text: int = 1, value: int = 1) -> Json:
    return {"text": plain(text), "value": "v" * value}


def select(options: list[Json]) -> Json:
    return actions({"type": "static_select", "action_id": "a", "options": options})


def rich(*elements: Json) -> Json:
    return {"type": "rich_text", "elements": list(elements)}


def pre(text: str) -> Json:
    return {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}], "border": 0}


def bullets(**more: Any) -> Json:
    item = {"type": "rich_text_section", "elements": [{"type": "text", "text": "x", "style": {"bold": True}}]}
    return {"type": "rich_text_list", "style": "bullet", "elements": [item], **more}


def table(rows: int, columns: int, text: int = 1) -> Json:
    return {"type": "table", "rows": [[{"type": "raw_text", "text": "x" * text}] * columns] * rows}


def image(**more: Any) -> Json:
    return {"type": "image", "image_url": "https://r.example/x.png", "alt_text": "x", **more}


def field(element: Json, **more: Any) -> Json:
    return {"type": "input", "label": plain(5), "element": {"action_id": "a", **element}, **more}


LENGTHS: dict[str, tuple[Callable[[int], Json], int]] = {
    "section text": (lambda n: {"type": "section", "text": mrkdwn(n)}, limits.SECTION_TEXT_MAX_LENGTH),
    "section fields": (lambda n: {"type": "section", "fields": [mrkdwn(1)] * n}, limits.SECTION_FIELDS_MAX_ITEMS),
    "section field": (lambda n: {"type": "section", "fields": [mrkdwn(n)]}, limits.SECTION_FIELDS_ITEM_MAX_LENGTH),
    "context elements": (lambda n: {"type": "context", "elements": [mrkdwn(1)] * n}, limits.CONTEXT_ELEMENTS_MAX_ITEMS),
    "context text": (lambda n: {"type": "context", "elements": [mrkdwn(n)]}, limits.TEXT_MAX_LENGTH),
    "header": (lambda n: {"type": "header", "text": plain(n)}, limits.HEADER_TEXT_MAX_LENGTH),
    "block_id": (lambda n: {"type": "divider", "block_id": "x" * n}, limits.BLOCK_ID_MAX_LENGTH),
    "actions": (lambda n: {"type": "actions", "elements": [button(i) for i in range(n)]}, limits.ACTIONS_ELEMENTS_MAX_ITEMS),
    "button text": (lambda n: actions(button(text=plain(n))), limits.BUTTON_TEXT_MAX_LENGTH),
    "button value": (lambda n: actions(button(value="x" * n)), limits.BUTTON_VALUE_MAX_LENGTH),
    "button action_id": (lambda n: actions({**button(), "action_id": "x" * n}), limits.ACTION_ID_MAX_LENGTH),
    "button url": (lambda n: actions(button(url="https://" + "x" * (n - 8))), limits.BUTTON_URL_MAX_LENGTH),
    "button label": (lambda n: actions(button(accessibility_label="x" * n)), limits.BUTTON_ACCESSIBILITY_LABEL_MAX_LENGTH),
    "confirm title": (lambda n: confirm(title=plain(n)), limits.CONFIRMATION_TITLE_MAX_LENGTH),
    "confirm text": (lambda n: confirm(text=mrkdwn(n)), limits.CONFIRMATION_TEXT_MAX_LENGTH),
    "confirm confirm": (lambda n: confirm(confirm=plain(n)), limits.CONFIRMATION_CONFIRM_MAX_LENGTH),
    "confirm deny": (lambda n: confirm(deny=plain(n)), limits.CONFIRMATION_DENY_MAX_LENGTH),
    "select options": (lambda n: select([option()] * n), limits.SELECT_OPTIONS_MAX_ITEMS),
    "option text": (lambda n: select([option(text=n)]), limits.OPTION_TEXT_MAX_LENGTH),
    "option value": (lambda n: select([option(value=n)]), limits.OPTION_VALUE_MAX_LENGTH),
    "overflow options": (
        lambda n: actions({"type": "overflow", "action_id": "a", "options": [option()] * n}),
        limits.OVERFLOW_OPTIONS_MAX_ITEMS,
    ),
    "image url": (lambda n: image(image_url="https://" + "x" * (n - 8)), limits.IMAGE_IMAGE_URL_MAX_LENGTH),
    "image alt text": (lambda n: image(alt_text="x" * n), limits.IMAGE_ALT_TEXT_MAX_LENGTH),
    "image title": (lambda n: image(title=plain(n)), limits.IMAGE_TITLE_MAX_LENGTH),
    "list indent": (lambda n: rich(bullets(indent=n)), limits.RICH_TEXT_LIST_INDENT_MAX),
    "table rows": (lambda n: table(n, 1), limits.TABLE_ROWS_MAX_ITEMS),
    "table columns": (lambda n: table(1, n), limits.TABLE_COLUMNS_MAX_ITEMS),
    "table text": (lambda n: table(1, 1, n), limits.TABLE_TOTAL_TEXT_MAX_LENGTH),
    "markdown": (lambda n: {"type": "markdown", "text": "x" * n}, limits.MARKDOWN_TEXT_MAX_LENGTH),
    "input label": (lambda n: field({"type": "plain_text_input"}, label=plain(n)), limits.INPUT_LABEL_MAX_LENGTH),
    "input hint": (lambda n: field({"type": "plain_text_input"}, hint=plain(n)), limits.INPUT_HINT_MAX_LENGTH),
    "input max_length": (lambda n: field({"type": "plain_text_input", "max_length": n}), limits.PLAIN_TEXT_INPUT_MAX_LENGTH_MAX),
}


@pytest.mark.parametrize("name", LENGTHS)
def test_a_limit_holds_and_one_more_is_refused(name: str) -> None:
    build, most = LENGTHS[name]
    assert check_blocks([build(most)], "message") == []
    assert len(check_blocks([build(most + 1)], "message")) >= 1


WRONG: dict[str, Json] = {
    "unknown block": {"type": "video", "title": plain(1)},
    "no type": {"text": plain(1)},
    "unknown key": {"type": "divider", "color": "red"},
    "section without text": {"type": "section"},
    "empty text": {"type": "section", "text": mrkdwn(0)},
    "mrkdwn header": {"type": "header", "text": mrkdwn(5)},
    "mrkdwn button": actions(button(text=mrkdwn(5))),
    "emoji on mrkdwn": {"type": "section", "text": {**mrkdwn(5), "emoji": True}},
    "button without action_id": actions({"type": "button", "text": plain(5)}),
    "button style": actions(button(style="default")),
    "button url scheme": actions(button(url="javascript:alert(1)")),
    "two action_ids": {"type": "actions", "elements": [button(1), button(1)]},
    "no elements": {"type": "actions", "elements": []},
    "incomplete confirm": actions(button(confirm={"title": plain(5)})),
    "image without alt": {"type": "image", "image_url": "https://r.example/x.png"},
    "image from two places": image(slack_file={"id": "F012345678"}),
    "bad file id": {"type": "image", "slack_file": {"id": "f1"}, "alt_text": "x"},
    "alert in a message": {"type": "alert", "text": plain(5)},
    "style in preformatted": rich({**pre("x"), "elements": [{"type": "text", "text": "x", "style": {"bold": True}}]}),
    "empty preformatted text": rich(pre("")),
    "list of texts": rich({"type": "rich_text_list", "style": "bullet", "elements": [{"type": "text", "text": "x"}]}),
    "empty cell": table(1, 1, 0),
    "raw_number without text": {"type": "table", "rows": [[{"type": "raw_number", "value": 1}]]},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_block_is_refused(name: str) -> None:
    assert check_blocks([WRONG[name]], "message") != []


def test_good_blocks_of_every_kind_pass() -> None:
    quote = {"type": "rich_text_quote", "elements": [{"type": "link", "url": "https://r.example", "text": "r"}]}
    section = {"type": "section", "text": mrkdwn(5), "accessory": button(9), "expand": True}
    number = {"type": "raw_number", "value": 1.5, "text": "1.5"}
    blocks = [
        section,
        {"type": "context", "elements": [{"type": "image", "image_url": "https://r.example/x.png", "alt_text": "x"}, mrkdwn(1)]},
        {"type": "header", "text": {**plain(5), "emoji": True}},
        {"type": "divider", "block_id": "d"},
        confirm(style="danger"),
        image(title=plain(5)),
        rich(pre("log line"), bullets(), quote),
        {"type": "table", "rows": [[number]], "column_settings": [{"align": "right"}, None]},
        {"type": "markdown", "text": "# x"},
        field({"type": "plain_text_input", "multiline": True}),
    ]
    assert {block["type"] for block in blocks} == set(BLOCKS)
    assert check_blocks(blocks, "message") == []


def test_a_messages_totals_are_checked() -> None:
    assert check_blocks([{"type": "divider"}] * 50, "message") == []
    assert check_blocks([{"type": "divider"}] * 51, "message") == ["no more than 50 items allowed [json-pointer:/blocks]"]
    assert check_blocks([{"type": "divider"}] * 100, "modal") == []
    assert check_blocks([{"type": "markdown", "text": "x" * 6001}] * 2, "message") != []
    assert check_blocks([table(1, 1)] * 2, "message") == ["only_one_table_allowed [json-pointer:/blocks]"]
    assert len(check_blocks([{"type": "divider", "block_id": "same"}] * 2, "message")) == 2


def test_views_are_checked() -> None:
    modal = {"type": "modal", "title": plain(24), "close": plain(24), "blocks": [], "private_metadata": "x" * 3000}
    question = [field({"type": "plain_text_input"})]
    assert check_view(modal) == []
    assert check_view({**modal, "title": plain(25)}) == ["must be less than 25 characters [json-pointer:/view/title/text]"]
    assert check_view({**modal, "private_metadata": "x" * 3001}) != []
    assert check_view({**modal, "blocks": question}) == ["missing required field: submit [json-pointer:/view]"]
    assert check_view({**modal, "blocks": question, "submit": plain(24)}) == []
    assert check_view({**modal, "blocks": [{"type": "markdown", "text": "x"}]}) != []
    assert check_view({"type": "home", "blocks": [table(1, 1)]}) == []
    assert check_view({"type": "home", "blocks": [], "title": plain(1)}) != []


async def test_the_refusal_names_the_place(slack: FakeSlack, client: AsyncWebClient) -> None:
    blocks = [{"type": "divider"}, {"type": "section", "text": mrkdwn(3001)}]
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=slack.incidents, text="x", blocks=blocks)
    body = caught.value.response
    complaint = "must be less than 3001 characters [json-pointer:/blocks/1/text/text]"
    assert (body.status_code, body["error"], body["errors"]) == (200, "invalid_blocks", [complaint])
    assert body["response_metadata"]["messages"] == [f"[ERROR] {complaint}"]
    assert slack.roots(slack.incidents) == []


async def test_the_whole_message_has_a_size(slack: FakeSlack, client: AsyncWebClient) -> None:
    section = {"type": "section", "text": mrkdwn(3000)}
    header = {"type": "header", "text": plain(100)}
    await client.chat_postMessage(channel=slack.incidents, text="x", blocks=[section] * 4 + [header] * 6)
    log = rich(pre("&" * 2641))
    for blocks in ([section] * 4 + [header] * 7, [log]):
        with pytest.raises(SlackApiError) as caught:
            await client.chat_postMessage(channel=slack.incidents, text="x", blocks=blocks)
        assert caught.value.response["error"] == "msg_blocks_too_long"


def test_the_limits_are_those_of_an_independent_table() -> None:
    shared = {name for name in vars(limits) if name.isupper() and hasattr(_limits, name)}
    different = {name for name in shared if getattr(limits, name) != getattr(_limits, name)}
    assert different == set()
    assert len(shared) >= 45


def test_the_surfaces_are_those_of_an_independent_table() -> None:
    for surface, kinds in SURFACES.items():
        assert kinds <= _surfaces._BLOCK_TYPES_BY_SURFACE[surface]
        beyond = _surfaces._BLOCK_TYPES_BY_SURFACE[surface] - kinds
        assert beyond.isdisjoint(BLOCKS), f"{surface} also shows {beyond & set(BLOCKS)}"


@pytest.mark.parametrize("name", [name for name in LENGTHS if name.split()[0] in ("section", "context", "header", "markdown")])
def test_an_independent_validator_agrees_at_each_limit(name: str) -> None:
    build, most = LENGTHS[name]
    assert slackblocks.Block.from_dict(build(most))
    with pytest.raises(slackblocks.InvalidUsageError):
        slackblocks.Block.from_dict(build(most + 1))


def test_the_sdks_models_agree_at_their_limits() -> None:
    fits = models.SectionBlock(text="x" * limits.SECTION_TEXT_MAX_LENGTH)
    assert check_blocks([fits.to_dict()], "message") == []
    assert models.SectionBlock.text_max_length == limits.SECTION_TEXT_MAX_LENGTH
    assert models.SectionBlock.fields_max_length == limits.SECTION_FIELDS_MAX_ITEMS
    assert models.ActionsBlock.elements_max_length == limits.ACTIONS_ELEMENTS_MAX_ITEMS
    assert models.ContextBlock.elements_max_length == limits.CONTEXT_ELEMENTS_MAX_ITEMS
    assert models.HeaderBlock.text_max_length == limits.HEADER_TEXT_MAX_LENGTH
    assert models.ImageBlock.alt_text_max_length == limits.IMAGE_ALT_TEXT_MAX_LENGTH
