"""The configuration file: what it means, and every mistake with its exact message."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.config import Config, ad_hoc
from bot.document import DocumentErrors
from bot.errors import UsageError
from bot.model.alert import DEFAULT_RULES, LAG
from bot.model.target import CredentialKind, Endpoint
from commands.apidown import VERBS

TELLS = "write http://lb.example.com:8404/stats, unix:/run/haproxy.sock or tcp://10.0.0.5:9999"

GOOD = """\
clusters:
  prod:
    kubeconfig: prod.kubeconfig
    context: admin
    aliases: [production, Main-1]
    nodes: ["10.0.0.11:6443", "[fd00::1]:6443"]
    controls: ["10.0.0.1:443"]
    provider: aws
    prometheus: http://prometheus:9090
    channels: C0PROD
  staging:
    server: https://staging.example.com
    ca: pki/ca.crt
    token_file: /var/run/token
    client_certificate: bot.crt
    client_key: bot.key
    tls_server_name: api.staging
    proxy_url: http://proxy:3128
  here: {in_cluster: true}
channels:
  C0BOTH: {cluster: staging, allow_clusters: [staging, prod]}
  C0ONE: {allow_clusters: here}
may_start: {users: [U0ANN], groups: S0CALL}
controls: ["1.1.1.1:443", "10.0.0.1:443"]
playbooks: ours
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return loaded(tmp_path, GOOD.replace("Main-1", "main-1"))


def loaded(folder: Path, text: str) -> Config:
    path = folder / "apidown.yaml"
    path.write_text(text)
    return Config.load(path)


def messages(folder: Path, text: str) -> list[str]:
    with pytest.raises(DocumentErrors) as caught:
        loaded(folder, text)
    found = caught.value.problems
    return [f"{problem.where.line}:{problem.where.column}: {problem.what} | {problem.nearest}" for problem in found]


def test_a_cluster_is_what_the_file_says(config: Config, tmp_path: Path) -> None:
    prod, staging, here = config.clusters.values()
    assert prod.kubeconfig == tmp_path / "prod.kubeconfig"
    assert (prod.context, prod.provider) == ("admin", "aws")
    assert prod.prometheus is not None
    assert prod.prometheus.url == prod.cluster().prometheus_url == "http://prometheus:9090"
    assert prod.nodes == (Endpoint(host="10.0.0.11", port=6443), Endpoint(host="fd00::1", port=6443))
    assert prod.controls == (Endpoint(host="10.0.0.1", port=443), Endpoint(host="1.1.1.1", port=443))
    assert staging.server == "https://staging.example.com:443"
    assert (staging.ca_file, staging.token_file) == (tmp_path / "pki/ca.crt", Path("/var/run/token"))
    assert (staging.client_certificate, staging.client_key) == (tmp_path / "bot.crt", tmp_path / "bot.key")
    assert here.in_cluster
    assert config.playbooks == tmp_path / "ours"


def test_a_ca_may_be_given_as_text(tmp_path: Path) -> None:
    pem = "-----BEGIN CERTIFICATE-----\n        AAAA\n        -----END CERTIFICATE-----"
    (only,) = loaded(tmp_path, f"clusters:\n  a:\n    server: a\n    ca: |\n        {pem}\n").clusters.values()
    assert only.ca_file is None
    assert only.ca_pem is not None
    assert only.ca_pem.startswith("-----BEGIN CERTIFICATE-----\nAAAA")


def test_balancers_are_where_they_tell_of_themselves(tmp_path: Path) -> None:
    text = """\
clusters:
  one: {server: a, balancer: {haproxy: "https://lb:8404/stats;csv", backend: kube*, user: ann, password_file: lb, ca: lb.crt}}
  two: {server: b, balancer: [{haproxy: "http://lb1"}, {haproxy: "unix:///run/haproxy.sock"}, {haproxy: "tcp://[fd00::5]:9999"}]}
"""
    one, two = loaded(tmp_path, text).clusters.values()
    (only,) = one.cluster().balancers
    assert (only.url, only.backend, only.user) == ("https://lb:8404/stats", "kube*", "ann")
    assert (only.password_file, only.ca_file) == (str(tmp_path / "lb"), str(tmp_path / "lb.crt"))
    assert [each.url for each in two.balancers] == ["http://lb1/", "unix:/run/haproxy.sock", "tcp://[fd00::5]:9999"]
    assert [each.called for each in two.balancers] == ["lb1", "/run/haproxy.sock", "[fd00::5]:9999"]
    assert [str(each.place) for each in two.balancers] == ["lb1:80", "None", "[fd00::5]:9999"]


def test_files_that_are_missing_do_not_stop_the_bot(config: Config) -> None:
    assert not any(one.kubeconfig and one.kubeconfig.exists() for one in config.clusters.values())


def test_a_cluster_is_known_by_its_server_before_its_files_are_read(config: Config) -> None:
    staging = config.clusters["staging"].cluster()
    assert staging.configured
    assert (staging.target.url, staging.target.server_name) == ("https://staging.example.com:443", "api.staging")
    assert staging.target.proxy_url == "http://proxy:3128"
    prod = config.clusters["prod"].cluster()
    assert (prod.target.host, prod.target.url, prod.credentials) == ("", "kubeconfig:admin", CredentialKind.NONE)


@pytest.mark.parametrize("text", ["prod", "PROD", " production ", "main-1"])
def test_a_cluster_is_found_by_name_and_alias(config: Config, text: str) -> None:
    assert config.cluster_named(text).name == "prod"


def test_alerts_are_the_usual_ones_in_the_clusters_own_channel_until_something_is_said(config: Config) -> None:
    assert config.alerts.rules == DEFAULT_RULES
    assert config.incident_channel("prod") == "C0PROD"
    assert config.incident_channel("staging") == "C0BOTH"
    assert config.incident_channel("here") is None
    assert config.cluster_of_alert({"cluster": "production"}).name == "prod"
    with pytest.raises(UsageError, match="no label 'cluster'"):
        config.cluster_of_alert({"k8s": "prod"})


def test_what_is_said_of_alerts_stands(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        """
clusters: {a: {server: a, channels: [C0A, C0B], incident_channel: C0C}, b: {server: b}}
alerts:
  names: [KubeAPIDown, {name: TargetDown, labels: {job: api}, for: 5m}, {name: Ours, for: 1m}]
  cluster_label: k8s
  default_cluster: b
""",
    )
    down, target, ours = config.alerts.rules
    assert (down.labels, down.pending) == ({}, timedelta(minutes=15))
    assert (target.labels, target.pending) == ({"job": "api"}, timedelta(minutes=5))
    assert (ours.labels, ours.pending, ours.lag) == ({}, timedelta(minutes=1), LAG)
    assert config.incident_channel("a") == "C0C"
    assert config.cluster_of_alert({"k8s": "a"}).name == "a"
    assert config.cluster_of_alert({"cluster": "a"}).name == "b"
    assert loaded(tmp_path, "alerts: {names: []}").alerts.rules == ()
    assert loaded(tmp_path, "alerts: {names: KubeAPIDown}").alerts.rules == (DEFAULT_RULES[0],)


def test_the_nearest_cluster_is_suggested(config: Config) -> None:
    with pytest.raises(UsageError) as caught:
        config.cluster_named("prodution")
    assert str(caught.value) == "there is no cluster 'prodution'\n  did you mean 'production'?"
    with pytest.raises(UsageError) as caught:
        config.cluster_named("xyz")
    assert str(caught.value) == "there is no cluster 'xyz'\n  the clusters are here, prod, staging"


def test_a_channel_reaches_only_the_clusters_it_may(config: Config) -> None:
    assert config.cluster_named("prod", "C0BOTH").name == "prod"
    assert config.cluster_named("prod", "C0OTHER").name == "prod"
    with pytest.raises(UsageError) as caught:
        config.cluster_named("production", "C0ONE")
    assert str(caught.value) == "cluster 'prod' is not for this channel\n  the clusters are here"


@pytest.mark.parametrize(("channel", "name"), [("C0PROD", "prod"), ("C0BOTH", "staging"), ("C0ONE", "here")])
def test_a_channel_has_its_default_cluster(config: Config, channel: str, name: str) -> None:
    found = config.default_for(channel)
    assert found is not None
    assert found.name == name


def test_an_unknown_channel_has_a_default_only_when_there_is_one_cluster(config: Config, tmp_path: Path) -> None:
    assert config.default_for("C0OTHER") is None
    assert config.default_for(None) is None
    only = loaded(tmp_path, "clusters: {a: {server: a}}").default_for(None)
    assert only is not None
    assert only.name == "a"


def test_those_named_may_start_and_without_names_everybody(config: Config) -> None:
    assert config.may_start("U0ANN")
    assert config.may_start("U0BOB", ["S0CALL"])
    assert not config.may_start("U0BOB", ["S0OTHER"])
    assert Config.empty().may_start("U0BOB")


def test_a_bare_url_is_never_configured(config: Config) -> None:
    cluster = config.ad_hoc("api.example.com:6443")
    assert cluster == ad_hoc("https://api.example.com:6443/", config.controls)
    assert (cluster.configured, cluster.credentials) == (False, CredentialKind.NONE)
    assert cluster.name.startswith("url-")
    assert cluster.controls == config.controls
    with pytest.raises(UsageError):
        ad_hoc("https://user:secret@api.example.com")


def test_without_a_file_there_are_no_clusters() -> None:
    assert Config.empty().default_for(None) is None
    with pytest.raises(UsageError, match="there is no cluster 'prod'"):
        Config.empty().cluster_named("prod")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "clusters: {a: {server: a, incident_channel: general}}",
            ["1:45: 'general' is not a channel as Slack knows it | its id looks like C0123ABCD"],
        ),
        (
            "clusters: {a: {server: a, incident_channel: C0A}, b: {server: b}}\nchannels: {C0A: {allow_clusters: b}}",
            ["1:45: C0A may not ask about 'a' | add it to the channel's allow_clusters"],
        ),
        (
            "alerts: {names: [kubeapidown]}",
            ["1:18: no rule is known as 'kubeapidown', and case counts | did you mean 'KubeAPIDown'?"],
        ),
        (
            "alerts: {names: [{label: {a: b}}]}",
            ["1:18: the key 'name' is missing | ", "1:19: unknown key 'label' | did you mean 'labels'?"],
        ),
        (
            "alerts: {names: [{name: A, labels: {code: 500}}]}",
            ["1:43: 'code' should be text, not a number | write \"500\", in quotes"],
        ),
        ("alerts: {names: [{name: A, for: 5}]}", ["1:33: '5' is not a duration | did you mean '5m'?"]),
        ("alerts: {default_cluster: prod}", ["1:27: there is no cluster 'prod' | no clusters are configured"]),
        ("alerts: {label: x}", ["1:10: unknown key 'label' | the keys here are cluster_label, default_cluster, names"]),
        ("cluster: {}", ["1:1: unknown key 'cluster' | did you mean 'clusters'?"]),
        ("clusters: {a: {}}", ["1:15: a cluster has one of kubeconfig, server and in_cluster; this has none | "]),
        ("clusters: {a: {kubeconfg: x}}", ["1:16: unknown key 'kubeconfg' | did you mean 'kubeconfig'?"]),
        (
            "clusters: {a: {kubeconfig: x, server: b}}",
            ["1:15: a cluster has one of kubeconfig, server and in_cluster; this has kubeconfig and server | "],
        ),
        (
            "clusters: {a: {kubeconfig: x, token_file: y}}",
            ["1:43: 'token_file' goes with 'server'; a kubeconfig says it itself | "],
        ),
        ("clusters: {a: {server: b, context: y}}", ["1:36: 'context' goes with 'kubeconfig' | "]),
        (
            "clusters: {a: {server: b, client_key: y}}",
            ["1:39: client_certificate and client_key go together; one is missing | "],
        ),
        (
            "clusters: {a: {server: ftp://b}}",
            ["1:24: 'ftp://b' is not the URL of an API server | a server URL looks like https://api.example.com:6443"],
        ),
        (
            "clusters: {My Prod: {server: b}}",
            ["1:12: 'My Prod' is not a cluster's name: small letters, digits, '.', '_', '-' | did you mean 'my-prod'?"],
        ),
        (
            "clusters: {url-1: {server: b}}",
            ["1:12: 'url-1' is not a cluster's name: small letters, digits, '.', '_', '-' | did you mean '1'?"],
        ),
        (
            "clusters: {a: {server: b, nodes: [10.0.0.1, '::1', 'https://x:70000/y', 3]}}",
            [
                "1:35: '10.0.0.1' is not host:port | write '10.0.0.1:6443'",
                "1:45: '::1' is not host:port | write '[::1]:6443'",
                "1:52: 'https://x:70000/y' is not host:port | write 'x:6443'",
                "1:73: an endpoint is text of the form host:port | write '10.0.0.1:6443'",
            ],
        ),
        (
            "clusters: {a: {server: b, prometheus: 'http://u:pass@x'}}",
            ["1:39: a URL in this file has no user name or password in it | this file holds no secrets"],
        ),
        (
            "clusters: {a: {server: b, prometheus: prometheus:9090}}",
            ["1:39: 'prometheus:9090' is not a URL | a URL looks like http://proxy.example.com:3128"],
        ),
        (
            "clusters: {a: {server: b, balancer: http://lb/stats}}",
            ["1:37: a balancer says of which kind it is | write {haproxy: http://lb.example.com:8404/stats}"],
        ),
        (
            "clusters: {a: {server: b, balancer: {haproxi: 'http://lb/stats', backend: 3}}}",
            [
                "1:38: unknown key 'haproxi' | did you mean 'haproxy'?",
                "1:75: 'backend' should be text, not a number | write \"3\", in quotes",
            ],
        ),
        (
            "clusters: {a: {server: b, balancer: [{haproxy: 'lb:8404'}, {haproxy: 'tcp://lb'}, {haproxy: 'unix:run/h.sock'}]}}",
            [
                f"1:48: 'lb:8404' is not where HAProxy tells of itself | {TELLS}",
                f"1:70: 'tcp://lb' is not where HAProxy tells of itself | {TELLS}",
                f"1:93: 'unix:run/h.sock' is not where HAProxy tells of itself | {TELLS}",
            ],
        ),
        (
            "clusters: {a: {server: b, balancer: {haproxy: 'https://ann:pass@lb/stats'}}}",
            ["1:47: a URL in this file has no user name or password in it | use user and password_file"],
        ),
        (
            "clusters: {a: {server: b, balancer: {haproxy: 'https://lb/stats', user: ann}}}",
            ["1:37: user and password_file go together; one is missing | "],
        ),
        (
            "clusters: {a: {server: b, balancer: {haproxy: 'http://lb/stats', user: ann, password_file: p}}}",
            [
                "1:72: 'user' goes with a statistics page by https | credentials are not sent over plain http",
                "1:92: 'password_file' goes with a statistics page by https | credentials are not sent over plain http",
            ],
        ),
        (
            "clusters: {a: {server: b, balancer: {haproxy: 'tcp://lb:9999', ca: lb.crt}}}",
            ["1:68: 'ca' goes with a statistics page by https | a socket has none"],
        ),
        (
            "clusters: {a: {server: b, aliases: [c]}, b: {server: b, aliases: [c, a]}}",
            ["1:67: 'c' is a name of cluster 'a' already | ", "1:70: 'a' is a name of cluster 'a' already | "],
        ),
        (
            "clusters: {a: {server: b, channels: C01}, b: {server: b, channels: C01}}\nchannels: {C02: {cluster: x}}",
            ["1:68: the default cluster of C01 is 'a' already | ", "2:27: there is no cluster 'x' | the clusters are a, b"],
        ),
        ("channels: {ops: {}}", ["1:12: 'ops' is not a channel as Slack knows it | its id looks like C0123ABCD"]),
        (
            "clusters: {a: {server: b}, c: {server: b}}\nchannels: {C01: {cluster: a, allow_clusters: [c]}}",
            ["2:46: the channel's own cluster 'a' is not among those it may ask about | add 'a'"],
        ),
        (
            "may_start: {users: '@ann', group: S01}",
            [
                "1:20: '@ann' is not a person as Slack knows it | its id looks like U0123ABCD",
                "1:28: unknown key 'group' | did you mean 'groups'?",
            ],
        ),
    ],
)
def test_a_mistake_has_its_place_and_the_nearest_right_thing(text: str, said: list[str], tmp_path: Path) -> None:
    assert messages(tmp_path, text) == said


def test_a_password_in_a_url_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(DocumentErrors) as caught:
        loaded(tmp_path, "clusters: {a: {server: 'htp://u:opensesame@x', prometheus: 'http://u:opensesame@x'}}")
    assert "opensesame" not in str(caught.value)


@given(
    st.text(max_size=80), st.sampled_from(["clusters: {}", "clusters: {a: {server: }}", "channels: {{}: x}", "controls: [{}]"])
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_gives_a_config_or_document_errors(tmp_path: Path, value: str, frame: str) -> None:
    path = tmp_path / "fuzz.yaml"
    path.write_text(frame.replace("{}", value), encoding="utf-8", errors="replace")
    try:
        found: Config | None = Config.load(path)
    except DocumentErrors:
        found = None
    assert found is None or isinstance(found, Config)


def test_bare_urls_are_guarded_in_channels_and_refused_where_the_file_says_so(tmp_path: Path) -> None:
    text = "bare_urls: refuse\nchannels:\n  C0OPEN1: {bare_urls: allow}\nclusters:\n  prod: {server: https://api.prod:6443}\n"
    path = tmp_path / "c.yaml"
    path.write_text(text)
    config = Config.load(path)
    assert config.ad_hoc("https://10.0.0.1:6443", "C0OPEN1").target.guarded
    assert not config.ad_hoc("https://10.0.0.1:6443").target.guarded
    with pytest.raises(UsageError, match="about those only"):
        config.ad_hoc("https://10.0.0.1:6443", "C0ELSE1")
    assert not config.clusters["prod"].cluster().target.guarded


def test_the_words_of_the_slash_command_are_no_names_of_clusters(tmp_path: Path) -> None:
    for word in VERBS:
        path = tmp_path / f"{word}.yaml"
        path.write_text(f"clusters:\n  {word}: {{server: https://a:1}}\n")
        with pytest.raises(DocumentErrors, match="word of the slash command"):
            Config.load(path)


def test_a_wrong_way_to_a_cluster_counts_as_a_way(tmp_path: Path) -> None:
    """That one of two is wrong does not hide that there are two."""
    text = "clusters:\n  prod:\n    kubeconfig: prod.kubeconfig\n    server: ftp://a\n"
    said = messages(tmp_path, text)
    assert any("'ftp://a' is not the URL" in line for line in said)
    assert any("one of kubeconfig, server and in_cluster; this has kubeconfig and server" in line for line in said)


@pytest.mark.parametrize(
    ("text", "said"), [("10.0.0.53", None), ("10.0.0.53:5353", None), ("2001:db8::53", None), ("dns.example.com:53", "address")]
)
def test_resolvers_are_addresses(tmp_path: Path, text: str, said: str | None) -> None:
    path = tmp_path / "apidown.yaml"
    path.write_text(f"clusters:\n  prod:\n    server: https://api.example.com\n    resolvers: ['{text}']\n")
    if said is None:
        assert Config.load(path).clusters["prod"].cluster().resolvers == (text,)
        return
    with pytest.raises(DocumentErrors, match="is not the address of a DNS server"):
        Config.load(path)
