"""What pasted text was recognised as: a value, because the thread says it and the log keeps it."""

from __future__ import annotations

from enum import StrEnum

from bot.model.base import Value
from bot.model.diagnosis import Confidence


class About(StrEnum):
    """What a text is about. ``BEHIND`` is what the API server needs or reaches: it answers, and its address is another one's.
    ``UNCLEAR`` is what names nothing that is known: the ladder is asked then."""

    API_SERVER = "api-server"
    BEHIND = "behind-the-api-server"
    SOMETHING_ELSE = "something-else"
    UNCLEAR = "unclear"


class Recognised(Value):
    """What a text says. ``playbook`` is None where none fits; ``symptom`` is triage's word, and None for a text about something
    else, or one that does not say how it failed. ``address`` is where it failed as far as the text says, HOST or HOST:PORT: the
    API server's, if the text is about that. ``why`` is one sentence, with the redacted words that decided."""

    about: About
    playbook: str | None = None
    symptom: str | None = None
    address: str | None = None
    confidence: Confidence = Confidence.LOW
    why: str
