"""Takes out of a tool's output what differs from run to run and separates nothing; pure.

What a reader could use is kept, as a class: whether an address is the one that is expected, whether a date is past, whether a
duration is short. Where in doubt a difference stays, which favours the tool.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# The shortest time that a person notices, and that a monitoring rule would look for.
LONG_SECONDS = 1.0
# Dates this near are "now": when the tool ran.
_NOW = timedelta(minutes=10)

_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_ISO = re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?")
_MAIL = re.compile(rf"\b\w{{3}}, \d\d (?:{_MONTHS}) \d{{4}} \d\d:\d\d:\d\d GMT")
_CERTIFICATE = re.compile(rf"\b(?:{_MONTHS}) [ \d]\d \d\d:\d\d:\d\d \d{{4}} GMT")
_LOG = re.compile(r"^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+ (\w+\.go):\d+\]")
_EPOCH = re.compile(r"(?<=\s)\d\.\d+e\+09$")
_POINTER = re.compile(r"\b0x[0-9a-f]+\b")
_HASH = re.compile(r"^(\w+_hash) \S+$")
# A length says nothing to a reader, but whether there was a body.
_LENGTH = re.compile(r"(?i)(content[-_]length:?|body_length) [1-9]\d*$")
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.I)
_HEX = re.compile(r"\b(?=[0-9a-f:]*\d)(?:[0-9a-f]{2}:?){8,}\b", re.I)
_BASE64 = re.compile(r"(?<![\w/+-])(?=[\w+/=-]*\d)(?=[\w+/=-]*[a-z])(?=[\w+/=-]*[A-Z])[\w+/=-]{24,}")
_ADDRESS = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)")
_PORT = re.compile(r"(?<=[>\w\]]):(\d{2,5})\b|(?<=port )(\d{2,5})\b")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = r"(\d+(?:\.\d+)?)\s?(ns|us|µs|ms|milliseconds|seconds|s|m|h|d)"
_DURATION = re.compile(rf"(?<![\w.<-])(?:{_PART})+(?![\w>])")
_METRIC = re.compile(r"(\b\w*(?:seconds|duration)\w*(?:\{[^}]*\})?[ =])(\d[\d.e+-]*)$")
_BYTES = re.compile(r"\[\d+ bytes data\]")
_BIG = re.compile(r"(?<![\w.<])\d{5,}(?![\w.>])")
_EPHEMERAL = 32768
# Ports below say what is behind them: 53, 8080, 10250.
_WELL_KNOWN = 20000


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is no news to the reader: what texts stand for (``{"10.4.0.20": "server"}``), the API server's ports, the time."""

    words: Mapping[str, str]
    ports: Collection[int]
    now: datetime


def normalise(text: str, known: Known) -> frozenset[str]:
    """The lines of an output without what is by chance; a set, because retries and parallel probes repeat and reorder them."""
    for literal in sorted(filter(None, known.words), key=len, reverse=True):
        text = re.sub(rf"(?<![\w.-]){re.escape(literal)}(?![\w-]|\.\w)", f"<{known.words[literal]}>", text)
    lines = (" ".join(_line(line, known).split()) for line in text.splitlines())
    return frozenset(line for line in lines if line)


def _line(line: str, known: Known) -> str:
    line = _HASH.sub(r"\1 <hash>", _LOG.sub(r"<log> \1", line.rstrip()))
    for pattern, read in (
        (_ISO, _from_iso),
        (_MAIL, parsedate_to_datetime),
        (_CERTIFICATE, _from_certificate),
        (_EPOCH, _from_epoch),
    ):
        line = pattern.sub(_age(read, known.now), line)
    line = _METRIC.sub(lambda found: f"{found[1]}{_length(float(found[2]))}", line)
    for pattern, word in ((_UUID, "<id>"), (_POINTER, "<id>"), (_HEX, "<id>"), (_BASE64, "<id>"), (_BYTES, "<bytes>")):
        line = pattern.sub(word, line)
    line = _LENGTH.sub(r"\1 <some>", line)
    line = _ADDRESS.sub(lambda found: found[0] if found[0].startswith("127.") else "<other address>", line)
    line = _PORT.sub(lambda found: _port(found[0], known.ports), line)
    line = _DURATION.sub(lambda found: _duration(found[0]), line)
    return _BIG.sub("<number>", line)


def _age(read: Callable[[str], datetime], now: datetime) -> Callable[[re.Match[str]], str]:
    def word(found: re.Match[str]) -> str:
        try:
            then = read(found[0])
        except ValueError:
            return "<time>"
        if abs(then - now) < _NOW:
            return "<now>"
        return "<past>" if then < now else "<later>"

    return word


def _from_iso(text: str) -> datetime:
    then = datetime.fromisoformat(text.replace(" UTC", "Z").replace(" GMT", "Z").replace(",", "."))
    return then if then.tzinfo else then.replace(tzinfo=UTC)


def _from_certificate(text: str) -> datetime:
    return datetime.strptime(text, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)


def _from_epoch(text: str) -> datetime:
    return datetime.fromtimestamp(float(text), UTC)


def _duration(text: str) -> str:
    parts = re.findall(_PART, text)
    return _length(sum(float(number) * _UNITS.get(unit, _UNITS[unit[0] if unit[0] == "s" else "ms"]) for number, unit in parts))


def _length(seconds: float) -> str:
    return "<short>" if seconds < LONG_SECONDS else "<long>"


def _port(text: str, ours: Collection[int]) -> str:
    digits = text.lstrip(":")
    number = int(digits)
    if number in ours:
        return text.replace(digits, "<port>")
    if number < _WELL_KNOWN:
        return text
    return text.replace(digits, "<ephemeral port>" if number >= _EPHEMERAL else "<other port>")
