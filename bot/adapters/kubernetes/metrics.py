"""Reads metrics in the text form as they come in, and keeps a few sums of them.

The metrics of an API server have 2 MB when it is fresh and 50 MB when it is busy, most of it histograms by verb and
resource. So nothing is kept but the wanted families, summed up over the labels that nobody asked for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_MAX_LINE = 16_384
MAX_SERIES = 20_000
"""Of one reading: what a server invents cannot fill the memory."""


class Metrics:
    """Takes pieces of the text as they come. ``wanted`` maps a family to the labels that are kept, in this order."""

    def __init__(self, wanted: Mapping[str, tuple[str, ...]]) -> None:
        self._wanted = wanted
        names = "|".join(sorted((re.escape(name) for name in wanted), key=len, reverse=True))
        self._line = re.compile(rf"^({names})(?:\{{(.*)\}})?[ \t]+(\S+)(?:[ \t]+-?\d+)?[ \t]*\r?$")
        self._begins = tuple(name.encode() for name in wanted)
        self._rest = b""
        self._skipping = False
        self._series = 0
        self.samples: dict[str, dict[tuple[str, ...], float]] = {}
        self.size = 0
        self.complete = True

    def feed(self, piece: bytes) -> None:
        """The next piece, which may end anywhere."""
        self.size += len(piece)
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if self._skipping:
                self._skipping = False
            elif line.startswith(self._begins) and len(line) <= _MAX_LINE:
                self._take(line)
        if len(self._rest) > _MAX_LINE:
            self._rest, self._skipping = b"", True

    def end(self) -> None:
        """What stands after the last line break is a line, too."""
        self.feed(b"\n")

    def _take(self, line: bytes) -> None:
        found = self._line.match(line.decode("utf-8", "replace"))
        if found is None:
            return
        name, labels, number = found.groups()
        try:
            value = float(number)
        except ValueError:
            return
        if math.isnan(value):
            return
        given = dict(_LABEL.findall(labels or ""))
        key = tuple(_ESCAPE.sub(r"\1", given.get(label, "")) for label in self._wanted[name])
        family = self.samples.setdefault(name, {})
        if key not in family:
            if self._series >= MAX_SERIES:
                self.complete = False
                return
            self._series += 1
        family[key] = family.get(key, 0.0) + value
