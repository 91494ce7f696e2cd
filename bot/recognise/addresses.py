"""The address in a text: of what was asked and did not answer as it should."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.recognise.places import API_PATH, SERVICE_ADDRESS

_HOST = r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)"
_URL = re.compile(rf"(?P<scheme>https?)://(?P<host>{_HOST})(?::(?P<port>\d{{1,5}}))?(?![\w.-])", re.IGNORECASE)
_API_REQUEST = re.compile(rf"(?:/k8s/clusters/[\w-]{{1,80}})?{API_PATH}|/(?:version|healthz|livez|readyz)\b", re.IGNORECASE)
# In the order of how sure it is that this is what was asked.
_SERVER = re.compile(rf"connection to the server ({_HOST})(?::(\d{{1,5}}))?", re.IGNORECASE)
_PEERS = (
    re.compile(rf"->({_HOST}):(\d{{1,5}})\b"),
    re.compile(rf"dial tcp:? ({_HOST}):(\d{{1,5}})\b", re.IGNORECASE),
    re.compile(rf"host='({_HOST})', port=(\d{{1,5}})"),
    re.compile(rf"connect to ({_HOST}) port (\d{{1,5}})", re.IGNORECASE),
)
_NAMES = (
    re.compile(rf"lookup ({_HOST})()(?=[\s:]|$)", re.IGNORECASE),
    re.compile(rf"could not resolve host:? ({_HOST})()", re.IGNORECASE),
    re.compile(rf"(?<![\w.:/@-])({_HOST}):(\d{{2,5}})(?![\w:.]\d|\w)"),
)
_NO_HOST = re.compile(r"\.(?:go|py|js|c|rs|java|yaml|yml)$|^\d{1,4}$|^\d{4}-\d\d-\d\dT|^(?:line|code|pid|port)$", re.IGNORECASE)
_DNS = re.compile(r"(lookup \S{1,300}) on \S{1,100}", re.IGNORECASE)
# Where clients get their credentials: what a kubeconfig's plugin cannot reach is not the API server.
_SIGN_IN = re.compile(r"(?:^|\.)(?:google|googleapis|microsoftonline|windows|okta)\.(?:com|net)$|^sts\.|^oidc\.", re.IGNORECASE)
_INSIDE = re.compile(rf"{SERVICE_ADDRESS}:443|kubernetes(?:\.default\S{{0,40}})?(?::443)?", re.IGNORECASE)


def address_in(text: str) -> str | None:
    """HOST:PORT, or HOST where no port is told; None where the text names no address."""
    return next(_addresses(_DNS.sub(r"\1", text)), None)


def is_inside(address: str) -> bool:
    """Whether it is the address that pods have of the API server: elsewhere it means nothing."""
    return _INSIDE.fullmatch(address) is not None


def _addresses(text: str) -> Iterator[str]:
    urls = [url for url in _URL.finditer(text) if not _SIGN_IN.search(url["host"])]
    yield from (_of_url(url) for url in urls if _API_REQUEST.match(text, url.end()))
    yield from _of((_SERVER,), text)
    yield from _of(_PEERS, text)
    yield from map(_of_url, urls)
    yield from _of(_NAMES, text)


def _of(forms: tuple[re.Pattern[str], ...], text: str) -> Iterator[str]:
    for form in forms:
        for match in form.finditer(text):
            host, port = match[1], match[2]
            if not _NO_HOST.search(host) and not _SIGN_IN.search(host) and int(port or 1) <= 65535:
                yield f"{host}:{port}" if port else host


def _of_url(url: re.Match[str]) -> str:
    return f"{url['host']}:{url['port'] or (443 if url['scheme'].lower() == 'https' else 80)}"
