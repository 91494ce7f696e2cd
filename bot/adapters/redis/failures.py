"""What the store's refusals mean, in the reader's words. Passwords never appear: only hosts, ports or the socket do."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from redis import exceptions

from bot.adapters.redis.link import NoPrimary, UnknownService, is_passing
from bot.errors import Unavailable
from bot.redact import Redactor
from bot.store_url import Kind, StoreUrl

RIGHTS = (
    "+ping +eval +evalsha +get +set +del +exists +expire +persist +sadd +srem +smembers +xadd +xread +hget +hset +hmget "
    "+hincrby +hdel +zadd +zrange +zscore +zrem +sismember +time +info +client|setname"
)
"""What a user of one server must be allowed, besides the keys ``~apidown:*``."""

CLUSTER_RIGHTS = "+cluster|slots +asking"
SENTINEL_RIGHTS = "+role"


def rule(url: StoreUrl) -> str:
    """The ACL rule that suffices for a store of this kind."""
    more = {"redis+cluster": f" {CLUSTER_RIGHTS}", "redis+sentinel": f" {SENTINEL_RIGHTS}"}
    return f"~apidown:* {RIGHTS}{more.get(url.kind.value, '')}"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the store is, as it may be shown, and the command that looks at it by hand."""

    url: StoreUrl
    redactor: Redactor

    @classmethod
    def of(cls, url: StoreUrl) -> Place:
        return cls(url=url, redactor=Redactor(url.secrets))

    @property
    def shown(self) -> str:
        return self.url.shown


def is_lasting(error: Exception) -> bool:
    """Whether trying again soon is pointless: the store is there and refuses."""
    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError):
        return True
    return isinstance(error, exceptions.ResponseError) and not is_passing(error)


def unavailable(error: Exception, place: Place) -> Unavailable:
    """The error for people; the caller chains the vendor's."""
    what, todo = _of_files(place.url) or _of_tls(error, place.url) or _of_rights(error, place.url) or _explain(error, place.url)
    text = place.redactor.text(" ".join(str(error).split()))
    return Unavailable(f"{what} ({text})" if text else what, where=f"store {place.shown}", next=todo)


def _of_files(url: StoreUrl) -> tuple[str, str] | None:
    for option, file in url.files.items():
        try:
            with Path(file).open("rb"):
                continue
        except OSError as error:
            return (
                f"the file {file} cannot be read: {error.strerror}",
                f"correct {option} in the store's URL, or that file's rights",
            )
    return None


def _of_tls(error: Exception, url: StoreUrl) -> tuple[str, str] | None:
    """The client library wraps TLS's errors; they say more than its own."""
    found = next((item for item in _chain(error) if isinstance(item, ssl.SSLError)), None)
    if found is None:
        return _cut_off(error, url)
    text = str(found).upper()
    if isinstance(found, ssl.SSLCertVerificationError):
        if "HOSTNAME" in text or "IP ADDRESS" in text:
            return "the store's certificate is for another name", "write the store's URL with a name of its certificate"
        if "EXPIRED" in text:
            return "the store's certificate has expired", "renew the store's certificate"
        return (
            "the store's certificate is not signed by the CA that was given",
            "set ssl_ca_certs in the store's URL to the PEM file of the CA that signs the store's certificate",
        )
    if "CERTIFICATE REQUIRED" in text or "CERTIFICATE_REQUIRED" in text:
        return "the store asks for a client certificate", _CLIENT_PAIR
    if "ALERT" in text and ("UNKNOWN CA" in text or "UNKNOWN_CA" in text or "CERTIFICATE" in text):
        return "the store does not accept apidown's client certificate", _CLIENT_PAIR
    if "KEY_VALUES_MISMATCH" in text:
        return (
            "the client certificate and its key do not belong together",
            "correct ssl_certfile or ssl_keyfile in the store's URL",
        )
    if "WRONG_VERSION_NUMBER" in text or "RECORD LAYER" in text or "RECORD_LAYER" in text or "UNEXPECTED_EOF" in text:
        return (
            "the store does not speak TLS on this port",
            f"use its TLS port, or {url.kind} in place of rediss in the store's URL",
        )
    return "no TLS connection to the store can be made", f"run: {url.check}"


def _cut_off(error: Exception, url: StoreUrl) -> tuple[str, str] | None:
    """With TLS 1.3 a server judges the client after the client is done; its alert is lost when the reset is faster."""
    reset = any(isinstance(item, ConnectionResetError | BrokenPipeError) for item in _chain(error))
    if not url.tls or not (reset or "closed by server" in str(error)):
        return None
    if "ssl_certfile" in url.files:
        return "the store ends the TLS connection, as if it did not accept apidown's client certificate", _CLIENT_PAIR
    return "the store ends the TLS connection, as one that asks for a client certificate", _CLIENT_PAIR


_CLIENT_PAIR = "set ssl_certfile and ssl_keyfile in the store's URL to a pair that is signed by the CA that the store trusts"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


_COMMAND = re.compile(r"(?:run the|execute) '([^']+)' command")
_DENIED = ("NOPERM", "ACL failure", "The user executing the script can't", "has no permissions")


def _of_rights(error: Exception, url: StoreUrl) -> tuple[str, str] | None:
    """A script's refusal is no error of rights for the client library, and says the command only in newer servers."""
    text = str(error)
    if not isinstance(error, exceptions.NoPermissionError) and not any(mark in text for mark in _DENIED):
        return None
    if command := _COMMAND.search(text):
        what = f"the store's user may not use the command {command[1].upper()}"
    elif "key" in text:
        what = "the store's user may not use the keys apidown:*"
    else:
        what = "the store's user may not use a command that apidown's scripts need"
    return what, f"run: ACL SETUSER {url.username or 'default'} {rule(url)}"


def _of_password(error: Exception, url: StoreUrl) -> tuple[str, str]:
    what = "the store refuses the user name or password"
    if url.kind is Kind.SENTINEL:
        return what, f"correct {_PASSWORD}; a Sentinel's own is sentinel_password in APIDOWN_REDIS_URL"
    if "required" in str(error) and not url.password:
        return "the store asks for a password", "set APIDOWN_REDIS_PASSWORD"
    return what, f"correct {_PASSWORD}"


_PASSWORD = "the password: the one in APIDOWN_REDIS_URL, or if there is none, APIDOWN_REDIS_PASSWORD"  # noqa: S105 - a text


def _ended(error: Exception) -> bool:
    """Whether this very try was cut off; an earlier one may be among the causes, too."""
    return "closed by server" in str(error) or isinstance(error.__cause__ or error.__context__, ConnectionResetError)


def _explain(error: Exception, url: StoreUrl) -> tuple[str, str]:
    check = url.check
    match error:
        case UnknownService():
            return f"the Sentinels know no service {url.service}", f"correct its name in the store's URL; see: {check}"
        case NoPrimary():
            return "the Sentinels have no primary to offer", f"wait for the failover to end, or run: {check}"
        case exceptions.AuthenticationError() | exceptions.AuthorizationError():
            return _of_password(error, url)
        case exceptions.ReadOnlyError():
            return "the store is a replica that takes no writes", "point the store's URL at the primary, or at its Sentinels"
        case exceptions.OutOfMemoryError():
            return "the store is out of memory", "raise its maxmemory; apidown needs the policy noeviction"
        case exceptions.BusyLoadingError():
            return "the store is still loading its data", f"wait, then run: {check}"
        case exceptions.MovedError():
            return "the store is one node of a Redis Cluster", "write the store's URL with redis+cluster:// or rediss+cluster://"
        case exceptions.ClusterDownError() | exceptions.TryAgainError():
            return (
                "the Redis Cluster cannot serve this key now",
                f"wait for its failover or its migration to end, or run: {check}",
            )
        case exceptions.TimeoutError() if url.tls:
            return "no TLS connection to the store is made in time; a port without TLS is silent like that", f"run: {check}"
        case exceptions.TimeoutError() | TimeoutError():
            return "the store does not answer in time", f"run: {check}"
        case exceptions.ConnectionError() if _ended(error) and not url.tls and url.kind is not Kind.SOCKET:
            what = "the store ends the connection without an answer, as a port that takes TLS only does"
            return what, f"if it takes TLS, write rediss{url.kind.removeprefix('redis')}:// in the store's URL; see: {check}"
        case exceptions.ConnectionError() | OSError():
            return "the store cannot be reached", f"run: {check}"
        case _ if "cluster support disabled" in str(error):
            return "the store is no Redis Cluster", "write the store's URL with redis:// or rediss://"
        case _:
            return "the store refuses a command", f"run: {check}"
