"""Where each item of the source documents is in the product, read off playbooks, probes and causes: ``docs/coverage.md``.

What carries an item names it as its ``source``. Whether that is enough is judged by the item's marks, so that an item that a
probe can look at is never left to a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from bot.app import build_registry
from bot.model.playbook import Cause, CorrelationLine
from bot.playbook import Library, default_folder, load_library
from bot.registry import Registry
from tests.items import ITEMS, SHIPPED, Item

AUTOMATIC = "automatic"
IN_FORM = "automatic in form: nothing records changes yet"
LATER = "automatic with an agent or cloud: not yet"
MANUAL = "manual"
AGENT_MARKS = frozenset({"P node", "P in-cluster", "P cloud", "C cloud"})


class Carrier(NamedTuple):
    """One part that carries an item. ``kind`` is probe, by-hand, line, cause or key; ``needs`` are the ports of a probe."""

    kind: str
    place: str
    needs: tuple[str, ...] = ()
    is_complete: bool = True


def carriers(library: Library, registry: Registry) -> dict[str, list[Carrier]]:
    """For every item that anything names, what carries it."""
    found: dict[str, list[Carrier]] = {}
    for item, carrier in (*_of_playbooks(library, registry), *_of_causes(library)):
        found.setdefault(item, []).append(carrier)
    for item, path in SHIPPED.items():
        found.setdefault(item, []).append(
            Carrier("file", f"[{path}]({path.removeprefix('docs/') if path.startswith('docs/') else f'../{path}'})")
        )
    return found


def _of_playbooks(library: Library, registry: Registry) -> Iterator[tuple[str, Carrier]]:
    for playbook in library.playbooks.values():
        if playbook.source is not None:
            keys = {"select": "selects", "impact": "impact"}
            heads = {f"{playbook.source.document}/{item}": key for item, key in keys.items()}
            yield from ((item, Carrier("key", f"`{playbook.id}`: key `{key}`")) for item, key in heads.items() if item in ITEMS)
        for part in (*playbook.steps, *playbook.diagnosis, *playbook.otherwise):
            place = f"`{playbook.id}`: `{part.id}`"
            for item in part.source:
                if isinstance(part, CorrelationLine):
                    yield item, Carrier("line", f"{place} (diagnosis line)")
                elif part.probe is not None:
                    yield item, Carrier("probe", place, needs=registry.probes[part.probe].needs)
                else:
                    yield item, Carrier("by-hand", f"{place} (by hand)", is_complete=bool(part.run))


def _of_causes(library: Library) -> Iterator[tuple[str, Carrier]]:
    for cause in library.causes.values():
        for item in cause.source:
            yield item, Carrier("cause", f"cause `{cause.id}`", is_complete=_says_what_next(cause))


def _says_what_next(cause: Cause) -> bool:
    return any(step.run for step in cause.next)


def how(item: Item) -> str:
    """Who does it today: what a probe carries is automatic, and so is what comes with a cause's name. A diagnosis line has its
    form, and waits for recorded changes."""
    later = bool(AGENT_MARKS & set(item.marks))
    own = set(item.marks) - AGENT_MARKS - {"M", "agent"}
    if not own:
        return LATER if later else MANUAL
    today = IN_FORM if own == {"C"} else AUTOMATIC
    return f"{today}, more with an agent" if later else today


def gaps(name: str, carried: list[Carrier]) -> Iterator[str]:
    """What an item's marks ask for and nothing carries."""
    kinds = Counter(carrier.kind for carrier in carried)
    for mark in ITEMS[name].marks:
        if not _is_met(mark, carried, kinds):
            yield f"{name}: nothing carries its {mark!r}"
    yield from (f"{name}: {carrier.place} has no command" for carrier in carried if not carrier.is_complete)


def _is_met(mark: str, carried: list[Carrier], kinds: Mapping[str, int]) -> bool:
    if mark in ("P", "P api", "P metrics"):
        needed = {"P": None, "P api": {"api"}, "P metrics": {"api", "metrics"}}[mark]
        return any(one.kind == "probe" and (needed is None or needed & set(one.needs)) for one in carried)
    if mark in AGENT_MARKS - {"C cloud"} | {"M"}:
        return bool(kinds["by-hand"] or kinds["probe"])
    kind = {"C": "line", "C cloud": "line", "K": "cause", "D": "file", "select": "key", "shown": "key", "agent": "by-hand"}[mark]
    return bool(kinds[kind])


def rows() -> list[list[str]]:
    """The page's table: item, what it asks, who does it, what carries it."""
    found = carriers(load_library(default_folder(), registry := build_registry()), registry)
    return [
        [name, item.asks, how(item), ", ".join(dict.fromkeys(carrier.place for carrier in found.get(name, ())))]
        for name, item in ITEMS.items()
    ]


def totals() -> str:
    """How many items there are of each kind, in one line."""
    counted = Counter(how(item) for item in ITEMS.values())
    most_first = [f"{number} are {kind}" for kind, number in counted.most_common()]
    return f"Of {len(ITEMS)} items {'; '.join(most_first)}."
