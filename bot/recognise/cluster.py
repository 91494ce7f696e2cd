"""What pasted text says about where to look: the cluster that is meant, by its name or by an address.

Only what is sure is taken: a URL, the server that kubectl names, the peer of a connection. A DNS server's address in an
error is not the API server's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.config import Config
from bot.document import did_you_mean
from bot.errors import UsageError
from bot.model.recognised import About, Recognised
from bot.model.target import Cluster, Target
from bot.recognise.addresses import is_inside
from bot.recognise.wish import PASTED_WORDS

_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)"
_URL = re.compile(r"https?://[^\s\"'<>`,;)\]]*(?:\][^\s\"'<>`,;)]*)?", re.I)
_API_PATH = re.compile(r"/(?:api|apis|version|healthz|livez|readyz|openapi|metrics|logs)(?:/.*)?$", re.S)
# In the order of how sure it is that this is the API server.
_PEERS = (
    re.compile(rf"connection to the server ({_HOST}(?::\d{{1,5}})?) was refused", re.I),
    re.compile(rf"->({_HOST}:\d{{1,5}})\b"),
    re.compile(rf"dial tcp:? ({_HOST}:\d{{1,5}})\b", re.I),
    re.compile(rf"lookup ({_HOST})(?=[\s:]|$)", re.I),
    re.compile(rf"(?<![\w.:/@-])({_HOST}:\d{{2,5}})(?![\w:.]\d|\w)"),
)
_NAME_OR_PLACE = re.compile(rf"{_HOST}(?::\d{{1,5}})?")
_DNS_SERVER = re.compile(r"(lookup \S+) on \S+", re.I)
_SOURCE_FILE = re.compile(r"\.(?:go|py|js|c|rs|java|yaml|yml):\d+$", re.I)


def cluster_meant(
    words: Sequence[str], config: Config, *, channel: str | None = None, recognised: Recognised | None = None
) -> Cluster:
    """The cluster that is meant: by the name that comes first, by an address anywhere in the words, else the channel's own.
    ``recognised`` is what the words were recognised as, if they were pasted: then it says which address is the API server's.
    Raises UsageError, which says what was not understood and the nearest right thing."""
    default = config.default_for(channel)
    if not words:
        if default is None:
            todo = "type /apidown CLUSTER or /apidown https://HOST:6443"
            raise UsageError("which cluster?", nearest=_known(config, channel), next=todo)
        return default.cluster()
    unknown: UsageError | None = None
    try:
        return config.cluster_named(words[0], channel).cluster()
    except UsageError as error:
        unknown = error
    known = recognised is not None and recognised.about in (About.API_SERVER, About.BEHIND)
    found = _by_address(words, config, channel, recognised if known else None, has_default=default is not None)
    if found is not None:
        return found
    names = [name for one in config.clusters.values() for name in (one.name, *one.aliases)]
    mistyped = words[0].lower() in names or (not known and did_you_mean(words[0].lower(), names))
    if default is not None and (len(words) >= PASTED_WORDS or known) and not mistyped:
        return default.cluster()
    if known and not mistyped:
        todo = "type the cluster's name or the server's URL in front of it"
        raise UsageError("the text does not say which API server it is about", nearest=_known(config, channel), next=todo)
    raise type(unknown)(unknown.what, nearest=unknown.nearest, next="type /apidown CLUSTER, a server's URL, or /apidown help")


def _known(config: Config, channel: str | None) -> str:
    known = config.clusters_for(channel)
    return f"the clusters are {', '.join(known)}" if known else "no clusters are configured"


def _by_address(
    words: Sequence[str], config: Config, channel: str | None, recognised: Recognised | None, *, has_default: bool
) -> Cluster | None:
    """The configured cluster that has one of the addresses in the text, else the ad-hoc one of the recognised or the first
    address: a link to a manual may stand before the server's own. Without a port a name is only looked for among those
    configured. What is behind an API server has an address of its own; and one that pods alone have means the default."""
    found = [(text, *_host_and_port(text)) for text in _addresses(" ".join(words))]
    places = _places(config)
    for _, host, port in found:
        named = next((name for name, place in places if host == place[0] and port in (None, place[1])), None)
        if named is not None:
            return config.cluster_named(named, channel).cluster()
    if recognised is not None:
        inside = has_default and recognised.address is not None and is_inside(recognised.address)
        if recognised.address is None or recognised.about is About.BEHIND or inside:
            return None
        host, port = _host_and_port(recognised.address)
        if port is not None:
            ours = [(text, *place) for text, *place in found if tuple(place) == (host, port)]
            found = [*ours, (recognised.address, host, port)]
    url = next((text if "://" in text else f"https://{text}" for text, _, port in found if port is not None), None)
    return None if url is None else config.ad_hoc(url, channel)


def _addresses(text: str) -> list[str]:
    text = _DNS_SERVER.sub(r"\1", text)
    urls = [_server_of(match[0]) for match in _URL.finditer(text)]
    peers = [match[1] for pattern in _PEERS for match in pattern.finditer(text) if not _SOURCE_FILE.search(match[1])]
    names = [text] if _NAME_OR_PLACE.fullmatch(text) and set(text) & set(".:") else []
    return [*urls, *peers, *names]


def _server_of(url: str) -> str:
    """The server's URL out of a request's: no query, no API path, no dot that ends a sentence."""
    return _API_PATH.sub("", url.partition("?")[0].partition("#")[0].rstrip(".:")).rstrip("/")


def _host_and_port(text: str) -> tuple[str, int | None]:
    if "://" in text:
        target = Target.from_url(text)
        return target.host.lower(), target.port
    match = re.fullmatch(rf"({_HOST})(?::(\d+))?", text)
    if match is None or int(match[2] or 1) > 65535:
        raise UsageError(f"{text!r} is not the address of a server", next="type a URL such as https://api.example.com:6443")
    return match[1].strip("[]").lower(), int(match[2]) if match[2] else None


def _places(config: Config) -> list[tuple[str, tuple[str, int]]]:
    """Every address a configured cluster is known by, with the cluster's name."""
    places = []
    for one in config.clusters.values():
        target = one.cluster().target
        if target.host:
            places.append((one.name, (target.host.lower(), target.port)))
        places += [(one.name, (node.host.lower(), node.port)) for node in one.nodes]
    return places
