"""The endpoint under test, and what is known of the cluster behind it."""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from urllib.parse import urlsplit

from bot.errors import UsageError
from bot.model.base import Value


class CredentialKind(StrEnum):
    """What kind of credentials a cluster is configured with; never the credentials themselves."""

    NONE = "none"
    TOKEN = "token"  # noqa: S105 - the name of a kind
    CLIENT_CERTIFICATE = "client-certificate"
    EXEC = "exec"


class Endpoint(Value):
    """One address and port that takes connections: an API server, a balancer's backend, a control."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Target(Value):
    """The endpoint under test.

    ``server_name`` is what the certificate must be valid for and what is sent as SNI (kubeconfig's ``tls-server-name``,
    else the host). ``ca_pem`` is the bundle that must have signed it; None means the system's trust store.
    ``authority_known`` is False where that store is only a stand-in (a bare URL, a CA file that cannot be read): a
    certificate that it does not know proves nothing then. ``guarded`` is True for the URL of a stranger, which must not lead
    to this machine itself or to what answers only its neighbours (``bot.net.guard``). ``proxy_url`` is set when
    clients reach the server through an HTTP proxy only; ``proxy_variable`` is the variable of the environment that named
    it, where no configuration did.
    """

    url: str
    scheme: str
    host: str
    port: int
    path: str = ""
    server_name: str
    ca_pem: str | None = None
    authority_known: bool = True
    guarded: bool = False
    proxy_url: str | None = None
    proxy_variable: str | None = None

    @property
    def proxy(self) -> Endpoint | None:
        """Where the HTTP proxy is, without the user and password of its URL; None when there is none that can be used."""
        try:
            parts = urlsplit(self.proxy_url or "")
            return Endpoint(host=parts.hostname, port=parts.port or 80) if parts.hostname else None
        except ValueError:
            return None

    @property
    def is_client_default(self) -> bool:
        """Whether this is what kubectl asks without a configuration: port 8080 of its own machine, or plain http there."""
        return is_loopback(self.host) and (self.port == 8080 or (self.scheme, self.port) == ("http", 80))

    @classmethod
    def from_url(
        cls, url: str, *, server_name: str | None = None, ca_pem: str | None = None, proxy_url: str | None = None
    ) -> Target:
        """A target from a server URL as kubeconfigs write it; a missing port is the scheme's, as clients assume."""
        text = url.strip()
        authority = re.split(r"[/?#]", text.partition("://")[2] or text, maxsplit=1)[0]
        if "@" in authority:
            raise UsageError("a server URL with a user name or password in it is not used", next="give the URL without them")
        try:
            parts = urlsplit(text if "://" in text else f"https://{text}")
            port = parts.port
        except ValueError as error:
            raise UsageError(
                f"{text!r} is not a URL: {error}", nearest="a server URL looks like https://api.example.com:6443"
            ) from error
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise UsageError(
                f"{text!r} is not the URL of an API server", nearest="a server URL looks like https://api.example.com:6443"
            )
        host = parts.hostname
        port = port or (443 if parts.scheme == "https" else 80)
        shown = f"[{host}]" if ":" in host else host
        path = parts.path.rstrip("/")
        return cls(
            url=f"{parts.scheme}://{shown}:{port}{path}",
            scheme=parts.scheme,
            host=host,
            port=port,
            path=path,
            server_name=server_name or host,
            ca_pem=ca_pem,
            proxy_url=proxy_url,
        )


def literal(host: str) -> str | None:
    """The IP address that this is, in its usual form, so that there is nothing to resolve; None for a name."""
    try:
        return str(ipaddress.ip_address(host.removeprefix("[").removesuffix("]")))
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether this names the machine that asks."""
    address = literal(host)
    if address is None:
        return host == "localhost" or host.endswith(".localhost")
    return ipaddress.ip_address(address).is_loopback


class Etcd(Value):
    """A cluster's etcd, as the configuration says: its members, and the files with which they are asked."""

    endpoints: tuple[Endpoint, ...]
    scheme: str = "https"
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None


class Balancer(Value):
    """A load balancer in front of the API servers, and where it tells of them itself.

    ``url`` is HAProxy's statistics page (``http``, ``https``) or its socket (``unix:/run/haproxy.sock``,
    ``tcp://10.0.0.5:9999``); ``backend`` a name or glob of the backend that the API servers are in, where it has others.
    The password is in a file, which is read when it is needed.
    """

    url: str
    backend: str | None = None
    user: str | None = None
    password_file: str | None = None
    ca_file: str | None = None

    @property
    def called(self) -> str:
        """What people call it: the machine and port that is asked, or the socket's path."""
        parts = urlsplit(self.url)
        return parts.path if parts.scheme == "unix" else parts.netloc

    @property
    def place(self) -> Endpoint | None:
        """Where it is asked; None for a socket of this machine."""
        parts = urlsplit(self.url)
        usual = {"http": 80, "https": 443}.get(parts.scheme)
        port = parts.port or usual
        return Endpoint(host=parts.hostname, port=port) if parts.hostname and port else None


class Cluster(Value):
    """A named target plus what we know of it. A bare URL is the ad-hoc cluster ``url-<hash>`` with no credentials.

    ``configured`` is what decides whether credentials may be used at all; ``nodes`` are control-plane nodes' addresses
    where known; ``controls`` are endpoints that should answer whatever happens to this cluster; ``balancers`` are those in
    front of the nodes that tell of them; ``resolvers`` are DNS servers to compare with this machine's own.
    """

    name: str
    target: Target
    configured: bool
    credentials: CredentialKind = CredentialKind.NONE
    aliases: tuple[str, ...] = ()
    nodes: tuple[Endpoint, ...] = ()
    controls: tuple[Endpoint, ...] = ()
    resolvers: tuple[str, ...] = ()
    provider: str | None = None
    prometheus_url: str | None = None
    balancers: tuple[Balancer, ...] = ()
    kubeconfig_context: str | None = None

    @property
    def asked_as(self) -> str:
        """What to type to ask about it."""
        return self.name if self.configured else self.target.url

    @property
    def called(self) -> str:
        """What people call it: its name, or, since that of a bare URL is made up, the URL's host and port."""
        return self.name if self.configured else str(Endpoint(host=self.target.host, port=self.target.port))
