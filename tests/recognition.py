"""How well pasted texts are recognised: ``python -m tests.recognition``, over the texts in $APIDOWN_CORPUS, a file or a folder
that has ``pasted-errors.jsonl``.

The file has one JSON object a line: ``text``, the ``playbook`` that is right (or ``none``) with its ``playbook_alternates``, the
``layer`` that failed, and ``hard_negative`` for what looks alike and is about something else. None of it is part of this
repository.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.model.recognised import Recognised
from bot.recognise.pasted import recognise

ENOUGH = 0.9
IN_FOLDER = "pasted-errors.jsonl"
_SHOWN = 160


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One text of the corpus with what was made of it."""

    text: str
    layer: str
    wanted: tuple[str, ...]
    hard_negative: bool
    seen: Recognised

    @property
    def is_right(self) -> bool:
        return (self.seen.playbook or "none") in self.wanted


def corpus_lines(named: str) -> list[str]:
    """The lines of the corpus at this path, a file's or a folder's. Raises FileNotFoundError in words for a person."""
    path = Path(named)
    if path.is_dir():
        path = path / IN_FOLDER
    if not path.is_file():
        raise FileNotFoundError(f"APIDOWN_CORPUS names {named}, and there is no file {path}")
    return [line for line in path.read_text().splitlines() if line.strip()]


def judge(lines: Iterable[str]) -> list[Judged]:
    judged = []
    for row in map(json.loads, lines):
        wanted = (row["playbook"], *(row.get("playbook_alternates") or ()))
        judged.append(
            Judged(
                text=row["text"],
                layer=row.get("layer") or "?",
                wanted=wanted,
                hard_negative=bool(row.get("hard_negative")),
                seen=recognise(row["text"]),
            )
        )
    return judged


def share(judged: Sequence[Judged]) -> float:
    return sum(each.is_right for each in judged) / len(judged) if judged else 1.0


def about_api(judged: Sequence[Judged]) -> list[Judged]:
    return [each for each in judged if not each.hard_negative]


def hard_negatives(judged: Sequence[Judged]) -> list[Judged]:
    return [each for each in judged if each.hard_negative]


def report(judged: Sequence[Judged]) -> str:
    layers = defaultdict(list)
    for each in judged:
        layers[each.layer].append(each)
    kinds = (("all texts", judged), ("about the API server", about_api(judged)), ("hard negatives", hard_negatives(judged)))
    rows = [f"{name:<24} {sum(each.is_right for each in some):>4} of {len(some):>4}  {share(some):7.1%}" for name, some in kinds]
    rows += [
        "",
        *(f"  {layer:<22} {sum(e.is_right for e in some):>4} of {len(some):>4}" for layer, some in sorted(layers.items())),
    ]
    for each in judged:
        if not each.is_right:
            said = " ".join(each.text.split())[:_SHOWN]
            rows += [
                "",
                f"wrong: {each.seen.playbook or 'none'}, right: {' or '.join(each.wanted)}",
                f"  {said}",
                f"  {each.seen.why}",
            ]
    return "\n".join(rows)


def main() -> int:
    corpus = os.environ.get("APIDOWN_CORPUS")
    if not corpus:
        print("APIDOWN_CORPUS is not set\n  Next: APIDOWN_CORPUS=FILE_OR_FOLDER make recognition", file=sys.stderr)
        return 3
    try:
        judged = judge(corpus_lines(corpus))
    except FileNotFoundError as error:
        print(f"{error}\n  Next: APIDOWN_CORPUS=FILE_OR_FOLDER make recognition", file=sys.stderr)
        return 3
    print(report(judged))
    return 0 if min(share(about_api(judged)), share(hard_negatives(judged))) >= ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
