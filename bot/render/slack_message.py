"""Messages within Slack's limits, by construction: whoever drafts blocks need not count.

The limits are ours and lie well below Slack's, some of which are not documented: a message that is refused is a verdict
that nobody reads. Headers, context and buttons are kept whole; the long texts share what is left, first come first served.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.model.base import Json
from bot.model.message import Message
from bot.render.slack_text import Draft, Kind, Markup, block, cost, cut, section

FALLBACK_LIMIT = 3_500
MESSAGE_LIMIT = 8_000
BLOCK_LIMIT = 12
LIMITS = {Kind.HEADER: 150, Kind.SECTION: 2_900, Kind.PREFORMATTED: 2_500, Kind.CONTEXT: 1_500, Kind.ACTIONS: 0}

# Below this a cut text says nothing but that it was cut.
_WORTH_SHOWING = 120
_LONG = frozenset({Kind.SECTION, Kind.PREFORMATTED})


def message(
    key: str,
    text: Markup,
    drafts: Iterable[Draft],
    *,
    broadcast: bool = False,
    terminal: bool = False,
    events: Sequence[str] = (),
    most_blocks: int = BLOCK_LIMIT,
) -> Message:
    """A message that Slack takes. ``text`` is the fallback and carries the state by itself."""
    return Message(
        key=key,
        text=cut(text, FALLBACK_LIMIT),
        blocks=tuple(_fitted([draft for draft in drafts if draft.text or draft.elements], most_blocks)),
        broadcast=broadcast,
        terminal=terminal,
        events=tuple(events),
    )


def _fitted(drafts: list[Draft], most: int) -> list[Json]:
    drafts, dropped = _few(drafts, most)
    note = section(Markup(f"… {dropped} more parts left out")) if dropped else None
    room = MESSAGE_LIMIT - sum(_wanted(draft) for draft in drafts if draft.kind not in _LONG) - 100
    blocks: list[Json] = []
    for draft in drafts:
        if draft.kind not in _LONG:
            if note is not None and draft.kind in (Kind.CONTEXT, Kind.ACTIONS):
                blocks.append(block(note, 100))
                note = None
            blocks.append(block(draft, LIMITS[draft.kind]))
            continue
        limit = min(LIMITS[draft.kind], room)
        if limit < _WORTH_SHOWING and cost(draft.text) > limit:
            note = section(Markup("… more left out"))
            continue
        made = block(draft, limit)
        room -= min(cost(draft.text), limit)
        blocks.append(made)
    if note is not None:
        blocks.append(block(note, 100))
    return blocks[:most]


def _few(drafts: list[Draft], most: int) -> tuple[list[Draft], int]:
    """At most one block fewer than the limit (the note needs a place); the last long ones go first."""
    surplus = max(len(drafts) - most, 0)
    if not surplus:
        return drafts, 0
    surplus += 1
    long = [index for index, draft in enumerate(drafts) if draft.kind in _LONG][-surplus:]
    return [draft for index, draft in enumerate(drafts) if index not in long], len(long)


def _wanted(draft: Draft) -> int:
    if draft.kind is Kind.ACTIONS:
        return sum(len(element["text"]["text"]) for element in draft.elements)
    return min(cost(draft.text), LIMITS[draft.kind])
