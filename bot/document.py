"""YAML that knows where everything is, so that a mistake is shown in the reader's own file, with the right key beside it.

On-call engineers edit these files under pressure. So every mistake of a file is reported at once, each with
``file:line:column``, the line itself with a caret, and the nearest right thing. Only plain data is made: no tags, no
objects. Scalars mean what YAML 1.2 says: ``true`` and ``false`` are the only booleans (``on``, ``off``, ``yes``, ``no`` are
text), ``1:30`` is text, and ``012`` is refused because readers disagree about it. Files are bounded in size, depth and in
what their aliases expand to.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from bot.errors import ConfigError
from bot.redact import Redactor

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 40
MAX_NODES = 50_000
_MAX_SHOWN = 50
_MAX_LINE = 160

Loc: TypeAlias = tuple[str | int, ...]
"""A place in a document: mapping keys and list indexes from the top. ``()`` is the whole document."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NEWLINE = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_OTHER_BASE = re.compile(r"0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_LEADING_ZERO = re.compile(r"([-+]?)0+([0-9]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_SYNTAX = (
    (
        "mapping values are not allowed",
        ("this line does not fit here", "check its indentation, and quote text that contains ': '"),
    ),
    ("cannot start any token", ("text cannot start with this character", "quote the text")),
    ("expected ',' or", ("this does not fit inside the brackets", "quote text that contains { } [ ] or ','")),
    ("expected node content", ("a value is missing here, or a bracket is not closed", "")),
    ("expected the node content", ("a value is missing here, or a bracket is not closed", "")),
    ("unexpected end of stream", ("a quote is not closed", "")),
)
"""The parser's commonest words for a mistake (with and without libyaml), and ours."""
_STR_TAGS = frozenset({None, "!", "tag:yaml.org,2002:str"})


@dataclass(frozen=True, kw_only=True, order=True)
class Position:
    """A place a person can go to. Line and column count from 1; line 0 means the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake: where, what is wrong, the nearest right thing as a sentence, and the line it is in."""

    where: Position
    what: str
    nearest: str = ""
    excerpt: str = ""

    @property
    def headline(self) -> str:
        """``file:line:column: what``, and nothing of the file's content beside what ``what`` quotes."""
        return f"{self.where}: {self.what}"

    def __str__(self) -> str:
        lines = [self.headline]
        if self.excerpt:
            lines += [f"    {self.excerpt}", "    " + " " * (self.where.column - 1) + "^"]
        if self.nearest:
            lines.append(f"  {self.nearest}")
        return "\n".join(lines)


class DocumentErrors(ConfigError):
    """All mistakes of all files that were read together, in the order of the files and lines. ``next`` is for all of them."""

    def __init__(self, problems: Iterable[Problem], *, next: str = "") -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.where))
        first = self.problems[0]
        super().__init__(first.what, where=str(first.where), nearest=first.nearest, next=next)

    def __str__(self) -> str:
        shown = [str(problem) for problem in self.problems[:_MAX_SHOWN]]
        hidden = len(self.problems) - len(shown)
        more = [f"… and {hidden} more"] if hidden else []
        return "\n".join([*shown, *more, *([f"  Next: {self.next}"] if self.next else [])])


@dataclass(frozen=True, kw_only=True)
class Document:
    """Plain data with the place of every key and value. ``problems`` are mistakes that did not stop the reading."""

    name: str
    data: Any
    problems: tuple[Problem, ...] = ()
    private: bool = False
    _lines: tuple[str, ...] = field(default=(), repr=False)
    _values: dict[Loc, Position] = field(default_factory=dict, repr=False)
    _keys: dict[Loc, Position] = field(default_factory=dict, repr=False)

    def where(self, loc: Loc) -> Position:
        """Where the value at ``loc`` starts; for a place that is not there, the nearest one above it. What stands alone where a
        list is wanted is that list's first entry."""
        loc = self._written(loc)
        for length in range(len(loc), -1, -1):
            if position := self._values.get(loc[:length]):
                return position
        return Position(file=self.name, line=1, column=1)

    def where_key(self, loc: Loc) -> Position:
        """Where the key of the mapping entry at ``loc`` stands; where the value starts, if it has no key."""
        return self._keys.get(self._written(loc)) or self.where(loc)

    def _written(self, loc: Loc) -> Loc:
        """The place as it is written: a single value has no index."""
        current: Any = self.data
        written = list[str | int]()
        for part in loc:
            if isinstance(part, int) and part == 0 and isinstance(current, dict):
                continue
            written.append(part)
            inside = current.get(part) if isinstance(current, dict) else None
            current = dict(enumerate(current)).get(part) if isinstance(current, list) else inside
        return tuple(written)

    def problem(self, where: Position, what: str, nearest: str = "") -> Problem:
        """A problem with its source line. A private document's lines are not shown, and secrets never are."""
        return _problem(self._lines, where, what, nearest, private=self.private)


def did_you_mean(wrong: str, right: Iterable[str]) -> str:
    """``did you mean 'x'?``, or nothing when nothing is near."""
    close = get_close_matches(wrong, list(right), n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else ""


def load(source: Path | str | bytes, name: str | None = None, *, private: bool = False) -> Document:
    """The document of a file (``Path``) or of text; raises DocumentErrors with everything that is wrong with it.

    ``name`` is what the file is called in messages. The lines of a ``private`` document are in no message.
    """
    document = read(source, name, private=private)
    if document.problems:
        raise DocumentErrors(document.problems)
    return document


def read(source: Path | str | bytes, name: str | None = None, *, private: bool = False) -> Document:
    """As ``load``, but mistakes that leave the rest readable (a key given twice) are kept in ``problems``, so that they can
    be reported together with what is wrong in the content. Raises DocumentErrors when there is nothing to go on with."""
    name = name or (str(source) if isinstance(source, Path) else "<text>")
    text = _text(source, name)
    lines = tuple(_NEWLINE.split(text))
    if bad := _UNPRINTABLE.search(text):
        before = _NEWLINE.split(text[: bad.start()])
        where = Position(file=name, line=len(before), column=len(before[-1]) + 1)
        raise DocumentErrors([Problem(where=where, what=f"the character U+{ord(bad.group()):04X} cannot be in a YAML file")])
    builder = _Builder(name, text, lines, private)
    data = builder.document()
    return Document(
        name=name,
        data=data,
        problems=tuple(builder.problems),
        private=private,
        _lines=lines,
        _values=builder.values,
        _keys=builder.keys,
    )


def _text(source: Path | str | bytes, name: str) -> str:
    whole = Position(file=name)
    if isinstance(source, str):
        content, size = source.removeprefix("\ufeff"), len(source)
    else:
        try:
            data = source if isinstance(source, bytes) else _bytes(source)
            content, size = data.decode("utf-8-sig"), len(data)
        except UnicodeDecodeError as error:
            raise DocumentErrors([Problem(where=whole, what=f"this is not UTF-8 text (byte {error.start})")]) from error
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise DocumentErrors([Problem(where=whole, what=f"the file cannot be read: {reason}")]) from error
    if size > MAX_BYTES:
        raise DocumentErrors([Problem(where=whole, what=f"the file is larger than {MAX_BYTES // 1024} KiB")])
    return content


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _problem(lines: tuple[str, ...], where: Position, what: str, nearest: str, *, private: bool) -> Problem:
    redact = Redactor().text
    text = lines[where.line - 1].replace("\t", " ") if 0 < where.line <= len(lines) else ""
    shown = redact(text).rstrip()
    # Where redaction moved the caret's column, or the line is too long to show, the line would mislead.
    before = text[: where.column - 1]
    usable = not private and shown and len(shown) <= _MAX_LINE and shown.ljust(len(before)).startswith(before)
    return Problem(where=where, what=redact(what), nearest=redact(nearest), excerpt=shown if usable else "")


class _Builder:
    """Turns the parser's events into data and positions. Depth and size are checked while it goes, so that nothing large
    is ever built."""

    def __init__(self, name: str, text: str, lines: tuple[str, ...], private: bool) -> None:
        self.name = name
        self.lines = lines
        self.private = private
        self.values: dict[Loc, Position] = {}
        self.keys: dict[Loc, Position] = {}
        self.problems: list[Problem] = []
        self._anchors: dict[str, tuple[Any, int] | None] = {}
        self._events = self._parse(text)
        self._nodes = 0

    def document(self) -> Any:
        data = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._stop(event, "a second document starts here; a file holds one")
                data = self._node(next(self._events), (), 0)
        return data

    def _parse(self, text: str) -> Iterator[Any]:
        try:
            yield from yaml.parse(text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            raise DocumentErrors([*self.problems, self._syntax(error)]) from error
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            # The pure Python scanner lets an impossible \U escape through as a ValueError.
            raise DocumentErrors([Problem(where=Position(file=self.name), what="this is not YAML")]) from error

    def _syntax(self, error: yaml.MarkedYAMLError) -> Problem:
        open_quote = "quoted scalar" in str(error.context)
        mark = error.context_mark if open_quote else error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        if line >= len(self.lines):
            line, column = len(self.lines) - 1, len(self.lines[-1])
        text = self.lines[line]
        indent = text[: len(text) - len(text.lstrip())]
        if "\t" in indent:
            where = Position(file=self.name, line=line + 1, column=indent.index("\t") + 1)
            return self._problem(where, "a tab cannot indent a line", "indent with spaces")
        said = str(error.problem or error.context)
        what, nearest = next((own for vendor, own in _SYNTAX if vendor in said), (f"this is not YAML: {said}", ""))
        return self._problem(Position(file=self.name, line=line + 1, column=column + 1), what, nearest)

    def _node(self, event: Any, path: Loc, depth: int) -> Any:
        where = self.values[path] = self._position(event)
        before = self._nodes
        self._nodes += 1
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if depth > MAX_DEPTH:
            raise self._stop(event, f"this is nested more than {MAX_DEPTH} deep")
        anchor = event.anchor
        if anchor:
            self._anchors[anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event, where)
        elif event.tag not in (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise self._stop(event, f"the tag {event.tag} is not used here")
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(path, depth)
        else:
            value = self._mapping(path, depth)
        if anchor:
            self._anchors[anchor] = (value, self._nodes - before)
        self._bound(event)
        return value

    def _alias(self, event: Any) -> Any:
        target = self._anchors.get(event.anchor)
        if target is None:
            if event.anchor in self._anchors:
                raise self._stop(event, f"the alias *{event.anchor} contains itself")
            raise self._stop(event, f"the alias *{event.anchor} is not defined above", did_you_mean(event.anchor, self._anchors))
        self._nodes += target[1]
        self._bound(event)
        return target[0]

    def _sequence(self, path: Loc, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, (*path, len(items)), depth + 1))
        return items

    def _mapping(self, path: Loc, depth: int) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._stop(event, "a key must be a plain word")
            key, where = event.value, self._position(event)
            self._characters(key, where)
            if key in entries:
                first = self.keys[(*path, key)].line
                self.problems.append(self._problem(where, f"the key '{key}' is given twice; the first is in line {first}"))
                self._node(next(self._events), (*path, key, "second"), depth + 1)
                continue
            self.keys[(*path, key)] = where
            entries[key] = self._node(next(self._events), (*path, key), depth + 1)
        return entries

    def _scalar(self, event: Any, where: Position) -> Any:
        text = event.value
        self._characters(text, where)
        if event.tag not in _STR_TAGS:
            self.problems.append(self._problem(where, f"the tag {event.tag} is not used here", "quote what should be text"))
        if event.style or event.tag or not event.implicit[0]:
            return text
        if zeros := _LEADING_ZERO.fullmatch(text):
            number = "the number" if self.private else text
            what = f"{number} starts with a zero, which some readers take for an octal number"
            plain = f"{zeros[1]}{zeros[2].lstrip('0') or '0'}"
            nearest = "" if self.private else f'write {plain} for the number or "{text}" for text'
            self.problems.append(self._problem(where, what, nearest))
        return _resolve(text)

    def _characters(self, text: str, where: Position) -> None:
        # Escapes can make what a file cannot contain: a NUL breaks paths, half a surrogate pair breaks JSON.
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            self.problems.append(self._problem(where, "the text contains an escape that is not a character"))

    def _bound(self, event: Any) -> None:
        if self._nodes > MAX_NODES:
            raise self._stop(event, f"the file has more than {MAX_NODES} values, its aliases expanded")

    def _position(self, event: Any) -> Position:
        return Position(file=self.name, line=event.start_mark.line + 1, column=event.start_mark.column + 1)

    def _problem(self, where: Position, what: str, nearest: str = "") -> Problem:
        return _problem(self.lines, where, what, nearest, private=self.private)

    def _stop(self, event: Any, what: str, nearest: str = "") -> DocumentErrors:
        return DocumentErrors([*self.problems, self._problem(self._position(event), what, nearest)])


def _resolve(text: str) -> Any:
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text
