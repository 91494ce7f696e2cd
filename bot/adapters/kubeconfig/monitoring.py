"""A cluster's Prometheus for one round: its files are read at that moment, as the cluster's own are."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from pathlib import Path

from bot.adapters.kubeconfig.plugin import is_token
from bot.adapters.kubeconfig.proxies import proxy_for
from bot.config import PrometheusDefinition
from bot.errors import UsageError
from bot.model.target import Target
from bot.ports import MetricsAccess

_MAX_FILE = 1024 * 1024


class _Unusable(Exception):
    """A file that is named and cannot be used; the message says which and why."""


def metrics_access(given: PrometheusDefinition | None, environment: Mapping[str, str]) -> MetricsAccess | None:
    """How it is asked. ``environment`` are the variables that name a proxy, for where the configuration names none. A file that
    cannot be read is the ``problem``: nothing is then asked, rather than asked as somebody else."""
    if given is None:
        return None
    headers = {"X-Scope-OrgID": given.tenant} if given.tenant else {}
    try:
        headers |= _authorization(given)
        ca_pem = _authority(given)
    except _Unusable as error:
        return MetricsAccess(url=given.url, problem=str(error), monitoring=given.monitoring)
    return MetricsAccess(
        url=given.url,
        headers=headers,
        ca_pem=ca_pem,
        proxy_url=given.proxy_url or _proxy(given.url, environment),
        monitoring=given.monitoring,
    )


def secrets_of(access: MetricsAccess | None) -> frozenset[str]:
    """The values that nothing may show."""
    said = access.headers.get("Authorization", "") if access else ""
    secret = said.partition(" ")[2]
    if said.startswith("Basic "):
        return frozenset({secret, base64.b64decode(secret).decode().partition(":")[2]})
    return frozenset({secret} if secret else ())


def _authorization(given: PrometheusDefinition) -> dict[str, str]:
    if given.token_file is not None:
        token = _text(given.token_file, "token")
        if not is_token(token):
            raise _Unusable(f"the token in {given.token_file} has characters that no token has")
        return {"Authorization": f"Bearer {token}"}
    if given.username is None or given.password_file is None:
        return {}
    password = _text(given.password_file, "password")
    return {"Authorization": f"Basic {base64.b64encode(f'{given.username}:{password}'.encode()).decode()}"}


def _authority(given: PrometheusDefinition) -> str | None:
    pem = _text(given.ca_file, "CA") if given.ca_file else given.ca_pem
    if pem is None:
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.encode("ascii", "ignore").decode())
    except (OSError, ValueError) as error:
        raise _Unusable(f"the CA{f' {given.ca_file}' if given.ca_file else ''} for Prometheus is no certificate") from error
    return pem


def _text(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE).decode()
    except OSError as error:
        raise _Unusable(f"the {what} file {path} for Prometheus cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _Unusable(f"the {what} file {path} for Prometheus is not text") from error
    text = text if what == "CA" else text.strip()
    if not text:
        raise _Unusable(f"the {what} file {path} for Prometheus is empty")
    return text


def _proxy(url: str, environment: Mapping[str, str]) -> str | None:
    try:
        found = proxy_for(Target.from_url(url), environment)
    except UsageError:
        return None
    return found.url if found else None
