"""What the tables of forms are made of.

A pasted error says two things: how it failed, and who did not answer. Both are told by the grammar of the tool that wrote it,
so a form is the grammar of one kind of message, and never the text of one error. Every pattern is linear: whatever it repeats
is bounded, or is a class of characters that ends before the next fixed word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

REFUSED, CANNOT_ACCESS, NETWORK, TIMEOUTS = "connection-refused", "cannot-access-api", "network-connectivity", "tcp-timeouts"
"""The playbooks that a text can name."""


class Whose(StrEnum):
    """Who it was that did not answer as it should."""

    API = "the API server"
    SERVICE = "the API server, at its address inside the cluster"
    BEHIND = "something behind the API server"
    DATASTORE = "etcd"
    ELSEWHERE = "something else"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A form that tells whose failure it is. ``means`` completes "It is about ..." in the answer. One that is not ``sure`` is
    a hint only. One that is ``by_itself`` is about a failure whatever else is said; the others need words that tell how it
    failed."""

    name: str
    whose: Whose
    pattern: re.Pattern[str]
    example: str
    means: str
    sure: bool = True
    by_itself: bool = True


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A form that tells how it failed. ``symptom`` is triage's word for it, ``playbook`` the one for a client that fails so to
    reach an API server; None where the API server answers and the ladder chooses. ``alone`` is what can be taken for an API
    server's with nothing else said."""

    name: str
    symptom: str
    playbook: str | None
    pattern: re.Pattern[str]
    example: str
    means: str
    alone: bool = False


def words(*alternatives: str, case: bool = False) -> re.Pattern[str]:
    """One pattern of several forms, in any case unless told otherwise."""
    return re.compile("|".join(f"(?:{each})" for each in alternatives), 0 if case else re.IGNORECASE)
