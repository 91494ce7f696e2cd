"""The choke point for secrets: nothing is stored, logged, sent or shown before it went through here.

Two nets, one behind the other: every secret the process was given is removed by value, then everything that has the
form of a credential is removed by pattern. Over-redaction costs a reader a token; under-redaction costs a cluster. But a
sentence that only speaks of a token (``token: expired at 14:05``) stays: it is what the reader came for.

Texts come from outside and may be long: every pattern is linear, without an unbounded repetition before its first fixed
word.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MARK = "[redacted]"

# A value shorter than this is not removed by value: it would blank out ordinary words.
_SHORTEST_SECRET = 6

# The names that secrets have in kubeconfigs, environments, headers, flags and queries; what stands before them is any.
_NAMED = (
    r"(?:client-key-data|client-certificate-data|passwords?|passwd|pwd|passphrase|client[-_]?secret"
    r"|secret[-_]?(?:access[-_]?)?key|access[-_]?key|api[-_]?key|private[-_]?key|(?:id|refresh|access|auth|session)?[-_]?token"
    r"|_(?:secret|pass)|secret)"
)
# A word in a sentence is all small letters; a credential has a digit, a capital or a sign in it.
_NO_WORD = r"(?=[^\s,;&'\"]{0,200}[0-9A-Z_+/=$!@#%^*~])"

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # PEM private keys, whole or cut off at the end of what was pasted.
    (
        re.compile(r"-----BEGIN ([A-Z0-9 ]{0,40})PRIVATE KEY-----.*?(?:-----END \1PRIVATE KEY-----|\Z)", re.S),
        f"{MARK} private key",
    ),
    # JSON web tokens: three base64url parts, the first one starting with '{"'; cut off ones too.
    (re.compile(r"\beyJ[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]*){0,2}"), f"{MARK} token"),
    # Authorization headers.
    (
        re.compile(
            r"(?i)\b((?:proxy-)?authorization['\"]?[ \t]{0,8}[:=][ \t]{0,8}['\"]?)(?:bearer|basic|token|negotiate)\s+[^\s'\",;]+"
        ),
        rf"\1{MARK}",
    ),
    # Slack tokens and webhook paths.
    (re.compile(r"\bx(?:ox[a-z]|app|wfp)-[A-Za-z0-9-]{8,}"), f"{MARK} Slack token"),
    (re.compile(r"(hooks\.slack\.com/(?:services|workflows|triggers)/)[A-Za-z0-9/_-]+"), rf"\1{MARK}"),
    # Cloud and source-forge keys.
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), f"{MARK} AWS key"),
    (re.compile(r"\bAIza[A-Za-z0-9_-]{30,}"), f"{MARK} Google key"),
    (re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}"), f"{MARK} GitHub token"),
    (re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}"), f"{MARK} GitLab token"),
    # What clusters and their clouds hand out as bearer tokens: OpenShift, EKS, Google, Vault.
    (re.compile(r"\bsha256~[A-Za-z0-9_-]{20,}|\bk8s-aws-v1\.[A-Za-z0-9_=-]{16,}"), f"{MARK} token"),
    (re.compile(r"\bya29\.[A-Za-z0-9_.-]{16,}|\bhv[sbr]\.[A-Za-z0-9_-]{20,}"), f"{MARK} token"),
    # Signed URLs, and the ticket that opens a Slack socket.
    (re.compile(r"(?i)(\bsignature=|[?&]ticket=)[A-Za-z0-9%_.+/=-]{8,}"), rf"\1{MARK}"),
    # An environment's entry in an exec plugin's part of a kubeconfig: the name, then the value, in YAML or JSON.
    (
        re.compile(
            rf"(?i)({_NAMED}['\"]?,?[ \t]{{0,8}}\n?[ \t-]{{0,40}}['\"]?value['\"]?:[ \t]{{0,8}})"
            r"(?!\[redacted\])(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s'\"]+)"
        ),
        rf"\1{MARK}",
    ),
    # A line of YAML or of an environment with nothing else on it: whatever the value looks like.
    (
        re.compile(
            rf"(?im)^([ \t-]{{0,40}}(?:export )?['\"]?[\w.-]{{0,40}}{_NAMED}['\"]?[ \t]{{0,8}}[:=][ \t]{{0,8}})"
            r"(?!\[redacted\])(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s'\"]+),?[ \t]{0,8}$"
        ),
        rf"\1{MARK}",
    ),
    # In the middle of a text: quoted, or no ordinary word. After '=' everything is a value.
    (
        re.compile(rf"(?i:({_NAMED}['\"]?[ \t]{{0,8}}:[ \t]{{0,8}}))(?:\"[^\"\n]+\"|'[^'\n]+'|{_NO_WORD}[^\s,;}}&'\"\[]{{6,}})"),
        rf"\1{MARK}",
    ),
    (
        re.compile(rf"(?i:({_NAMED}['\"]?[ \t]{{0,8}}=[ \t]{{0,8}}))(?:\"[^\"\n]+\"|'[^'\n]+'|[^\s,;}}&'\"\[]{{4,}})"),
        rf"\1{MARK}",
    ),
    # Flags: --token abcdef.0123456789abcdef, and in a list of arguments, one a line.
    (
        re.compile(
            rf"(?i)((?<![\w-])--[\w-]{{0,40}}?{_NAMED}['\",]{{0,3}}(?:[ \t]{{1,8}}|\n[ \t]{{0,40}}(?:- )?)['\"]?)"
            r"(?!\[redacted\])[^\s,'\"-][^\s,'\"]{5,}"
        ),
        rf"\1{MARK}",
    ),
    # Passwords in URLs, those with an @ or a colon in them included.
    (re.compile(r"(://[^/\s:@\"'<>]{0,200}:)(?!\[redacted\]@)[^/\s\"'<>]{1,500}(@)"), rf"\1{MARK}\2"),
    # A token in a user's place; nobody's name is as long.
    (re.compile(r"(://)[^/\s:@\"'<>]{20,200}(@)"), rf"\1{MARK}\2"),
)

# What follows a scheme's name without a header before it. The token is looked at, not taken: another scheme may be in it.
_SCHEME = re.compile(r"\b(bearer|basic)[ \t]{1,8}(?=([A-Za-z0-9._~+/=-]{8,})(\"|[$@#%^*](?=\w))?)", re.I)
_WORD = re.compile(r"[a-z]{1,19}|[A-Z]{1,19}|[A-Z]?[a-z]{2,19}(?:[A-Z][a-z]{2,19}){0,3}")
_CHALLENGE = re.compile(r"[a-z_]{1,30}=")

_NAMES_SECRET = re.compile(rf"(?i)(?:^|.*[-_.]){_NAMED}$|^{_NAMED}$")


class Redactor:
    """Removes configured secrets by value and everything credential-shaped by pattern; safe to apply twice."""

    def __init__(self, secrets: Iterable[str] = (), *, known_later: Callable[[], Iterable[str]] = tuple) -> None:
        """``known_later`` is asked each time: credentials are read, and rotate, while what they are for goes on."""
        self._secrets = frozenset(secrets)
        self._known_later = known_later
        self._known = self._secrets
        self._values = _any_of(self._secrets)

    def also(self, known_later: Callable[[], Iterable[str]]) -> Redactor:
        """One that removes these values, too."""
        return Redactor(self._secrets, known_later=known_later)

    def text(self, text: str) -> str:
        """The text without secrets."""
        known = self._secrets.union(self._known_later())
        if known != self._known:
            self._known, self._values = known, _any_of(known)
        if self._values is not None:
            text = self._values.sub(MARK, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return _without_scheme_tokens(text)

    def value(self, value: Any) -> Any:
        """The same JSON-shaped value with every string, keys included, redacted; a text under a secret's name goes whole."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self._entry(str(key), item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value

    def _entry(self, key: str, value: Any) -> Any:
        if isinstance(value, str) and _is_credential(value) and names_secret(key):
            return MARK
        return self.value(value)


def _without_scheme_tokens(text: str) -> str:
    """``Bearer`` and ``Basic`` begin a credential, and sentences (``Basic Information``)."""
    shown, done = [], 0
    for found in _SCHEME.finditer(text):
        scheme, token, behind = found.groups()
        if found.start() < done or not _is_scheme_token(scheme, token, behind):
            continue
        shown += [text[done : found.end()], MARK]
        done = found.end(2)
    return "".join([*shown, text[done:]])


def _is_scheme_token(scheme: str, token: str, behind: str) -> bool:
    if scheme.lower() == "basic" and _is_login(token):
        return True
    if behind == '"':
        return not _CHALLENGE.fullmatch(token) and not _is_prose(token)
    return bool(behind) or not _is_prose(token)


def _is_prose(text: str) -> bool:
    """Whether it is made of words as people write them: ``Information``, ``TokenReview``, ``in-cluster``."""
    return all(_WORD.fullmatch(part) for part in re.split("[-./]", text.rstrip("_")) if part)


def _is_login(text: str) -> bool:
    """Whether it is ``user:password`` in base64. Anything else that looks like a word decodes to no text."""
    whole = len(text) // 4 * 4
    try:
        return ":" in base64.b64decode(text[:whole], validate=True).decode()
    except ValueError:
        return False


def _any_of(secrets: Iterable[str]) -> re.Pattern[str] | None:
    forms = {form for secret in secrets if len(secret) >= _SHORTEST_SECRET for form in _forms(secret) if form not in MARK}
    # Longest first, so that a secret which contains another one goes whole.
    return re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True)))) if forms else None


def names_secret(name: str) -> bool:
    """Whether this is what secrets are called: a key, a variable, a header."""
    return _NAMES_SECRET.match(name) is not None


def _is_credential(text: str) -> bool:
    """Whether a text under a secret's name may be the secret itself, and is no sentence about it."""
    return len(text) >= _SHORTEST_SECRET and not any(sign.isspace() for sign in text.strip())


def _forms(secret: str) -> Iterator[str]:
    """How a secret may stand in a text: as it is, quoted for URLs, escaped for JSON, and in base64, also in the middle of
    something else that is encoded (``user:secret``)."""
    yield secret
    for quoted in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield quoted
        yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), quoted)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    raw = secret.encode(errors="surrogateescape")
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + raw).decode().rstrip("=")
        # The first and the last characters also depend on what is around the secret.
        whole = encoded[(0, 2, 3)[offset] : len(encoded) - (1 if (offset + len(raw)) % 3 else 0)]
        if len(whole) >= _SHORTEST_SECRET:
            yield whole
            yield whole.translate(str.maketrans("+/", "-_"))
