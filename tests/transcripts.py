"""The thread of each playbook as a user reads it, written into ``docs/transcripts``: ``make transcripts``.

Each is made by the whole program against a rehearsed fault, with real sockets; only the messages are turned from Slack's
form into Markdown, and the rehearsal's ports into usual ones. Nothing in them is written by hand.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bot.adapters.kubeconfig.access import from_kubeconfig
from bot.app import build_core, investigate_once
from bot.demo.scenarios import SCENARIOS, rehearse
from bot.model.base import Json
from bot.model.events import Trigger
from bot.model.investigation import Investigation
from bot.model.message import Message
from bot.model.target import Endpoint
from bot.render.thread import messages
from bot.settings import Settings

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "transcripts"
REHEARSED: Mapping[str, str] = {
    "cannot-access-api": "no-backend",
    "connection-refused": "refused",
    "network-connectivity": "certificate-expired",
    "tcp-timeouts": "tls-silent",
}
"""Which rehearsal's symptom selects which playbook."""

_EMOJI = {
    "white_check_mark": "✅",
    "x": "❌",
    "warning": "⚠️",
    "grey_question": "❔",
    "fast_forward": "⏩",
    "boom": "💥",
    "raised_hand": "✋",
    "dart": "🎯",
    "white_circle": "⚪",
    "hourglass_flowing_sand": "⏳",
    "stop_sign": "🛑",
    "point_left": "👈",
}


async def thread(playbook: str) -> tuple[Investigation, list[Message]]:
    """One rehearsal from the trigger to the end, and its thread as it then is. Usual ports stand for the rehearsal's."""
    scenario = SCENARIOS[REHEARSED[playbook]]
    core = build_core()
    async with rehearse(scenario) as rehearsal:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "kubeconfig"
            path.write_text(rehearsal.kubeconfig)
            access = from_kubeconfig(path, None, Settings())
            control = Endpoint(host="127.0.0.1", port=rehearsal.control_port)
            own = Endpoint(host="127.0.0.1", port=access.cluster.target.port)
            access = replace(access, cluster=access.cluster.model_copy(update={"controls": (control,), "nodes": (own,)}))
            trigger = Trigger(kind="command-line", who="ann")
            state = await investigate_once(core, access, trigger=trigger, on_event=lambda event, state: None)
    return state, messages(state, now=core.clock.now())


def page(playbook: str, state: Investigation, shown: Sequence[Message]) -> str:
    """The thread as Markdown."""
    scenario = SCENARIOS[REHEARSED[playbook]]
    port = state.opened.cluster.target.port
    controls = [control.port for control in state.opened.cluster.controls]
    head = (
        f"# {state.playbook.title if state.playbook else playbook}\n\n"
        f"The thread of `apidown demo {scenario.name}`: {scenario.title}. Written by `make transcripts`; "
        f"{len(shown)} messages, as they are when the investigation is over."
    )
    text = "\n\n".join([head, *(_message(message) for message in shown)]) + "\n"
    for own, usual in ((port, 6443), *((one, 443) for one in controls)):
        text = re.sub(rf"(?<![\d.]){own}(?!\d)", str(usual), text)
    return text


def _message(message: Message) -> str:
    also = ", shown in the channel too" if message.broadcast else ""
    return "\n\n".join([f"## `{message.key}`{also}", *(part for block in message.blocks for part in _block(block))])


def _block(block: Json) -> Iterator[str]:
    if block["type"] == "header":
        yield f"**{_plain(block['text']['text'])}**"
    elif block["type"] == "section":
        yield "\n".join(f"{line}  " if line else "" for line in _markdown(block["text"]["text"]).split("\n")).rstrip()
    elif block["type"] == "context":
        yield f"*{_markdown(block['elements'][0]['text']).strip()}*"
    elif block["type"] == "actions":
        yield " ".join(f"`[{_plain(element['text']['text'])}]`" for element in block["elements"])
    elif block["type"] == "rich_text":
        rows = "".join(part.get("text", "") for part in block["elements"][0]["elements"])
        yield f"```text\n{rows.rstrip()}\n```"
    else:
        yield f"*({block['type']})*"


def _plain(text: str) -> str:
    return re.sub(r":([a-z_]+):", lambda found: _EMOJI.get(found[1], found[0]), text)


def _markdown(text: str) -> str:
    """Slack's own markup as Markdown: times and people by their words, one star as two, entities as characters."""
    text = re.sub(r"<!date\^[^|>]*\|([^>]*)>", r"\1", text)
    text = re.sub(r"<(https?://[^|>]+)\|([^>]*)>", r"[\2](\1)", text)
    text = re.sub(r"(?<![\w*])\*([^*\n]+)\*(?![\w*])", r"**\1**", _plain(text))
    return text.replace("&lt;", "\\<").replace("&gt;", ">").replace("&amp;", "&")


async def write() -> None:
    FOLDER.mkdir(exist_ok=True)
    for playbook in REHEARSED:
        state, shown = await thread(playbook)
        (FOLDER / f"{playbook}.md").write_text(page(playbook, state, shown))


if __name__ == "__main__":
    asyncio.run(write())
