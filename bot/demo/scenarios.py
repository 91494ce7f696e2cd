"""The rehearsals: each a loopback cluster with one fault, its kubeconfig, and the cause that the verdict should name."""

from __future__ import annotations

import base64
import json
import secrets
import socket
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from bot.demo.pki import Authority, Pair
from bot.demo.server import Behaviour, api_server
from bot.document import did_you_mean
from bot.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """A running rehearsal: the kubeconfig that a user of this cluster would have, as text, and a loopback endpoint that
    always answers, for the negative control."""

    kubeconfig: str
    control_port: int


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One fault. ``cause`` is the id that the verdict names first. ``serving`` makes the certificate, ``known_ca`` the
    authority in the kubeconfig where it is another one, ``token`` what the kubeconfig holds where it is wrong, ``server_name``
    the name that the certificate must have where it is not the address."""

    name: str
    title: str
    cause: str
    listens: bool = True
    silent: bool = False
    closing: bool = False
    failing: tuple[str, ...] = ()
    wrong_token: bool = False
    other_authority: bool = False
    server_name: str | None = None
    serving: Callable[[Authority], Pair] = lambda authority: authority.server(["127.0.0.1", "localhost"])


def _expired(authority: Authority) -> Pair:
    now = datetime.now(UTC)
    return authority.server(["127.0.0.1", "localhost"], not_before=now - timedelta(days=366), not_after=now - timedelta(hours=7))


_ALL = (
    Scenario(name="refused", title="nothing listens on the API server's port", cause="apiserver-not-running", listens=False),
    Scenario(name="tls-silent", title="the port accepts connections and never answers", cause="apiserver-hung", silent=True),
    Scenario(
        name="no-backend",
        title="the balancer in front takes connections and has no API server to give them to",
        cause="lb-no-healthy-backend",
        closing=True,
    ),
    Scenario(
        name="certificate-expired",
        title="the serving certificate expired seven hours ago",
        cause="serving-certificate-expired",
        serving=_expired,
    ),
    Scenario(
        name="wrong-name",
        title="the serving certificate is for another name",
        cause="serving-certificate-name-mismatch",
        serving=lambda authority: authority.server(["api.example.com", "192.0.2.10"]),
    ),
    Scenario(
        name="unknown-ca",
        title="the cluster was rebuilt with a new CA",
        cause="ca-mismatch",
        other_authority=True,
        server_name="api.example.com",
        serving=lambda authority: authority.server(["api.example.com"]),
    ),
    Scenario(name="unauthorized", title="the API server refuses the credentials", cause="token-rejected", wrong_token=True),
    Scenario(name="etcd-failing", title="the API server cannot reach etcd", cause="etcd-unavailable", failing=("etcd",)),
    Scenario(name="healthy", title="everything answers as it should", cause="healthy"),
)

SCENARIOS: Mapping[str, Scenario] = MappingProxyType({scenario.name: scenario for scenario in _ALL})
DEFAULT = "refused"


def scenario_named(name: str) -> Scenario:
    """The scenario, or a UsageError that lists them."""
    found = SCENARIOS.get(name)
    if found is None:
        raise UsageError(
            f"there is no scenario '{name}'",
            nearest=did_you_mean(name, SCENARIOS) or f"the scenarios are {', '.join(SCENARIOS)}",
            next="apidown demo list",
        )
    return found


@asynccontextmanager
async def rehearse(scenario: Scenario) -> AsyncGenerator[Rehearsal]:
    """Runs the scenario's servers on loopback until the block is left."""
    authority = Authority()
    known = Authority() if scenario.other_authority else authority
    token = secrets.token_urlsafe(24)
    async with AsyncExitStack() as stack:
        behaviour = Behaviour(
            serving=scenario.serving(authority),
            client_ca=authority.pem,
            token=token,
            silent=scenario.silent,
            closing=scenario.closing,
            failing=scenario.failing,
        )
        healthy = Behaviour(serving=authority.server(["127.0.0.1"]), client_ca=authority.pem, token=token)
        control_port = await stack.enter_async_context(api_server(healthy))
        if scenario.listens:
            port = await stack.enter_async_context(api_server(behaviour))
        else:
            port = stack.enter_context(_reserved())
        shown = secrets.token_urlsafe(24) if scenario.wrong_token else token
        yield Rehearsal(kubeconfig=_kubeconfig(port, known.pem, shown, scenario.server_name), control_port=control_port)


@contextmanager
def _reserved() -> Generator[int]:
    """A loopback port that is taken but has no listener, so that connecting to it is refused."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def _kubeconfig(port: int, ca_pem: str, token: str, server_name: str | None) -> str:
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": base64.b64encode(ca_pem.encode()).decode()}
    if server_name:
        cluster["tls-server-name"] = server_name
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "demo",
            "clusters": [{"name": "demo", "cluster": cluster}],
            "users": [{"name": "on-call", "user": {"token": token}}],
            "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": "on-call"}}],
        }
    )
