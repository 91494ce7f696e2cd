"""The choke point for secrets: nothing is stored, logged, sent or shown before it went through here.

Two nets, one behind the other: every secret the process was given is removed by value, then everything that has the
form of a credential is removed by pattern. Over-redaction costs a reader a token; under-redaction costs a cluster.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

MARK = "[redacted]"

# A value shorter than this is not removed by value: it would blank out ordinary words.
_SHORTEST_SECRET = 6

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # PEM private keys, whole or cut off at the end of what was pasted.
    (
        re.compile(r"-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----.*?(?:-----END \1PRIVATE KEY-----|\Z)", re.S),
        f"{MARK} private key",
    ),
    # JSON web tokens: three base64url parts, the first one starting with '{"'.
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*"), f"{MARK} token"),
    # Authorization headers and bare bearer tokens.
    (re.compile(r"(?i)\b(authorization\s*[:=]\s*)(?:(?:bearer|basic|token)\s+)?[^\s'\",;]+"), rf"\1{MARK}"),
    (re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{8,}"), rf"\1{MARK}"),
    # Slack tokens and webhook paths.
    (re.compile(r"\bx(?:ox[a-z]|app|wfp)-[A-Za-z0-9-]{8,}"), f"{MARK} Slack token"),
    (re.compile(r"(hooks\.slack\.com/(?:services|workflows)/)[A-Za-z0-9/_-]+"), rf"\1{MARK}"),
    # Cloud and source-forge keys.
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), f"{MARK} AWS key"),
    (re.compile(r"\bAIza[A-Za-z0-9_-]{30,}"), f"{MARK} Google key"),
    (re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}"), f"{MARK} GitHub token"),
    # kubeconfig and environment style: key: value, key=value, "key": "value".
    (
        re.compile(
            r"(?i)(['\"]?\b[A-Za-z0-9_.-]*(?:client-key-data|client-certificate-data|password|passwd|secret[-_]?(?:access[-_]?)?key"
            r"|client[-_]secret|access[-_]key|api[-_]?key|id-token|refresh-token|private[-_]key|token)['\"]?\s*[:=]\s*)"
            r"(\"[^\"\n]*\"|'[^'\n]*'|[^\s,;}&'\"]{6,})"
        ),
        rf"\1{MARK}",
    ),
    # Bootstrap tokens (kubeadm join).
    (re.compile(r"(?i)(--token[ =])[a-z0-9]{6}\.[a-z0-9]{16}"), rf"\1{MARK}"),
    # Passwords in URLs.
    (re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://[^/\s:@]*:)[^/\s@]+(@)"), rf"\1{MARK}\2"),
)


class Redactor:
    """Removes configured secrets by value and everything credential-shaped by pattern; safe to apply twice."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms: set[str] = set()
        for secret in secrets:
            if len(secret) < _SHORTEST_SECRET:
                continue
            forms.update({secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()})
        # Longest first, so that a secret which contains another one goes whole.
        self._values = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True)))) if forms else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._values is not None:
            text = self._values.sub(MARK, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def value(self, value: Any) -> Any:
        """The same JSON-shaped value with every string, keys included, redacted."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.value(item) for item in value)
        return value
