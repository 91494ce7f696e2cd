"""The clusters, channels and people of one YAML file: an immutable snapshot that is swapped whole on reload.

Only the file itself is judged here. The kubeconfigs, certificates and tokens it names are read when an investigation needs
them (``bot.adapters.kubeconfig``), because they rotate, and because the bot starts while they are missing. So the snapshot
holds definitions and paths, and no secret. Paths are relative to the file. Keys marked ? may be left out.

.. code-block:: yaml

    clusters?:
      prod:                              # the name people type; one of the three ways to reach it:
        kubeconfig: prod.kubeconfig      #   1. a kubeconfig
        context?: prod-admin             #      left out: its current-context
        server: https://api.prod:6443    #   2. a server
        ca?: prod-ca.crt                 #      a file or the PEM text; left out: the system's trust store
        token_file?: token
        client_certificate?: bot.crt     #      with client_key
        client_key?: bot.key
        tls_server_name?: api.prod
        proxy_url?: http://proxy:3128
        in_cluster: true                 #   3. the cluster the bot runs in, by its service account
        aliases?: [production]
        nodes?: ["10.0.0.11:6443"]       # control-plane nodes, asked directly
        controls?: ["10.0.0.1:443"]      # endpoints that answer whatever happens to this cluster
        resolvers?: ["10.0.0.53"]        # DNS servers to compare with this machine's own
        provider?: aws
        balancer?: {haproxy: "https://lb:8404/stats", backend?: kube-*, user?: ann, password_file?: lb.password, ca?: lb.crt}
        prometheus?: http://prometheus:9090     # or a mapping, with url and whatever is needed of:
          # token_file, or username and password_file; ca, proxy_url, tenant; match: labels; jobs: names of scrape jobs
        etcd?: {endpoints: ["10.0.0.11:2379"], scheme?: https, ca?: etcd-ca.crt, client_certificate?: e.crt, client_key?: e.key}
        channels?: [C0123ABCD]           # channels whose default cluster this is
        incident_channel?: C0789IJKL     # where alerts start an investigation; left out: the first of its channels
    channels?:
      C0123ABCD: {cluster?: prod, allow_clusters?: [prod, staging], bare_urls?: refuse}
    bare_urls?: allow                    # or refuse: whether a channel may ask about servers that are not listed here
    may_start?: {users?: [U0123ABCD], groups?: [S0123ABCD]}     # left out: everybody
    alerts?:                             # what starts an investigation by itself
        names?: [KubeAPIDown, {name: TargetDown, labels?: {job: apiserver}, for?: 10m}]
        cluster_label?: cluster          # the label that names the cluster
        default_cluster?: prod           # of alerts without that label; left out: the only one there is
    controls?: ["1.1.1.1:443"]           # for every cluster
    playbooks?: playbooks                # a folder of own playbooks and causes
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bot.config_form import AlertForm, AlertsForm, BalancerForm, BareUrls, ClusterForm, ConfigForm, PrometheusForm
from bot.document import Document, DocumentErrors, Problem, did_you_mean, read
from bot.errors import Refused, UsageError
from bot.form import validate
from bot.ids import adhoc_cluster
from bot.model.alert import DEFAULT_RULES, AlertRule, known_rule
from bot.model.base import Value
from bot.model.metrics import Monitoring, Role
from bot.model.target import Balancer, Cluster, CredentialKind, Endpoint, Etcd, Target


class PrometheusDefinition(Value):
    """Where a cluster's Prometheus is, as the file says, and where the credentials for it are. ``tenant`` is for those that
    hold the data of several (``X-Scope-OrgID``)."""

    url: str
    token_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    ca_pem: str | None = None
    proxy_url: str | None = None
    tenant: str | None = None
    monitoring: Monitoring = Monitoring()


class ClusterDefinition(Value):
    """One configured cluster as the file says: where its target and credentials are, not what they are.

    ``known_server`` is the URL that its kubeconfig gave when it was last read: what people paste is compared with it.
    """

    name: str
    kubeconfig: Path | None = None
    context: str | None = None
    server: str | None = None
    known_server: str | None = None
    ca_file: Path | None = None
    ca_pem: str | None = None
    token_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    tls_server_name: str | None = None
    proxy_url: str | None = None
    in_cluster: bool = False
    aliases: tuple[str, ...] = ()
    nodes: tuple[Endpoint, ...] = ()
    controls: tuple[Endpoint, ...] = ()
    resolvers: tuple[str, ...] = ()
    provider: str | None = None
    balancers: tuple[Balancer, ...] = ()
    etcd: Etcd | None = None
    prometheus: PrometheusDefinition | None = None
    incident_channel: str | None = None

    def cluster(self, target: Target | None = None, credentials: CredentialKind = CredentialKind.NONE) -> Cluster:
        """The cluster with what its files said. Without a target: as far as this file alone knows it, which for a
        kubeconfig is no host at all (an empty one)."""
        place = f"kubeconfig:{self.context or 'current-context'}" if self.kubeconfig else "in-cluster"
        server = self.server or self.known_server
        known = Target.from_url(server, server_name=self.tls_server_name, proxy_url=self.proxy_url) if server else None
        return Cluster(
            name=self.name,
            target=target or known or Target(url=place, scheme="https", host="", port=0, server_name=""),
            configured=True,
            credentials=credentials,
            aliases=self.aliases,
            nodes=self.nodes,
            controls=self.controls,
            resolvers=self.resolvers,
            provider=self.provider,
            balancers=self.balancers,
            prometheus_url=self.prometheus.url if self.prometheus else None,
            kubeconfig_context=self.context,
        )


class Channel(Value):
    """What is said of one channel. No allowed clusters means all of them; ``bare_urls`` None what the whole file says."""

    cluster: str | None = None
    allow_clusters: tuple[str, ...] = ()
    bare_urls: BareUrls | None = None


class Alerts(Value):
    """Which alerts start an investigation, and how an alert names its cluster."""

    rules: tuple[AlertRule, ...] = DEFAULT_RULES
    cluster_label: str = "cluster"
    default_cluster: str | None = None


def ad_hoc(url: str, controls: tuple[Endpoint, ...] = ()) -> Cluster:
    """The cluster of a bare URL: no credentials and none possible, and no authority to compare with. Raises UsageError for
    what is no server URL."""
    target = Target.from_url(url).model_copy(update={"authority_known": False})
    return Cluster(name=adhoc_cluster(target.url), target=target, configured=False, controls=controls)


@dataclass(frozen=True, kw_only=True)
class Config:
    """One validated file. A round keeps the snapshot it began with."""

    clusters: Mapping[str, ClusterDefinition] = field(default_factory=lambda: MappingProxyType({}))
    channels: Mapping[str, Channel] = field(default_factory=lambda: MappingProxyType({}))
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    alerts: Alerts = field(default_factory=Alerts)
    bare_urls: BareUrls = BareUrls.ALLOW
    controls: tuple[Endpoint, ...] = ()
    playbooks: Path | None = None

    @classmethod
    def empty(cls) -> Config:
        """No clusters: only bare URLs and kubeconfigs named on the command line can be investigated."""
        return cls()

    @classmethod
    def load(cls, path: Path) -> Config:
        """Reads and judges the file; raises DocumentErrors with everything that is wrong with it, and what to do."""
        try:
            return cls._read(path)
        except DocumentErrors as error:
            error.advise(_todo(path))
            raise

    @classmethod
    def _read(cls, path: Path) -> Config:
        document = read(path)
        form, problems = validate(document, ConfigForm, _cluster_names(document))
        everything = [*problems, *_repeated_names(document), *_repeated_channels(document), *_closed_channels(document)]
        if form is None or everything:
            raise DocumentErrors(everything)
        return _snapshot(form, path.absolute().parent)

    def cluster_named(self, text: str, channel: str | None = None) -> ClusterDefinition:
        """The cluster of this name or alias, whatever its case. Raises UsageError with the nearest name, or if the channel
        may not ask about it."""
        wanted = text.strip().lower()
        names = {name.lower(): one for one in self.clusters.values() for name in (one.name, *one.aliases)}
        reachable = {name: one for name, one in names.items() if self.may_ask(one.name, channel)}
        if found := reachable.get(wanted):
            return found
        known = f"the clusters are {', '.join(self.clusters_for(channel))}" if reachable else ""
        if wanted in names:
            raise Refused(f"cluster '{names[wanted].name}' is not for this channel", nearest=known)
        raise UsageError(f"there is no cluster '{text.strip()}'", nearest=did_you_mean(wanted, reachable) or known)

    def default_for(self, channel: str | None) -> ClusterDefinition | None:
        """The cluster meant in this channel when none is named; the only one there is, else None."""
        said = self.channels.get(channel or "", Channel()).cluster
        if said:
            return self.clusters[said]
        allowed = self.clusters_for(channel)
        return self.clusters[allowed[0]] if len(allowed) == 1 else None

    def cluster_of_alert(self, labels: Mapping[str, str]) -> ClusterDefinition:
        """The cluster that an alert with these labels is about. Raises UsageError when that cannot be told."""
        said = labels.get(self.alerts.cluster_label)
        if said:
            return self.cluster_named(said)
        default = self.alerts.default_cluster or (next(iter(self.clusters)) if len(self.clusters) == 1 else None)
        if default is None:
            raise UsageError(
                f"the alert has no label '{self.alerts.cluster_label}' that names its cluster",
                next="set alerts.cluster_label or alerts.default_cluster in the configuration",
            )
        return self.clusters[default]

    def incident_channel(self, cluster: str) -> str | None:
        """Where investigations are shown that nobody asked for in a channel: the one that is set, else the first channel
        whose cluster it is."""
        own = (channel for channel, said in self.channels.items() if said.cluster == cluster)
        return self.clusters[cluster].incident_channel or next(own, None)

    def may_ask(self, cluster: str, channel: str | None) -> bool:
        """Whether this channel may ask about, and is told of, this cluster."""
        allowed = self.channels.get(channel or "", Channel()).allow_clusters
        return not allowed or cluster in allowed

    def clusters_for(self, channel: str | None) -> tuple[str, ...]:
        """The names of the clusters that this channel may ask about, in their order."""
        return tuple(name for name in sorted(self.clusters) if self.may_ask(name, channel))

    def may_start(self, user: str, groups: Iterable[str] = ()) -> bool:
        """Whether this person, a member of these user groups, may start an investigation."""
        everybody = not self.users and not self.groups
        return everybody or user in self.users or not self.groups.isdisjoint(groups)

    def ad_hoc(self, url: str, channel: str | None = None) -> Cluster:
        """The cluster of a bare URL, with the controls of this file. Asked for in a channel it is guarded, and raises
        Refused where bare URLs are refused."""
        cluster = ad_hoc(url, self.controls)
        if channel is None:
            return cluster
        if (self.channels.get(channel, Channel()).bare_urls or self.bare_urls) is BareUrls.REFUSE:
            known = self.clusters_for(channel)
            raise Refused(
                f"{cluster.target.url} is no server of a configured cluster, and this channel asks about those only",
                nearest=f"the clusters are {', '.join(known)}" if known else "",
                next="add the server to the configuration, or run apidown investigate",
            )
        return cluster.model_copy(update={"target": cluster.target.model_copy(update={"guarded": True})})


def _todo(path: Path) -> str:
    named = shlex.quote(str(path))
    if path.exists():
        return f"mend it as docs/configuration.md shows, then apidown doctor --config {named}"
    return f"correct APIDOWN_CONFIG or --config, or write the file: apidown init --output {named}"


def _snapshot(form: ConfigForm, folder: Path) -> Config:
    channels = {channel: Channel(cluster=name) for name, one in form.clusters.items() for channel in one.channels}
    for channel, said in form.channels.items():
        default = said.cluster or channels.get(channel, Channel()).cluster
        channels[channel] = Channel(cluster=default, allow_clusters=said.allow_clusters, bare_urls=said.bare_urls)
    return Config(
        clusters=MappingProxyType({name: _definition(one, name, folder, form.controls) for name, one in form.clusters.items()}),
        channels=MappingProxyType(channels),
        users=frozenset(form.may_start.users),
        groups=frozenset(form.may_start.groups),
        alerts=_alerts(form.alerts),
        bare_urls=form.bare_urls,
        controls=form.controls,
        playbooks=_path(form.playbooks, folder),
    )


def _alerts(form: AlertsForm) -> Alerts:
    rules = DEFAULT_RULES if form.names is None else tuple(_rule(one) for one in form.names)
    return Alerts(rules=rules, cluster_label=form.cluster_label, default_cluster=form.default_cluster)


def _rule(form: AlertForm) -> AlertRule:
    """The rule as it is shipped, with what the file says instead."""
    known = known_rule(form.name)
    pending = known.pending if form.for_ is None else form.for_
    return known.model_copy(update={"labels": form.labels, "pending": pending})


def _definition(form: ClusterForm, name: str, folder: Path, controls: tuple[Endpoint, ...]) -> ClusterDefinition:
    pem = form.ca if form.ca and "-----BEGIN" in form.ca else None
    return ClusterDefinition(
        name=name,
        kubeconfig=_path(form.kubeconfig, folder),
        context=form.context,
        server=form.server,
        ca_file=None if pem else _path(form.ca, folder),
        ca_pem=pem,
        token_file=_path(form.token_file, folder),
        client_certificate=_path(form.client_certificate, folder),
        client_key=_path(form.client_key, folder),
        tls_server_name=form.tls_server_name,
        proxy_url=form.proxy_url,
        in_cluster=form.in_cluster,
        aliases=form.aliases,
        nodes=form.nodes,
        controls=tuple(dict.fromkeys([*form.controls, *controls])),
        resolvers=form.resolvers,
        provider=form.provider,
        balancers=tuple(_balancer(one, folder) for one in form.balancer),
        prometheus=_prometheus(form.prometheus, folder),
        etcd=form.etcd.located(lambda text: _path(text, folder)) if form.etcd else None,
        incident_channel=form.incident_channel,
    )


def _prometheus(form: PrometheusForm | None, folder: Path) -> PrometheusDefinition | None:
    if form is None:
        return None
    pem = form.ca if form.ca and "-----BEGIN" in form.ca else None
    jobs = {role: patterns for role in Role if (patterns := getattr(form.jobs, role.value))}
    return PrometheusDefinition(
        url=form.url.rstrip("/"),
        token_file=_path(form.token_file, folder),
        username=form.username,
        password_file=_path(form.password_file, folder),
        ca_file=None if pem else _path(form.ca, folder),
        ca_pem=pem,
        proxy_url=form.proxy_url,
        tenant=form.tenant,
        monitoring=Monitoring(match=form.match, jobs=jobs),
    )


def _balancer(form: BalancerForm, folder: Path) -> Balancer:
    def file(text: str | None) -> str | None:
        path = _path(text, folder)
        return None if path is None else str(path)

    return Balancer(
        url=form.haproxy, backend=form.backend, user=form.user, password_file=file(form.password_file), ca_file=file(form.ca)
    )


def _path(text: str | None, folder: Path) -> Path | None:
    return folder / Path(text).expanduser() if text else None


def _raw(document: Document, key: str) -> dict[str, dict[str, Any]]:
    """The entries of a section as they stand, so that a mistake elsewhere does not hide one between them."""
    section = document.data.get(key) if isinstance(document.data, dict) else None
    entries = section.items() if isinstance(section, dict) else ()
    return {name: entry for name, entry in entries if isinstance(entry, dict)}


def _cluster_names(document: Document) -> frozenset[str]:
    return frozenset(_raw(document, "clusters"))


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]


def _repeated_names(document: Document) -> Iterator[Problem]:
    clusters = _raw(document, "clusters")
    taken = {name.lower(): name for name in clusters}
    for name, entry in clusters.items():
        for index, alias in enumerate(_texts(entry.get("aliases"))):
            other = taken.setdefault(alias.lower(), name)
            if other != name or alias.lower() == name:
                where = document.where(("clusters", name, "aliases", index))
                yield document.problem(where, f"'{alias}' is a name of cluster '{other}' already")


def _repeated_channels(document: Document) -> Iterator[Problem]:
    channels = _raw(document, "channels").items()
    taken = {channel: said["cluster"] for channel, said in channels if isinstance(said.get("cluster"), str)}
    for name, entry in _raw(document, "clusters").items():
        for index, channel in enumerate(_texts(entry.get("channels"))):
            other = taken.setdefault(channel, name)
            if other != name:
                where = document.where(("clusters", name, "channels", index))
                yield document.problem(where, f"the default cluster of {channel} is '{other}' already")


def _closed_channels(document: Document) -> Iterator[Problem]:
    channels = _raw(document, "channels")
    for name, entry in _raw(document, "clusters").items():
        channel = entry.get("incident_channel")
        allowed = _texts(channels.get(channel, {}).get("allow_clusters", [])) if isinstance(channel, str) else []
        if allowed and name not in allowed:
            where = document.where(("clusters", name, "incident_channel"))
            yield document.problem(where, f"{channel} may not ask about '{name}'", "add it to the channel's allow_clusters")
