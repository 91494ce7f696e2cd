"""The HTTP proxy of the environment, as kubectl and every other Go client take it where the kubeconfig names none.

The rules are those of golang.org/x/net/http/httpproxy: the URL's scheme says which variable counts, names of this machine
and loopback addresses never go through a proxy, and NO_PROXY lists what else does not.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from bot.model.base import Value
from bot.model.target import Target


class EnvironmentProxy(Value):
    """``variable`` named it; ``url`` may have a password in it."""

    variable: str
    url: str


def proxy_for(target: Target, environment: Mapping[str, str]) -> EnvironmentProxy | None:
    """The proxy that clients with this environment reach the target through; None when they go straight."""
    upper = f"{target.scheme.upper()}_PROXY"
    named = next(((name, environment[name]) for name in (upper, upper.lower()) if environment.get(name)), None)
    if named is None or _is_excepted(target.host, target.port, environment.get("NO_PROXY") or environment.get("no_proxy") or ""):
        return None
    return EnvironmentProxy(variable=named[0], url=_whole(named[1]))


def _whole(text: str) -> str:
    """A proxy that is written without a scheme is an HTTP one."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    return text if parts.scheme and parts.netloc else f"http://{text}"


def _is_excepted(host: str, port: int, exceptions: str) -> bool:
    host = host.strip().lower()
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    words = [word for word in (part.strip().lower() for part in exceptions.split(",")) if word]
    return "*" in words or any(_matches(word, host, port, address) for word in words)


def _matches(word: str, host: str, port: int, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
    """One word of the list: a network, an address, or a name, which stands for those below it, too. Port is for the last two."""
    if "/" in word:
        try:
            return address is not None and address in ipaddress.ip_network(word, strict=False)
        except ValueError:
            pass
    name, only = _split(word)
    if only not in (None, str(port)):
        return False
    listed = _address(name)
    if listed is not None:
        return listed == address
    name = name.removeprefix("*") if name.startswith("*.") else name
    if name.startswith("."):
        return host.endswith(name)
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _split(word: str) -> tuple[str, str | None]:
    """Name and port; an IPv6 address has colons of its own, and stands in brackets where it has a port."""
    if word.startswith("["):
        name, _, rest = word[1:].partition("]")
        return name, rest.removeprefix(":") or None
    if word.count(":") == 1:
        name, _, only = word.partition(":")
        return name, only
    return word, None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
