"""The YAML form of the configuration file; ``bot.config`` describes it in words.

The context of its validation is the set of cluster names in the file, so that a wrong reference is told from a wrong cluster.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, StrictBool, ValidationInfo

from bot.document import did_you_mean
from bot.errors import UsageError
from bot.form import Duration, Form, ListOrOne, Text, wrong
from bot.model.alert import DEFAULT_RULES
from bot.model.target import Endpoint, Etcd, Target, literal

RESERVED_NAMES = frozenset({"help", "status", "cancel"})
"""What slash commands take for something else than a cluster."""


def _cluster_name(name: str) -> str:
    if name in RESERVED_NAMES:
        raise wrong(f"'{name}' is a word of the slash command, and so no cluster's name", f"call it '{name}-cluster'")
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?", name) or name.startswith("url-"):
        better = re.sub(r"[^a-z0-9._-]+", "-", name.lower().removeprefix("url-")).strip("-._") or "prod"
        raise wrong(f"'{name}' is not a cluster's name: small letters, digits, '.', '_', '-'", f"did you mean '{better}'?")
    return name


def _existing(name: str, info: ValidationInfo) -> str:
    known = info.context or frozenset()
    if name not in known:
        few = f"the clusters are {', '.join(sorted(known))}" if known else "no clusters are configured"
        raise wrong(f"there is no cluster '{name}'", did_you_mean(name, known) or few)
    return name


def parse_endpoint(text: Any) -> Endpoint:
    """``host:port`` or ``[address]:port``."""
    if not isinstance(text, str):
        raise wrong("an endpoint is text of the form host:port", "write '10.0.0.1:6443'")
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:/\[\]@]+)):([0-9]{1,5})", text.strip(), re.ASCII)
    if match is None or not 0 < int(match[3]) < 65536:
        host = text.strip().rpartition("://")[2].split("/")[0]
        near = f"[{host}]:6443" if host.count(":") > 1 and "[" not in host else f"{host.partition(':')[0] or '10.0.0.1'}:6443"
        raise wrong(f"'{text}' is not host:port", f"write '{near}'")
    return Endpoint(host=match[1] or match[2], port=int(match[3]))


def _resolver(text: str) -> str:
    """The address of a DNS server, with a port if it is not 53."""
    if literal(text) is not None:
        return text
    if literal(parse_endpoint(text).host) is None:
        raise wrong(f"'{text}' is not the address of a DNS server", "write its address, like 10.0.0.53 or 10.0.0.53:5353")
    return text


def _server(text: str) -> str:
    try:
        return Target.from_url(text).url
    except UsageError as error:
        raise wrong(error.what, error.nearest or error.next) from error


def _web_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        good = False
        parts = urlsplit("")
    if not good:
        raise wrong(f"'{text}' is not a URL", "a URL looks like http://proxy.example.com:3128")
    if parts.username is not None or parts.password is not None:
        raise wrong("a URL in this file has no user name or password in it", "this file holds no secrets")
    return text


def _slack_id(first: str, what: str, example: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(rf"[{first}][A-Z0-9]{{2,}}", text):
            raise wrong(f"'{text}' is not {what} as Slack knows it", f"its id looks like {example}")
        return text

    return AfterValidator(check)


ClusterName = Annotated[Text, AfterValidator(_cluster_name)]
ExistingCluster = Annotated[Text, AfterValidator(_existing)]
EndpointText = Annotated[Endpoint, PlainValidator(parse_endpoint)]
EndpointTexts = Annotated[tuple[EndpointText, ...], ListOrOne]
WebUrl = Annotated[Text, AfterValidator(_web_url)]
ChannelId = Annotated[Text, _slack_id("CGD", "a channel", "C0123ABCD")]

_WAYS = ("kubeconfig", "server", "in_cluster")


def _one_way(in_cluster: bool, info: ValidationInfo) -> bool:
    # One that is given and wrong is not in the data; it is one all the same.
    ways = [way for way in _WAYS[:2] if way not in info.data or info.data[way]] + ["in_cluster"] * in_cluster
    if len(ways) != 1:
        found = f"this has {' and '.join(ways)}" if ways else "this has none"
        raise wrong(f"a cluster has one of kubeconfig, server and in_cluster; {found}", instead_of=_WAYS)
    return in_cluster


def _with_server(value: Any, info: ValidationInfo) -> Any:
    if value and "server" in info.data and info.data["server"] is None:
        raise wrong(f"'{info.field_name}' goes with 'server'; a kubeconfig says it itself", instead_of=["server"])
    return value


def _with_kubeconfig(context: str | None, info: ValidationInfo) -> str | None:
    if context and "kubeconfig" in info.data and info.data["kubeconfig"] is None:
        raise wrong("'context' goes with 'kubeconfig'", instead_of=["kubeconfig"])
    return context


def _pair(key: str | None, info: ValidationInfo) -> str | None:
    certificate = info.data.get("client_certificate")
    if "client_certificate" in info.data and bool(key) != bool(certificate):
        raise wrong(
            "client_certificate and client_key go together; one is missing", instead_of=["client_certificate", "client_key"]
        )
    return _with_server(key, info)


def _with_default(allowed: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    default = info.data.get("cluster")
    if allowed and default and default not in allowed:
        raise wrong(f"the channel's own cluster '{default}' is not among those it may ask about", f"add '{default}'")
    return allowed


def _alert_name(name: str) -> str:
    shipped = {rule.name.lower(): rule.name for rule in DEFAULT_RULES}
    right = shipped.get(name.lower(), name)
    if right != name:
        raise wrong(f"no rule is known as '{name}', and case counts", f"did you mean '{right}'?")
    return name


def _as_alert(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _statistics(text: str) -> str:
    """Where HAProxy tells: its page, without the ``;csv`` that is asked for, or its socket."""
    near = "write http://lb.example.com:8404/stats, unix:/run/haproxy.sock or tcp://10.0.0.5:9999"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise wrong(f"'{text}' is not where HAProxy tells of itself", near) from error
    if parts.username is not None or parts.password is not None:
        raise wrong("a URL in this file has no user name or password in it", "use user and password_file")
    if parts.scheme == "unix" and not parts.netloc and parts.path.startswith("/"):
        return f"unix:{parts.path}"
    if parts.scheme == "tcp" and parts.hostname and port and not parts.path.strip("/"):
        return f"tcp://{parts.netloc}"
    if parts.scheme in ("http", "https") and parts.hostname:
        return text.removesuffix(";csv") if parts.path else f"{text}/"
    raise wrong(f"'{text}' is not where HAProxy tells of itself", near)


def _over_page_tls(value: str | None, info: ValidationInfo) -> str | None:
    """Credentials go to a page whose server is verified, and to nothing else; who may use a socket, its machine says."""
    if value and not info.data.get("haproxy", "https").startswith("https:"):
        near = "credentials are not sent over plain http" if info.data["haproxy"].startswith("http") else "a socket has none"
        raise wrong(f"'{info.field_name}' goes with a statistics page by https", near)
    return value


def _with_user(password: str | None, info: ValidationInfo) -> str | None:
    if "user" in info.data and bool(password) != bool(info.data["user"]):
        raise wrong("user and password_file go together; one is missing", instead_of=["user", "password_file"])
    return _over_page_tls(password, info)


def _as_entries(value: Any) -> Any:
    if isinstance(value, str):
        raise wrong("a balancer says of which kind it is", "write {haproxy: http://lb.example.com:8404/stats}")
    return [value] if isinstance(value, dict) else value


class BalancerForm(Form):
    """A load balancer in front of the API servers, and where it tells of them."""

    haproxy: Annotated[Text, AfterValidator(_statistics)]
    backend: Text | None = None
    user: Annotated[Text | None, AfterValidator(_over_page_tls)] = None
    password_file: Annotated[Text | None, AfterValidator(_with_user), Field(validate_default=True)] = None
    ca: Annotated[Text | None, AfterValidator(_over_page_tls)] = None


ServerOnly = Annotated[Text | None, AfterValidator(_with_server)]


def _as_prometheus(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


def _base_url(text: str) -> str:
    parts = urlsplit(_web_url(text))
    if parts.query or parts.fragment:
        raise wrong("a Prometheus's URL ends with the path that it is served under", "leave out what follows '?' or '#'")
    return text


def _label(name: str) -> str:
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name):
        raise wrong(f"'{name}' is not a label's name", "a label's name has letters, digits and '_'")
    return name


def _over_tls(value: Any, info: ValidationInfo) -> Any:
    if value and str(info.data.get("url", "https:")).startswith("http:"):
        near = "plain http verifies nobody" if info.field_name == "ca" else "credentials are not sent over plain http"
        raise wrong(f"'{info.field_name}' goes with an https URL", near)
    return value


def _password(file: str | None, info: ValidationInfo) -> str | None:
    if "username" in info.data and bool(file) != bool(info.data["username"]):
        raise wrong("username and password_file go together; one is missing", instead_of=["username", "password_file"])
    if file and info.data.get("token_file"):
        raise wrong("a server has a token_file or a username, not both")
    return file


JobPatterns = Annotated[tuple[Text, ...], ListOrOne]
OverTls = Annotated[Text | None, AfterValidator(_over_tls)]


class JobsForm(Form):
    """What the scrape jobs of a Prometheus are called; ``*`` stands for anything."""

    apiserver: JobPatterns = ()
    etcd: JobPatterns = ()
    node: JobPatterns = ()
    kubelet: JobPatterns = ()
    balancer: JobPatterns = ()


class PrometheusForm(Form):
    """A Prometheus, or what speaks its API. Only its URL is needed, and may be all that is written."""

    url: Annotated[Text, AfterValidator(_base_url)]
    token_file: OverTls = None
    username: OverTls = None
    password_file: Annotated[Text | None, AfterValidator(_password), Field(validate_default=True)] = None
    ca: OverTls = None
    proxy_url: WebUrl | None = None
    tenant: Text | None = None
    match: dict[Annotated[Text, AfterValidator(_label)], Text] = {}
    jobs: JobsForm = JobsForm()


def _members(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    if not endpoints:
        raise wrong("an etcd has members, and none is named", "write endpoints: ['10.0.0.11:2379']")
    return endpoints


def _over_etcd_tls(file: str | None, info: ValidationInfo) -> str | None:
    if file and info.data.get("scheme") == "http":
        raise wrong(f"'{info.field_name}' goes with https", "credentials are not sent over plain http")
    return file


def _etcd_pair(key: str | None, info: ValidationInfo) -> str | None:
    if "client_certificate" in info.data and bool(key) != bool(info.data["client_certificate"]):
        raise wrong(
            "client_certificate and client_key go together; one is missing", instead_of=["client_certificate", "client_key"]
        )
    return key


OverEtcdTls = Annotated[Text | None, AfterValidator(_over_etcd_tls)]


class EtcdForm(Form):
    """A cluster's etcd: its members, and the files with which they are asked for their health."""

    endpoints: Annotated[EndpointTexts, AfterValidator(_members)]
    scheme: Literal["https", "http"] = "https"
    ca: OverEtcdTls = None
    client_certificate: OverEtcdTls = None
    client_key: Annotated[Text | None, AfterValidator(_etcd_pair), Field(validate_default=True)] = None

    def located(self, place: Callable[[str | None], object]) -> Etcd:
        """With each file where it is; ``place`` tells."""

        def file(text: str | None) -> str | None:
            return str(place(text)) if text else None

        return Etcd(
            endpoints=self.endpoints,
            scheme=self.scheme,
            ca_file=file(self.ca),
            certificate_file=file(self.client_certificate),
            key_file=file(self.client_key),
        )


class ClusterForm(Form):
    """One cluster: how it is reached, and what is known of it."""

    kubeconfig: Text | None = None
    context: Annotated[Text | None, AfterValidator(_with_kubeconfig)] = None
    server: Annotated[Text, AfterValidator(_server)] | None = None
    in_cluster: Annotated[StrictBool, AfterValidator(_one_way), Field(validate_default=True)] = False
    ca: ServerOnly = None
    token_file: ServerOnly = None
    client_certificate: ServerOnly = None
    client_key: Annotated[Text | None, AfterValidator(_pair), Field(validate_default=True)] = None
    tls_server_name: ServerOnly = None
    proxy_url: Annotated[WebUrl | None, AfterValidator(_with_server)] = None
    aliases: Annotated[tuple[ClusterName, ...], ListOrOne] = ()
    nodes: EndpointTexts = ()
    controls: EndpointTexts = ()
    resolvers: Annotated[tuple[Annotated[Text, AfterValidator(_resolver)], ...], ListOrOne] = ()
    provider: Text | None = None
    balancer: Annotated[tuple[BalancerForm, ...], BeforeValidator(_as_entries)] = ()
    prometheus: Annotated[PrometheusForm | None, BeforeValidator(_as_prometheus)] = None
    etcd: EtcdForm | None = None
    channels: Annotated[tuple[ChannelId, ...], ListOrOne] = ()
    incident_channel: ChannelId | None = None


class BareUrls(StrEnum):
    """What becomes of a URL that is no configured cluster's."""

    ALLOW = "allow"
    REFUSE = "refuse"


class ChannelForm(Form):
    """One channel: its default cluster, and what it may ask about."""

    cluster: ExistingCluster | None = None
    allow_clusters: Annotated[tuple[ExistingCluster, ...], ListOrOne, AfterValidator(_with_default)] = ()
    bare_urls: BareUrls | None = None


class MayStartForm(Form):
    """Who may start an investigation; nobody named means everybody."""

    users: Annotated[tuple[Annotated[Text, _slack_id("UW", "a person", "U0123ABCD")], ...], ListOrOne] = ()
    groups: Annotated[tuple[Annotated[Text, _slack_id("S", "a user group", "S0123ABCD")], ...], ListOrOne] = ()


class AlertForm(Form):
    """One alert that starts an investigation. Only its name is needed, and may be all that is written."""

    name: Annotated[Text, AfterValidator(_alert_name)]
    labels: dict[Text, Text] = {}
    for_: Duration | None = Field(default=None, alias="for")


class AlertsForm(Form):
    """Which alerts start an investigation, and of which cluster."""

    names: Annotated[tuple[Annotated[AlertForm, BeforeValidator(_as_alert)], ...] | None, ListOrOne] = None
    cluster_label: Text = "cluster"
    default_cluster: ExistingCluster | None = None


class ConfigForm(Form):
    """The configuration file of apidown."""

    clusters: dict[ClusterName, ClusterForm] = {}
    channels: dict[ChannelId, ChannelForm] = {}
    may_start: MayStartForm = MayStartForm()
    alerts: AlertsForm = AlertsForm()
    bare_urls: BareUrls = BareUrls.ALLOW
    controls: EndpointTexts = ()
    playbooks: Text | None = None
