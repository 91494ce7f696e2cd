"""A cluster's Prometheus in the configuration file, and how its files become access to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.adapters.kubeconfig.access import FileDirectory, resolve
from bot.adapters.kubeconfig.monitoring import metrics_access
from bot.config import Config, PrometheusDefinition
from bot.document import DocumentErrors
from bot.model.metrics import USUAL_JOBS, Role
from bot.ports import MetricsAccess
from bot.settings import Settings
from tests.pki import Authority

CA = Authority().pem

FULL = """\
clusters:
  prod:
    server: https://api.example.com:6443
    prometheus:
      url: https://mimir.example.com/prometheus/
      token_file: mimir.token
      ca: mimir-ca.crt
      proxy_url: http://proxy:3128
      tenant: platform
      match: {cluster: prod}
      jobs: {apiserver: [kube-apiserver, "k8s-*"], etcd: etcd-prod}
"""


def loaded(folder: Path, text: str) -> Config:
    path = folder / "apidown.yaml"
    path.write_text(text)
    return Config.load(path)


def settings() -> Settings:
    return Settings()


def access(folder: Path, text: str = FULL) -> MetricsAccess:
    found = resolve(loaded(folder, text).clusters["prod"], settings()).metrics
    assert found is not None
    return found


def test_all_that_may_be_said_of_it(tmp_path: Path) -> None:
    found = loaded(tmp_path, FULL).clusters["prod"].prometheus
    assert found is not None
    assert (found.url, found.tenant, found.proxy_url) == ("https://mimir.example.com/prometheus", "platform", "http://proxy:3128")
    assert (found.token_file, found.ca_file) == (tmp_path / "mimir.token", tmp_path / "mimir-ca.crt")
    assert found.monitoring.match == {"cluster": "prod"}
    assert found.monitoring.patterns(Role.APISERVER) == ("kube-apiserver", "k8s-*")
    assert found.monitoring.patterns(Role.NODE) == USUAL_JOBS[Role.NODE]
    assert [role for role in Role if found.monitoring.is_named(role)] == [Role.APISERVER, Role.ETCD]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("{url: nowhere}", "'nowhere' is not a URL"),
        ("{url: 'https://p/graph?g0.expr=up'}", "a Prometheus's URL ends with the path that it is served under"),
        ("{token_file: t}", "the key 'url' is missing"),
        ("{url: 'http://p:9090', token_file: t}", "'token_file' goes with an https URL"),
        ("{url: 'http://p:9090', username: u, password_file: f}", "'username' goes with an https URL"),
        ("{url: 'http://p:9090', ca: f}", "'ca' goes with an https URL"),
        ("{url: 'https://p', username: u}", "username and password_file go together; one is missing"),
        ("{url: 'https://p', token_file: t, username: u, password_file: f}", "a server has a token_file or a username, not both"),
        ("{url: 'https://u:p@p'}", "a URL in this file has no user name or password in it"),
        ("{url: 'https://p', match: {a-b: c}}", "'a-b' is not a label's name"),
        ("{url: 'https://p', jobs: {api: x}}", "unknown key 'api'"),
        ("{url: 'https://p', tokenfile: x}", "unknown key 'tokenfile'"),
    ],
)
def test_what_is_wrong_with_it(tmp_path: Path, body: str, expected: str) -> None:
    with pytest.raises(DocumentErrors) as caught:
        loaded(tmp_path, f"clusters: {{a: {{server: b, prometheus: {body}}}}}")
    assert [problem.what for problem in caught.value.problems] == [expected]


def test_its_files_are_read_for_each_round(tmp_path: Path) -> None:
    (tmp_path / "mimir.token").write_text("opensesame\n")
    (tmp_path / "mimir-ca.crt").write_text(CA)
    found = access(tmp_path)
    assert dict(found.headers) == {"Authorization": "Bearer opensesame", "X-Scope-OrgID": "platform"}
    assert (found.ca_pem, found.problem) == (CA, None)
    assert "opensesame" not in repr(found)
    (tmp_path / "mimir.token").write_text("next")
    assert access(tmp_path).headers["Authorization"] == "Bearer next"


def test_what_it_holds_is_secret(tmp_path: Path) -> None:
    (tmp_path / "mimir.token").write_text("opensesame")
    (tmp_path / "mimir-ca.crt").write_text(CA)
    (tmp_path / "password").write_text("tell-nobody")
    definition = loaded(tmp_path, FULL).clusters["prod"]
    assert "opensesame" in resolve(definition, settings()).secrets()
    basic = FULL.replace("token_file: mimir.token", "username: bot\n      password_file: password")
    found = resolve(loaded(tmp_path, basic).clusters["prod"], settings())
    assert found.metrics is not None
    assert found.metrics.headers["Authorization"].startswith("Basic ")
    assert {"tell-nobody", found.metrics.headers["Authorization"].removeprefix("Basic ")} <= found.secrets()


@pytest.mark.parametrize(
    ("token", "ca", "says"),
    [
        (None, CA, "the token file {folder}/mimir.token for Prometheus cannot be read: No such file or directory"),
        ("", CA, "the token file {folder}/mimir.token for Prometheus is empty"),
        ("two words", CA, "the token in {folder}/mimir.token has characters that no token has"),
        ("fine", "no certificate", "the CA {folder}/mimir-ca.crt for Prometheus is no certificate"),
        ("fine", None, "the CA file {folder}/mimir-ca.crt for Prometheus cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_used_stops_the_asking(tmp_path: Path, token: str | None, ca: str | None, says: str) -> None:
    """Nothing is asked as somebody else, or of somebody else; and it is no problem of the cluster's own access."""
    for name, text in (("mimir.token", token), ("mimir-ca.crt", ca)):
        if text is not None:
            (tmp_path / name).write_text(text)
    found = resolve(loaded(tmp_path, FULL).clusters["prod"], settings())
    assert found.problems == ()
    assert found.metrics is not None
    assert found.metrics.problem == says.format(folder=tmp_path)
    assert dict(found.metrics.headers) == {}


def test_the_environments_proxy_is_used_where_none_is_named() -> None:
    environment = {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".svc"}
    outside = metrics_access(PrometheusDefinition(url="https://prometheus.example.com"), environment)
    inside = metrics_access(PrometheusDefinition(url="https://prometheus.monitoring.svc"), environment)
    named = metrics_access(PrometheusDefinition(url="https://a.svc", proxy_url="http://other:3128"), environment)
    assert [one.proxy_url if one else "" for one in (outside, inside, named)] == ["http://proxy:3128", None, "http://other:3128"]
    assert metrics_access(None, environment) is None


async def test_a_cluster_whose_files_are_broken_keeps_its_prometheus(tmp_path: Path) -> None:
    """When the kubeconfig cannot be read, what watches the cluster can be asked all the same."""
    (tmp_path / "kubeconfig").write_text("not: [a kubeconfig")
    text = "clusters: {prod: {kubeconfig: kubeconfig, prometheus: 'http://prometheus:9090'}}"
    config = loaded(tmp_path, text)
    cluster = config.clusters["prod"].model_copy(update={"known_server": "https://api.example.com:6443"}).cluster()
    found = await FileDirectory(lambda: config, settings()).access(cluster)
    assert found.problems
    assert found.metrics is not None
    assert found.metrics.url == "http://prometheus:9090"
