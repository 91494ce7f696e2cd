"""Turns a cluster's definition into its target and credentials, reading the files it names at that moment."""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from bot.adapters.kubeconfig.balancers import balancer_access
from bot.adapters.kubeconfig.credentials import FileCredentials
from bot.adapters.kubeconfig.etcd import etcd_access
from bot.adapters.kubeconfig.files import Entry, Pem, User, read_entry
from bot.adapters.kubeconfig.monitoring import metrics_access, secrets_of
from bot.adapters.kubeconfig.proxies import proxy_for
from bot.clock import Clock, SystemClock
from bot.config import ClusterDefinition, Config
from bot.errors import ConfigError, UsageError
from bot.model.base import Json
from bot.model.target import Cluster, CredentialKind, Endpoint, Target
from bot.ports import ClusterAccess, MetricsAccess
from bot.settings import Settings

_MAX_CA = 1024 * 1024


SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts a pod's own token and CA."""


class FileDirectory:
    """``ports.Directory`` over the configuration that is current when it is asked."""

    def __init__(self, config: Callable[[], Config], settings: Settings, *, clock: Clock | None = None) -> None:
        self._config = config
        self._settings = settings
        self._clock = clock

    async def access(self, cluster: Cluster) -> ClusterAccess:
        """Raises ConfigError only when the files give no server and none was known before."""
        if not cluster.configured:
            return ClusterAccess(cluster=cluster)
        definition = self._config().clusters.get(cluster.name)
        if definition is None:
            return _as_known(cluster, f"Cluster {cluster.name} is not configured any more, so its credentials are not used.")
        try:
            return await asyncio.to_thread(resolve, definition, self._settings, clock=self._clock)
        except (ConfigError, UsageError) as error:
            if not cluster.target.host:
                raise
            place = f"{error.where}: " if error.where else ""
            known = _as_known(cluster, f"The cluster's files cannot be used, so no credentials are: {place}{error.what}.")
            metrics = await asyncio.to_thread(metrics_access, definition.prometheus, self._settings.proxy_environment())
            balancers = tuple([await asyncio.to_thread(balancer_access, one) for one in definition.balancers])
            etcd = await asyncio.to_thread(etcd_access, definition.etcd, clock=self._clock or SystemClock())
            others = _secrets_of(metrics).union(*(one.secrets for one in balancers))
            return replace(known, metrics=metrics, balancers=balancers, etcd=etcd, secrets=lambda: others)


def with_known_servers(config: Config, settings: Settings) -> Config:
    """The configuration with the server of every kubeconfig that can be read now, so that a pasted address is recognised as
    the cluster it belongs to. A file that cannot be read leaves its cluster as it is: it is read again for each round."""
    clusters = {name: _with_known_server(definition, settings) for name, definition in config.clusters.items()}
    return replace(config, clusters=MappingProxyType(clusters))


def _with_known_server(definition: ClusterDefinition, settings: Settings) -> ClusterDefinition:
    if definition.server:
        return definition
    try:
        return definition.model_copy(update={"known_server": resolve(definition, settings).cluster.target.url})
    except (ConfigError, UsageError):
        return definition


def from_kubeconfig(
    path: Path | None, context: str | None, settings: Settings, *, name: str | None = None, clock: Clock | None = None
) -> ClusterAccess:
    """The cluster of a kubeconfig's context as kubectl would take it; without a path, of the settings' files. Its name is the
    context's, made fit for a name. Raises as ``resolve`` does."""
    entry = read_entry([path] if path else settings.kubeconfig_files, context)
    slug = re.sub(r"[^a-z0-9._-]+", "-", entry.context.lower()).strip("-._")[:63] or "kubeconfig"
    definition = ClusterDefinition(name=name or slug, kubeconfig=path, context=entry.context)
    return _access(definition, entry, settings, clock)


def resolve(
    definition: ClusterDefinition, settings: Settings, *, clock: Clock | None = None, account: Path = SERVICE_ACCOUNT
) -> ClusterAccess:
    """The cluster and its credentials as the files say now. Raises ConfigError when they give no server, and UsageError when
    the server they give is no URL; everything else that is wrong is in ``problems``."""
    if definition.in_cluster:
        entry = _in_cluster_entry(settings, account)
    elif definition.server:
        entry = _server_entry(definition, definition.server)
    else:
        paths = [definition.kubeconfig] if definition.kubeconfig else settings.kubeconfig_files
        entry = read_entry(paths, definition.context)
    return _access(definition, entry, settings, clock)


def _access(definition: ClusterDefinition, entry: Entry, settings: Settings, clock: Clock | None) -> ClusterAccess:
    problems = list(entry.problems)
    ca_pem = _ca(entry.ca, problems)
    target = Target.from_url(entry.server, server_name=entry.tls_server_name, ca_pem=ca_pem, proxy_url=entry.proxy_url)
    target = target.model_copy(update={"authority_known": ca_pem is not None or not entry.ca})
    info = _cluster_info(target, ca_pem)
    credentials = FileCredentials(
        entry.user, clock=clock or SystemClock(), environment=settings.child_environment(), cluster=info
    )
    # Without the authority that was meant, the system's would vouch for strangers: who they are can be looked at, but they
    # get no credentials.
    usable = entry.user != User() and target.authority_known
    cluster = definition.cluster(target, credentials.kind if usable else CredentialKind.NONE)
    if definition.kubeconfig or entry.context:
        cluster = cluster.model_copy(update={"kubeconfig_context": entry.context or definition.context})
    metrics = metrics_access(definition.prometheus, settings.proxy_environment())
    balancers = tuple(balancer_access(one) for one in definition.balancers)
    others = password_of(target.proxy_url) | _secrets_of(metrics).union(*(one.secrets for one in balancers))
    return ClusterAccess(
        cluster=cluster,
        credentials=credentials if usable else None,
        problems=tuple(problems),
        secrets=lambda: credentials.secrets() | others,
        metrics=metrics,
        balancers=balancers,
        etcd=etcd_access(definition.etcd, clock=clock or SystemClock()),
    )


def _secrets_of(metrics: MetricsAccess | None) -> frozenset[str]:
    return secrets_of(metrics) | password_of(metrics.proxy_url if metrics else None)


def as_clients_here(access: ClusterAccess, settings: Settings) -> ClusterAccess:
    """The same access through the proxy that kubectl would take from this process's environment, where the cluster's own
    configuration names none. For who asks in a terminal: a bot's environment is about its way to Slack."""
    target = access.cluster.target
    found = proxy_for(target, settings.proxy_environment()) if target.proxy_url is None else None
    if found is None:
        return access
    target = target.model_copy(update={"proxy_url": found.url, "proxy_variable": found.variable})
    where = target.proxy or "an address that cannot be read"
    note = f"The server is asked through the proxy {where}, as kubectl would: {found.variable} in the environment says so."
    own, secrets = access.secrets, password_of(found.url)
    return replace(
        access,
        cluster=access.cluster.model_copy(update={"target": target}),
        notes=(*access.notes, note),
        secrets=lambda: own() | secrets,
    )


def password_of(url: str | None) -> frozenset[str]:
    """The password in a URL, as it is and as it is written there."""
    try:
        written = urlsplit(url or "").password
    except ValueError:
        written = None
    return frozenset({written, unquote(written)} if written else ())


def _as_known(cluster: Cluster, problem: str) -> ClusterAccess:
    # The CA is not in the log that the cluster may come from; whether there was one is not known either.
    target = cluster.target.model_copy(update={"authority_known": cluster.target.ca_pem is not None})
    return ClusterAccess(cluster=cluster.model_copy(update={"target": target}), problems=(problem,))


def _server_entry(definition: ClusterDefinition, server: str) -> Entry:
    pem = definition.ca_pem.encode() if definition.ca_pem else b""
    user = User(
        token_file=definition.token_file,
        certificate=Pem(path=definition.client_certificate),
        key=Pem(path=definition.client_key),
    )
    return Entry(
        context="",
        server=server,
        ca=Pem(data=pem, path=definition.ca_file),
        tls_server_name=definition.tls_server_name,
        proxy_url=definition.proxy_url,
        user=user,
    )


def _in_cluster_entry(settings: Settings, account: Path) -> Entry:
    address = settings.kubernetes_service_host
    if address is None:
        raise ConfigError("this process does not run in a pod, so it has no service account", next="use kubeconfig or server")
    server = f"https://{Endpoint(host=address, port=settings.kubernetes_service_port)}"
    return Entry(context="", server=server, ca=Pem(path=account / "ca.crt"), user=User(token_file=account / "token"))


def _ca(ca: Pem, problems: list[str]) -> str | None:
    """The bundle's PEM text, if TLS can use it."""
    if not ca:
        return None
    try:
        content = ca.data or _file(ca.path)
        text = content.decode("ascii", errors="ignore")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else "it is no certificate"
        where = f" {ca.path}" if ca.path else ""
        problems.append(
            f"The CA{where} cannot be used ({reason}): the system's is used in its place, and no credentials are sent."
        )
        return None
    return text


def _file(path: Path | None) -> bytes:
    assert path is not None
    with path.open("rb") as file:
        return file.read(_MAX_CA)


def _cluster_info(target: Target, ca_pem: str | None) -> Json:
    """What an exec plugin is told of the cluster if it asks."""
    info: Json = {"server": target.url}
    if target.server_name != target.host:
        info["tls-server-name"] = target.server_name
    if ca_pem:
        info["certificate-authority-data"] = base64.b64encode(ca_pem.encode()).decode()
    if target.proxy_url:
        info["proxy-url"] = target.proxy_url
    return info
