"""What a pasted text says: how it failed and whose failure it is, and so which playbook is for it.

Each statement of the text is read by itself, the surest one is taken, and one that tells how without telling whose may take
the latter from its neighbours. See decision 27.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.model.diagnosis import Confidence
from bot.model.recognised import About, Recognised
from bot.recognise.addresses import address_in
from bot.recognise.alerts import NamedAlert, alert_in
from bot.recognise.elsewhere import LIKELY, REQUESTS, SURE
from bot.recognise.failures import FAILURES
from bot.recognise.form import NETWORK, TIMEOUTS, Failure, Place, Whose
from bot.recognise.places import API, HINTS
from bot.recognise.places_behind import BEHIND, DATASTORE, WEBHOOKS
from bot.recognise.routine import ROUTINE
from bot.recognise.statements import plain, statements

_PLACES = (*ROUTINE, *SURE, *WEBHOOKS, *DATASTORE, *BEHIND, *API, *LIKELY, *REQUESTS, *HINTS)
"""In the order in which they are asked: whoever is named first by the grammar of the message has it."""
_FRAGMENT = 110
_NO_ANSWER = {"connect-timeout", "http-silent", "tls-silent"}
_PROGRAMS = {"client-go", "node"}
"""They have a configuration of their own: a local address is not the default of one that is missing."""
_DEFAULT = re.compile(
    r"(?:server|tcp|host=') ?\[?(?:localhost|127\.0\.0\.1|::1)\]?'?(?::|, port=)(?:80|8080)\b|https?://localhost/api",
    re.IGNORECASE,
)
_NEIGHBOURS = 4_000
_VAGUE = "unreachable-in-words"
_BROKEN_IN = 3
_OWN_PORTS = {"6443", "6444", "8443", "16443"}
_ANYBODYS_PORT = re.compile(r"\b(?:tcp|lookup)\b[^\n]{1,300}?:443(?!\d)", re.IGNORECASE)
"""The port of HTTPS, as Go words a failure to reach it: API servers' clients are written in Go more often than others."""


@dataclass(frozen=True)
class _Reading:
    """One statement, read."""

    text: str
    place: Place | None
    failure: Failure | None
    place_at: re.Match[str] | None
    failure_at: re.Match[str] | None

    def whose_is(self, whose: Whose) -> bool:
        return self.place is not None and self.place.whose is whose

    @property
    def strength(self) -> int:
        """How much it decides: an API server's for sure, something behind it, something else, a hint, nothing."""
        if self.place is None:
            return 1 if self.failure is not None else 0
        if self.failure is None and not self.place.by_itself:
            return 0
        if not self.place.sure:
            return 2
        return {Whose.API: 6, Whose.SERVICE: 5, Whose.BEHIND: 4, Whose.DATASTORE: 3, Whose.ELSEWHERE: 3}[self.place.whose]


def recognise(text: str) -> Recognised:
    """What the text says. Pure, and bounded in time for any text."""
    said = plain(text)
    readings = [_read(statement) for statement in statements(said)]
    best = max(readings, key=lambda reading: reading.strength, default=None)
    alert = alert_in(said)
    if alert is not None and (best is None or best.strength < 4):
        return _of_alert(*alert, address=_among(readings))
    if best is None or best.strength == 0:
        return Recognised(about=About.UNCLEAR, why="It names no failure that is known, so nothing is taken from it.")
    chosen = _nearer(best, readings)
    asks_api = chosen.place is None or chosen.place.whose in (Whose.API, Whose.SERVICE)
    return _judge(chosen, address_in(chosen.text) or (_among(readings) if asks_api else None))


def _among(readings: list[_Reading]) -> str | None:
    """An API server's address among the statements: other addresses of a long text are of something else."""
    for reading in readings:
        address = address_in(reading.text)
        said_of_it = reading.place is not None and reading.place.whose in (Whose.API, Whose.SERVICE)
        if address is not None and (said_of_it or address.rpartition(":")[2] in _OWN_PORTS):
            return address
    return None


def _nearer(best: _Reading, readings: list[_Reading]) -> _Reading:
    """The reading that tells more than the surest one, if there is one. A failure that does not say whose it is may have that
    from its neighbours; and what etcd says of itself explains an API server that does not answer."""
    if best.strength <= 2:
        whole = _read(" ".join(reading.text for reading in readings)[:_NEIGHBOURS])
        ours = whole.place is not None and whole.place.whose in (Whose.API, Whose.SERVICE)
        return whole if whole.strength > best.strength and (ours or best.strength == 1) else best
    if best.whose_is(Whose.API) and (best.failure is None or best.failure.name == _VAGUE):
        # Terminals and Terraform's frames break a message in two: how it failed stands in the next line.
        at = readings.index(best)
        longer = _read(" ".join(reading.text for reading in readings[at : at + _BROKEN_IN]))
        if longer.whose_is(Whose.API) and longer.failure is not None and longer.failure.name != _VAGUE:
            return longer
    if best.whose_is(Whose.API) and (best.failure is None or best.failure.playbook is None):
        # The API server answers: what it says of something behind it tells more.
        behind = [each for each in readings if each.whose_is(Whose.BEHIND) and each.failure is not None]
        return behind[0] if behind else best
    if best.failure is not None and best.failure.symptom in _NO_ANSWER:
        slow = [each for each in readings if each.whose_is(Whose.DATASTORE) and each.place and each.place.by_itself]
        return slow[0] if slow else best
    return best


def _read(statement: str) -> _Reading:
    failure, failure_at = _first(FAILURES, statement)
    for place in _PLACES:
        if (at := place.pattern.search(statement)) and (place.by_itself or failure is not None):
            return _Reading(statement, place, failure, at, failure_at)
    return _Reading(statement, None, failure, None, failure_at)


def _first(failures: tuple[Failure, ...], statement: str) -> tuple[Failure | None, re.Match[str] | None]:
    for failure in failures:
        if at := failure.pattern.search(statement):
            return failure, at
    return None, None


def _of_alert(name: str, alert: NamedAlert, *, address: str | None) -> Recognised:
    if alert.symptom is None:
        return Recognised(about=About.SOMETHING_ELSE, confidence=Confidence.HIGH, why=f"The alert {name} {alert.means}.")
    return Recognised(
        about=About.BEHIND if alert.playbook is None else About.API_SERVER,
        playbook=alert.playbook,
        symptom=alert.symptom,
        address=address,
        confidence=Confidence.HIGH,
        why=f"The alert {name} says that {alert.means}.",
    )


def _judge(reading: _Reading, address: str | None) -> Recognised:
    place, failure = reading.place, reading.failure
    if place is None:
        return _unplaced(reading, address)
    if place.whose is Whose.ELSEWHERE:
        return Recognised(
            about=About.SOMETHING_ELSE,
            address=address,
            confidence=Confidence.HIGH if place in (*ROUTINE, *SURE) else Confidence.MEDIUM,
            why=f"It is about {place.means}: {_quoted(reading, place_first=True)}.",
        )
    playbook, symptom = _playbook_for(place, failure, reading.text)
    return Recognised(
        about=About.API_SERVER if place.whose in (Whose.API, Whose.SERVICE) else About.BEHIND,
        playbook=playbook,
        symptom=symptom,
        address=address,
        confidence=Confidence.HIGH if place.sure and failure else Confidence.MEDIUM,
        why=_why(reading),
    )


def _unplaced(reading: _Reading, address: str | None) -> Recognised:
    """How it failed is told, and not whose failure it is."""
    failure = reading.failure
    assert failure is not None
    port = address.rpartition(":")[2] if address is not None else None
    likely = port in _OWN_PORTS or (port == "443" and _ANYBODYS_PORT.search(reading.text) is not None)
    if not failure.alone and not likely:
        why = f"It says how something failed and not what: {_quoted(reading)}."
        return Recognised(about=About.UNCLEAR, why=why)
    why = f"It says that {failure.means}, and seems to be about an API server: {_quoted(reading)}."
    return Recognised(about=About.API_SERVER, playbook=failure.playbook, symptom=failure.symptom, address=address, why=why)


def _playbook_for(place: Place, failure: Failure | None, text: str) -> tuple[str | None, str | None]:
    if place.whose is Whose.DATASTORE:
        return None, "etcd-check-failing"
    if place.whose is Whose.BEHIND:
        return _behind(place, failure), "answers"
    if failure is None:
        return NETWORK, None
    if failure.symptom == "connection-refused" and place.name not in _PROGRAMS and _DEFAULT.search(text):
        return NETWORK, failure.symptom
    if place.whose is Whose.SERVICE and failure.symptom in _NO_ANSWER:
        return NETWORK, failure.symptom
    return failure.playbook, failure.symptom


def _behind(place: Place, failure: Failure | None) -> str | None:
    if place.name in ("webhook", "aggregated-api"):
        return None
    if place.name == "tunnel" or failure is None:
        return TIMEOUTS
    by_name_or_certificate = failure.symptom.startswith(("certificate", "tls-alert", "name-", "resolver", "credentials"))
    return NETWORK if by_name_or_certificate else TIMEOUTS


def _why(reading: _Reading) -> str:
    place, failure = reading.place, reading.failure
    assert place is not None
    if failure is None:
        return f"It is about {place.means}: {_quoted(reading, place_first=True)}."
    return f"It is about {place.means}, and says that {failure.means}: {_quoted(reading)}."


def _quoted(reading: _Reading, *, place_first: bool = False) -> str:
    at = (reading.place_at if place_first else None) or reading.failure_at or reading.place_at
    assert at is not None
    start = max(0, min(at.start() - 30, max(0, at.end() - _FRAGMENT)))
    if at.start() < 40:
        start = 0
    cut = " ".join(reading.text[start : start + _FRAGMENT].split())
    return f'"{"…" if start else ""}{cut}{"…" if start + _FRAGMENT < len(reading.text) else ""}"'
