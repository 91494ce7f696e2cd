"""A thread as text that a person would read: what a snapshot holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.model.base import Json
from bot.model.message import Message


def transcript(messages: Sequence[Message]) -> str:
    """Every message: its key, its fallback text, then its blocks with a mark for their kind."""
    return "\n".join("\n".join(_message(message)) for message in messages)


def _message(message: Message) -> Iterator[str]:
    yield f"=== {message.key}{' (also in the channel)' if message.broadcast else ''}"
    yield f"    fallback: {message.text}"
    for block in message.blocks:
        yield from _block(block)
    yield ""


def _block(block: Json) -> Iterator[str]:
    if block["type"] == "header":
        yield f"# {block['text']['text']}"
    elif block["type"] == "section":
        beside = f"  [{block['accessory']['text']['text']}]" if "accessory" in block else ""
        yield f"{block['text']['text']}{beside}"
    elif block["type"] == "context":
        yield f"~ {block['elements'][0]['text']}"
    elif block["type"] == "actions":
        yield " ".join(f"[{element['text']['text']}]" for element in block["elements"])
    else:
        yield from (f"| {row}".rstrip() for row in block["elements"][0]["elements"][0]["text"].split("\n"))
