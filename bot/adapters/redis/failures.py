"""What the store's refusals mean, in the reader's words. Passwords never appear: only the host, port or socket do."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from redis import exceptions

from bot.errors import ConfigError, Unavailable
from bot.redact import Redactor

_SCHEMES = ("redis", "rediss", "unix")
_EXAMPLE = "a store's URL looks like redis://:password@redis.example.com:6379/0, rediss://… or unix:///run/redis.sock"
_OPTIONS = frozenset({"db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"})


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the store is, as it may be shown, and the command that looks at it by hand."""

    shown: str
    check: str
    redactor: Redactor

    @classmethod
    def of(cls, url: str) -> Place:
        """Reads a store's URL; raises ConfigError, without repeating the URL, for one that cannot be used."""
        try:
            parts = urlsplit(url)
            port = parts.port or 6379
        except ValueError as error:
            raise ConfigError("the store's URL cannot be read", nearest=_EXAMPLE) from error
        if parts.scheme not in _SCHEMES:
            raise ConfigError("the store's URL has an unknown scheme", nearest=_EXAMPLE)
        if unknown := sorted(set(parse_qs(parts.query, keep_blank_values=True)) - _OPTIONS):
            raise ConfigError(
                f"the store's URL has unknown options: {', '.join(unknown)}", nearest=f"known are {', '.join(sorted(_OPTIONS))}"
            )
        redactor = Redactor([unquote(parts.password)] if parts.password else ())
        if parts.scheme == "unix":
            path = unquote(parts.path)
            if not path or parts.hostname:
                raise ConfigError("the store's URL names no socket", nearest=_EXAMPLE)
            return cls(shown=path, check=f"redis-cli -s {shlex.quote(path)} ping", redactor=redactor)
        if not re.fullmatch(r"/?|/\d+", parts.path):
            raise ConfigError("the path of the store's URL is not a database number", nearest=_EXAMPLE)
        host = parts.hostname or "localhost"
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        tls = "--tls " if parts.scheme == "rediss" else ""
        return cls(shown=shown, check=f"redis-cli {tls}-h {shlex.quote(host)} -p {port} ping", redactor=redactor)


def is_lasting(error: Exception) -> bool:
    """Whether trying again soon is pointless: the store is there and refuses."""
    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError):
        return True
    return isinstance(error, exceptions.ResponseError) and not isinstance(error, exceptions.ReadOnlyError)


def unavailable(error: Exception, place: Place) -> Unavailable:
    """The error for people; the caller chains the vendor's."""
    what, todo = _explain(error, place.check)
    text = place.redactor.text(" ".join(str(error).split()))
    return Unavailable(f"{what} ({text})" if text else what, where=f"store {place.shown}", next=todo)


def _explain(error: Exception, check: str) -> tuple[str, str]:
    match error:
        case exceptions.AuthenticationError() | exceptions.AuthorizationError():
            return "the store refuses the user name or password", "correct the password in the store's URL"
        case exceptions.NoPermissionError():
            return "the store's user may not do what apidown needs", "give this user the keys apidown:* and the command EVAL"
        case exceptions.ReadOnlyError():
            return "the store is a replica that takes no writes", "point the store's URL at the primary"
        case exceptions.OutOfMemoryError():
            return "the store is out of memory", "raise its maxmemory; apidown needs the policy noeviction"
        case exceptions.BusyLoadingError():
            return "the store is still loading its data", f"wait, then run: {check}"
        case exceptions.MovedError():
            return "the store is one node of a Redis Cluster", "point the store's URL at a Redis that is not one"
        case exceptions.TimeoutError() | TimeoutError():
            return "the store does not answer in time", f"run: {check}"
        case exceptions.ConnectionError() | OSError():
            return "the store cannot be reached", f"run: {check}"
        case _:
            return "the store refuses a command", f"run: {check}"
