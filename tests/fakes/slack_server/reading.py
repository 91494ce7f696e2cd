"""Reading a message as a person and as a notification does: who is called out by it, and what its words are."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.fakes.slack_server.blocks import strings
from tests.fakes.slack_server.values import Json, Message

_BROADCAST = re.compile(
    r"<!(channel|here|everyone)\b[^>]*>|<!subteam\^(?P<group>\w+)[^>]*>|(?<![\w.@])@(channel|here|everyone)\b"
)
_TOKEN = re.compile(r"<([^<>]*)>")
Name = Callable[[str], str]


def broadcasts(text: str, blocks: Any, attachments: Any, allowed: set[str]) -> list[str]:
    """The mentions in this message that would notify a whole channel or group, wherever Slack parses mentions."""
    parsed = [text, *(part for kind, part in strings(blocks) if kind in ("mrkdwn", "markdown"))]
    for attachment in attachments or ():
        parsed += [str(attachment.get(key, "")) for key in ("fallback", "pretext", "title", "text", "footer")]
    found = [m.group(0) for part in parsed for m in _BROADCAST.finditer(part) if m.group("group") not in allowed]
    return found + [f"rich text broadcast {span}" for span in _rich_broadcasts(blocks)]


def _rich_broadcasts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if value.get("type") == "broadcast":
            yield value["range"]
        for part in value.values():
            yield from _rich_broadcasts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _rich_broadcasts(part)


def words(mrkdwn: str, name: Name) -> str:
    """mrkdwn with its control sequences resolved as a client shows them; bold, code and emoji marks stay."""
    return html.unescape(_TOKEN.sub(lambda match: _token(match.group(1), name), mrkdwn))


def _token(body: str, name: Name) -> str:
    target, _, label = body.partition("|")
    if target.startswith("@"):
        return f"@{name(target[1:])}"
    if target.startswith("#"):
        return f"#{name(target[1:])}"
    if target.startswith("!date^"):
        return label
    if target.startswith("!subteam^"):
        return f"@{name(target.removeprefix('!subteam^'))}"
    if target.startswith("!"):
        return f"@{target[1:]}"
    return f"{label} ({target})" if label else target


def transcript(messages: list[Message], name: Name) -> str:
    """A thread as text: the root, then its replies, indented."""
    lines: list[str] = []
    for message in messages:
        mark = "" if not message.is_reply else "> "
        also = " (also sent to the channel)" if message.broadcast else ""
        author = message.username or name(message.user or message.bot_id or "")
        body = message_lines(message, name)
        lines += [f"{mark}{author}{also}:", *(f"{mark}  {line}".rstrip() for line in body), ""]
    return "\n".join(lines).rstrip() + "\n"


def message_lines(message: Message, name: Name) -> list[str]:
    """The lines of one message: its blocks where it has any, else its text, then attachments, files and reactions."""
    lines: list[str] = []
    for block in message.blocks:
        lines += _block_lines(block, name)
    if not message.blocks:
        lines += words(message.text, name).splitlines()
    for attachment in message.attachments:
        lines += [f"| {attachment[key]}" for key in ("title", "text") if attachment.get(key)]
    lines += [f"[file {file['name']}: {file.get('alt_txt') or file.get('title', '')}]" for file in message.files]
    if message.reactions:
        lines.append(" ".join(f":{emoji}:" for emoji in message.reactions))
    return lines


def _text(value: Json, name: Name) -> str:
    return words(value["text"], name) if value["type"] == "mrkdwn" else value["text"]


def _block_lines(block: Json, name: Name) -> list[str]:
    match block["type"]:
        case "header":
            return [f"# {_text(block['text'], name)}"]
        case "divider":
            return ["---"]
        case "section":
            return _section_lines(block, name)
        case "context":
            parts = [
                f"[image: {part['alt_text']}]" if part["type"] == "image" else _text(part, name) for part in block["elements"]
            ]
            return [f"_{line}_" for line in " ".join(parts).splitlines()]
        case "actions":
            return [" ".join(_element(element, name) for element in block["elements"])]
        case "image":
            title = f"{block['title']['text']}: " if "title" in block else ""
            return [f"[image: {title}{block['alt_text']}]"]
        case "markdown":
            return block["text"].splitlines()
        case "rich_text":
            return _rich_lines(block, name)
        case "table":
            return ["| " + " | ".join(_cell(cell, name) for cell in row) + " |" for row in block["rows"]]
        case "input":
            return [f"{block['label']['text']}: {_element(block['element'], name)}"]
    return [f"[{block['type']}]"]


def _section_lines(block: Json, name: Name) -> list[str]:
    lines = _text(block["text"], name).splitlines() if "text" in block else []
    for item in block.get("fields", []):
        lines.append(": ".join(_text(item, name).splitlines()))
    if "accessory" in block:
        lines.append(_element(block["accessory"], name))
    return lines


def _element(element: Json, name: Name) -> str:
    if element["type"] == "image":
        return f"[image: {element['alt_text']}]"
    label = element.get("text") or element.get("placeholder")
    options = "/".join(_text(option["text"], name) for option in element.get("options", []))
    return f"[{_text(label, name) if label else options or element['type']}]"


def _rich_lines(block: Json, name: Name) -> list[str]:
    lines: list[str] = []
    for part in block["elements"]:
        if part["type"] == "rich_text_list":
            for number, item in enumerate(part["elements"], 1):
                mark = f"{number}. " if part["style"] == "ordered" else "- "
                lines.append("  " * part.get("indent", 0) + mark + _spans(item["elements"], name))
            continue
        mark = {"rich_text_preformatted": "    ", "rich_text_quote": "> "}.get(part["type"], "")
        lines += [mark + line for line in _spans(part["elements"], name).splitlines()]
    return lines


def _spans(spans: list[Json], name: Name) -> str:
    return "".join(_span(span, name) for span in spans)


def _span(span: Json, name: Name) -> str:
    match span["type"]:
        case "text":
            return _styled(span["text"], span.get("style", {}))
        case "link":
            return f"{span['text']} ({span['url']})" if "text" in span else span["url"]
        case "user" | "channel" | "usergroup":
            mark = "#" if span["type"] == "channel" else "@"
            return mark + name(span[f"{span['type']}_id"])
        case "emoji":
            return f":{span['name']}:"
        case "date":
            return span.get("fallback", str(span["timestamp"]))
    return f"@{span['range']}"


def _styled(text: str, style: Json) -> str:
    for key, mark in (("code", "`"), ("strike", "~"), ("italic", "_"), ("bold", "*")):
        text = f"{mark}{text}{mark}" if style.get(key) else text
    return text


def _cell(cell: Json, name: Name) -> str:
    return " ".join(_rich_lines(cell, name)) if cell["type"] == "rich_text" else cell["text"]
