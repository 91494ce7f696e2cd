"""The store's URL, taken apart once: it alone says which kind of Redis there is, and how to get into it.

Four forms: ``redis://host:6379/0``, ``unix:///run/redis.sock``, ``redis+sentinel://host:26379,host2:26379/service/0`` and
``redis+cluster://host:6379,host2:6379``. With ``rediss`` in place of ``redis`` every connection is TLS. Options follow a
question mark. Neither the URL nor a password of it is ever repeated: what may be shown is ``shown``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl, unquote, urlsplit

from bot.errors import ConfigError

EXAMPLES = (
    "a store's URL looks like redis://redis.example.com:6379/0, unix:///run/redis.sock, "
    "redis+sentinel://host1:26379,host2:26379/mymaster/0 or redis+cluster://host1:6379,host2:6379; rediss in place of redis "
    "is with TLS; a password goes into APIDOWN_REDIS_PASSWORD"
)

REDIS_PORT, SENTINEL_PORT = 6379, 26379

FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
"""Options that name a PEM file: the CA that signed the servers' certificates, the client's certificate, and its key."""

SENTINEL_LOGIN = ("sentinel_username", "sentinel_password")
"""Options for Sentinels that have users of their own. The URL's own user and password are for the Redis servers."""

_TLS = {*FILES, "ssl_cert_reqs", "ssl_check_hostname"}
_CERT_REQS = ("required", "none")
_YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Kind(StrEnum):
    """How one gets from the URL to the server that has a key."""

    SERVER = "redis"
    SENTINEL = "redis+sentinel"
    CLUSTER = "redis+cluster"
    SOCKET = "unix"


_SCHEMES: Mapping[str, tuple[Kind, bool]] = {
    "redis": (Kind.SERVER, False),
    "rediss": (Kind.SERVER, True),
    "redis+sentinel": (Kind.SENTINEL, False),
    "rediss+sentinel": (Kind.SENTINEL, True),
    "redis+cluster": (Kind.CLUSTER, False),
    "rediss+cluster": (Kind.CLUSTER, True),
    "unix": (Kind.SOCKET, False),
}

Host = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class StoreUrl:
    """Where the store is. ``hosts`` are the server, the Sentinels or some nodes of the cluster; ``path`` is the socket's."""

    kind: Kind
    tls: bool = False
    hosts: tuple[Host, ...] = ()
    path: str = ""
    service: str = ""
    database: int = 0
    username: str | None = None
    password: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = None
    files: Mapping[str, str]
    verify: bool = True
    check_hostname: bool = True

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(secret for secret in (self.password, self.sentinel_password) if secret)

    @property
    def shown(self) -> str:
        """Hosts and ports, or the socket; for people."""
        if self.kind is Kind.SOCKET:
            return self.path
        places = ", ".join(place(*host) for host in self.hosts)
        return f"{self.service} of the Sentinels {places}" if self.kind is Kind.SENTINEL else places

    @property
    def check(self) -> str:
        """The command that looks at it by hand, without the password."""
        if self.kind is Kind.SOCKET:
            return f"redis-cli -s {shlex.quote(self.path)} ping"
        host, port = self.hosts[0]
        command = f"redis-cli {'--tls ' if self.tls else ''}-h {shlex.quote(host)} -p {port}"
        match self.kind:
            case Kind.SENTINEL:
                return f"{command} sentinel get-master-addr-by-name {shlex.quote(self.service)}"
            case Kind.CLUSTER:
                return f"{command} cluster info"
            case _:
                return f"{command} ping"

    @classmethod
    def parse(cls, url: str) -> StoreUrl:
        """Raises ConfigError, without repeating the URL, for one that cannot be used."""
        scheme, mark, _ = url.partition("://")
        if not mark or scheme not in _SCHEMES:
            raise _wrong("the store's URL has an unknown scheme")
        kind, tls = _SCHEMES[scheme]
        try:
            parts = urlsplit(f"redis://{url[len(scheme) + 3 :]}")
            login, _, hosts = parts.netloc.rpartition("@")
            # A password with a slash or a question mark in it ends up in a port's place.
            places = () if kind is Kind.SOCKET else tuple(_host(host, kind) for host in hosts.split(","))
        except ValueError:
            raise _wrong("the store's URL cannot be read; in a password, / ? # @ % are %2F %3F %23 %40 %25") from None
        username, _, password = (unquote(part) for part in login.partition(":"))
        options = _options(parts.query, kind, tls=tls)
        path, service, database = unquote(parts.path), "", options.get("db", "0")
        if kind is Kind.SOCKET:
            if not path or hosts:
                raise _wrong("the store's URL names no socket")
        elif kind is Kind.SENTINEL:
            service, _, behind = path.strip("/").partition("/")
            database = behind or database
        else:
            database = path.strip("/") or database
        found = cls(
            kind=kind,
            tls=tls,
            hosts=places,
            path=path if kind is Kind.SOCKET else "",
            service=service,
            database=_database(database),
            username=username or None,
            password=password or None,
            sentinel_username=options.get("sentinel_username"),
            sentinel_password=options.get("sentinel_password"),
            files={name: options[name] for name in FILES if name in options},
            verify=options.get("ssl_cert_reqs", "required") == "required",
            check_hostname=_YES_NO[options.get("ssl_check_hostname", "yes").lower()],
        )
        found._judge()
        return found

    def _judge(self) -> None:
        if self.kind is Kind.SERVER and len(self.hosts) > 1:
            raise _wrong("several servers are a redis+sentinel:// or a redis+cluster:// URL")
        if self.kind is Kind.SENTINEL and not re.fullmatch(r"[A-Za-z0-9._-]+", self.service):
            raise _wrong("the URL of Sentinels names the service behind them, as in redis+sentinel://host:26379/mymaster")
        if self.kind is Kind.CLUSTER and self.database:
            raise _wrong("a Redis Cluster has database 0 only")
        if "ssl_keyfile" in self.files and "ssl_certfile" not in self.files:
            raise _wrong("the store's URL has a client key without its certificate, ssl_certfile")


def place(host: str, port: int) -> str:
    """``host:port``, as it is written in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _host(text: str, kind: Kind) -> Host:
    parts = urlsplit(f"//{text}")
    port = SENTINEL_PORT if kind is Kind.SENTINEL else REDIS_PORT
    return parts.hostname or "localhost", port if parts.port is None else parts.port


def _options(query: str, kind: Kind, *, tls: bool) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    known = {"db", *(_TLS if tls else ()), *(SENTINEL_LOGIN if kind is Kind.SENTINEL else ())}
    if unknown := sorted(set(options) - known):
        why = "" if tls or not _TLS.intersection(unknown) else "; those of TLS belong to rediss"
        raise ConfigError(
            f"the store's URL has unknown options: {', '.join(unknown)}", nearest=f"known are {', '.join(sorted(known))}{why}"
        )
    if options.get("ssl_cert_reqs", "required") not in _CERT_REQS:
        raise _wrong(f"ssl_cert_reqs in the store's URL is one of {', '.join(_CERT_REQS)}")
    if options.get("ssl_check_hostname", "yes").lower() not in _YES_NO:
        raise _wrong("ssl_check_hostname in the store's URL is yes or no")
    return options


def _database(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text):
        raise _wrong("the path of the store's URL is not a database number")
    return int(text)


def _wrong(what: str) -> ConfigError:
    return ConfigError(what, nearest=EXAMPLES)
