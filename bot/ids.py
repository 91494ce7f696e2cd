"""Identifiers: short enough to read aloud on a call, stable enough to append twice without harm."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

# No vowels (no words by accident) and nothing that looks like something else at 3 a.m. (0/o, 1/l/i).
_ALPHABET = "bcdfghjkmnpqrstvwxz23456789"


def investigation_id(now: datetime) -> str:
    """A new investigation's id, such as ``20261120-k7f3``: the UTC day, then four random characters."""
    return f"{now:%Y%m%d}-" + "".join(secrets.choice(_ALPHABET) for _ in range(4))


def adhoc_cluster(url: str) -> str:
    """The cluster name of a bare URL, ``url-<hash>``: the same URL is the same cluster, whoever pastes it."""
    return "url-" + digest(url.strip().rstrip("/").lower(), length=8)


def is_adhoc(cluster: str) -> bool:
    """Whether this is the name of a bare URL's cluster."""
    return cluster.startswith("url-")


def event_id(kind: str, *parts: object) -> str:
    """A deterministic event id: ``finding/1/tcp-connect@bot/10.0.0.1``. Appending the same id twice is a no-op."""
    return "/".join([kind, *(str(part) for part in parts)])


def digest(text: str, *, length: int = 12) -> str:
    """A short content hash for change detection and names; not for secrets."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]
