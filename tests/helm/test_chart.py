"""The chart, object by object: what it renders, what it refuses, and what its Valkey does with its script."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from bot.adapters.valkey import find_server
from bot.config import Config
from bot.config_form import (
    AlertForm,
    AlertsForm,
    BalancerForm,
    ChannelForm,
    ClusterForm,
    ConfigForm,
    EtcdForm,
    JobsForm,
    MayStartForm,
    PrometheusForm,
)
from bot.settings import Settings
from tests.fakes.redis_server import find_redis
from tests.helm.chart import SECRETS, Rendered, merged, refusal, render, run
from tests.helm.values import CHART, documented, leaves
from tests.lab.control_plane import ControlPlane, control_plane
from tests.lab.processes import wait_until
from tests.ports import free_port
from tests.require import missing
from tests.rights import LOG, MAY, MUST_NOT, status_of

ROOT = CHART.parents[1]
HOME_CLUSTER: dict[str, Any] = {"config": {"clusters": {"home": {"in_cluster": True}}}}
OWN_REDIS: dict[str, Any] = {"valkey": {"enabled": False}, "redis": {"url": "rediss://redis.example.com:6380/0"}}
EVERYTHING: dict[str, Any] = merged(
    SECRETS,
    {
        "replicas": 3,
        "image": {"repository": "team/apidown", "digest": f"sha256:{'0' * 64}", "pullSecrets": ["pull"]},
        "config": {
            "clusters": {
                "home": {"in_cluster": True},
                "prod": {"kubeconfig": "/etc/apidown/clusters/prod.kubeconfig", "channels": ["C0123ABCD"]},
            },
            "channels": {"C0456EFGH": {"cluster": "prod", "allow_clusters": ["prod"]}},
            "may_start": {"groups": ["S0123ABCD"]},
        },
        "clusterFiles": {"existingSecret": "clusters"},
        "playbooks": {"own.yaml": "id: own\n"},
        "causes": {"own-cause.yaml": "id: own-cause\n"},
        "webhook": {"existingSecret": "hooks"},
        "rbac": {"create": True},
        "serviceAccount": {"annotations": {"example.com/role": "reader"}},
        "env": [
            {"name": "AWS_REGION", "value": "eu-central-1"},
            {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "aws", "key": "secret"}}},
        ],
        "ca": {"existingSecret": "company-ca"},
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "pool", "operator": "In", "values": ["infra"]}]}]
                }
            }
        },
        "networkPolicy": {"enabled": True, "from": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "infra", "operator": "Exists", "effect": "NoSchedule"}],
        "priorityClassName": "important",
        "podLabels": {"team": "sre"},
        "podAnnotations": {"example.com/owner": "sre"},
        "valkey": {
            "image": {"pullSecrets": ["pull"]},
            "persistence": {"storageClass": "fast"},
            "tolerations": [{"operator": "Exists"}],
        },
    },
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("helm")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Rendered:
    return render(folder, SECRETS)


@pytest.fixture(scope="module")
def everything(folder: Path) -> Rendered:
    return render(folder, EVERYTHING)


# What it renders


@pytest.mark.parametrize("values", [{}, SECRETS, EVERYTHING, merged({"slack": SECRETS["slack"]}, OWN_REDIS)])
def test_lint_has_no_complaint(folder: Path, values: dict[str, Any]) -> None:
    done = run(["lint", "--strict"], values, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout


def test_the_least_that_can_be_said_gives_a_bot_a_store_and_nothing_more(plain: Rendered) -> None:
    assert plain.kinds() == [
        *("ConfigMap", "ConfigMap", "Deployment", "PodDisruptionBudget"),
        *("Service", "Service", "ServiceAccount", "StatefulSet"),
    ]


def test_no_secret_is_ever_made_or_written(everything: Rendered) -> None:
    assert "Secret" not in everything.kinds()
    for name, value in everything.environment().items():
        if re.search("TOKEN|PASSWORD", name):
            assert set(value) == {"secretKeyRef"}, name


@pytest.mark.parametrize(("kind", "name"), [("Deployment", "apidown"), ("StatefulSet", "apidown-valkey")])
def test_pods_run_without_privileges(plain: Rendered, kind: str, name: str) -> None:
    pod = plain.pod(kind, name)
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == 10001
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} <= set(container["resources"])


@pytest.mark.parametrize(("kind", "name"), [("Deployment", "apidown"), ("StatefulSet", "apidown-valkey")])
def test_where_the_cluster_chooses_the_user_the_chart_names_none(folder: Path, kind: str, name: str) -> None:
    security = render(folder, merged(SECRETS, {"runAsUser": None})).pod(kind, name)["securityContext"]
    assert security == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


@pytest.mark.parametrize(("kind", "name"), [("Deployment", "apidown"), ("StatefulSet", "apidown-valkey")])
def test_both_images_may_come_from_where_a_secret_is_needed(everything: Rendered, kind: str, name: str) -> None:
    assert everything.pod(kind, name)["imagePullSecrets"] == [{"name": "pull"}]


@pytest.mark.parametrize(
    ("given", "volume"),
    [
        ({"existingSecret": "company"}, {"name": "ca", "secret": {"secretName": "company"}}),
        ({"existingConfigMap": "company", "key": "bundle.pem"}, {"name": "ca", "configMap": {"name": "company"}}),
    ],
)
def test_a_companys_ca_is_where_openssl_is_told_to_look(folder: Path, given: dict[str, Any], volume: dict[str, Any]) -> None:
    rendered = render(folder, merged(SECRETS, {"ca": given}))
    assert volume in rendered.pod()["volumes"]
    (mounted,) = (one["mountPath"] for one in rendered.pod()["containers"][0]["volumeMounts"] if one["name"] == "ca")
    assert rendered.environment()["SSL_CERT_FILE"] == f"{mounted}/{given.get('key', 'ca.crt')}"


def test_alerts_have_their_token_from_a_secret_and_a_service_to_come_to(everything: Rendered, plain: Rendered) -> None:
    assert everything.environment()["APIDOWN_WEBHOOK_TOKEN"] == {"secretKeyRef": {"name": "hooks", "key": "webhook-token"}}
    assert "APIDOWN_WEBHOOK_TOKEN" not in plain.environment()
    (port,) = everything.of("Service")["spec"]["ports"]
    assert port["targetPort"] in [one["name"] for one in everything.pod()["containers"][0]["ports"]]


def test_the_service_accounts_token_is_there_only_for_the_cluster_it_runs_in(folder: Path, everything: Rendered) -> None:
    assert render(folder, merged(SECRETS, HOME_CLUSTER)).pod()["automountServiceAccountToken"] is True
    assert everything.pod()["automountServiceAccountToken"] is True
    remote = {"config": {"clusters": {"prod": {"server": "https://api.example.com:6443"}}}}
    assert render(folder, merged(SECRETS, remote)).pod()["automountServiceAccountToken"] is False


def test_the_probes_ask_the_bot_alone(plain: Rendered) -> None:
    container = plain.pod()["containers"][0]
    asked = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert asked == {
        "startupProbe": {"path": "/livez", "port": "http"},
        "livenessProbe": {"path": "/livez", "port": "http"},
        "readinessProbe": {"path": "/readyz", "port": "http"},
    }
    assert not plain.pod().get("initContainers")


def test_all_that_is_set_is_a_setting(everything: Rendered) -> None:
    known = {*Settings.variables(), "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "SSL_CERT_FILE"}
    assert set(everything.environment()) <= known


def test_everything_that_the_bot_writes_to_is_a_volume(plain: Rendered) -> None:
    mounts = {one["mountPath"]: one for one in plain.pod()["containers"][0]["volumeMounts"]}
    assert plain.environment()["APIDOWN_STATE_DIR"] in mounts
    assert {path for path, one in mounts.items() if not one.get("readOnly")} == {"/var/lib/apidown", "/tmp"}
    # A mount inside of a read-only one could not be made.
    assert not [(a, b) for a in mounts for b in mounts if a != b and b.startswith(f"{a}/")]


def rule(group: str, resources: list[str], verb: str, *names: str) -> dict[str, Any]:
    named = {"resourceNames": list(names)} if names else {}
    return {"apiGroups": [group], "resources": resources, "verbs": [verb], **named}


SYSTEM_RULES = [
    rule("", ["pods", "configmaps"], "list"),
    rule("apps", ["deployments", "daemonsets", "statefulsets"], "list"),
    rule("coordination.k8s.io", ["leases"], "list"),
    rule("", ["configmaps"], "get", "kubeadm-config"),
]


def test_the_service_account_may_read_this_and_nothing_else(everything: Rendered) -> None:
    roles = {one["metadata"]["namespace"]: one["rules"] for one in everything.objects if one["kind"] == "Role"}
    assert roles == {"kube-system": SYSTEM_RULES, "kube-public": [rule("", ["configmaps"], "get", "cluster-info")]}
    (cluster,) = (one for one in everything.objects if one["kind"] == "ClusterRole")
    assert cluster["rules"] == [
        rule("", ["nodes", "services"], "list"),
        rule("", ["namespaces"], "get", "default", "kube-system") | {"verbs": ["get", "list"]},
        rule("networking.k8s.io", ["networkpolicies"], "list"),
        rule("discovery.k8s.io", ["endpointslices"], "list"),
        rule("apiregistration.k8s.io", ["apiservices"], "list"),
        rule("admissionregistration.k8s.io", ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"], "list"),
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
    ]
    bindings = [one for one in everything.objects if one["kind"].endswith("RoleBinding")]
    assert {one["metadata"].get("namespace") for one in bindings} == {*roles, None}
    for one in bindings:
        assert one["roleRef"]["kind"] == one["kind"].removesuffix("Binding")
        assert one["roleRef"]["name"] == cluster["metadata"]["name"]
        assert one["subjects"] == [{"kind": "ServiceAccount", "name": "apidown", "namespace": "default"}]


def test_the_right_to_logs_is_a_choice_of_its_own(folder: Path) -> None:
    values = merged(SECRETS, HOME_CLUSTER, {"rbac": {"create": True, "podLogs": True}})
    roles = {one["metadata"]["namespace"]: one["rules"] for one in render(folder, values).objects if one["kind"] == "Role"}
    assert roles["kube-system"] == [*SYSTEM_RULES, rule("", ["pods/log"], "get")]
    assert VALUES["rbac"] == {"create": False, "podLogs": False}


def test_two_releases_do_not_share_a_cluster_role(folder: Path) -> None:
    values = merged(SECRETS, HOME_CLUSTER, {"rbac": {"create": True}})
    names = {
        one["metadata"]["name"]
        for namespace in ("sre", "dev")
        for one in render(folder, values, namespace=namespace).objects
        if one["kind"] == "ClusterRole"
    }
    assert len(names) == 2


def test_the_configuration_is_one_that_the_bot_takes(everything: Rendered, tmp_path: Path) -> None:
    items = next(one for one in everything.pod()["volumes"] if one["name"] == "config")["configMap"]["items"]
    data = everything.of("ConfigMap")["data"]
    for item in items:
        path = tmp_path / item["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data[item["key"]])
    assert {item["key"] for item in items} == set(data)
    config = Config.load(tmp_path / "apidown.yaml")
    assert config.clusters["home"].in_cluster
    assert config.clusters["prod"].kubeconfig == Path("/etc/apidown/clusters/prod.kubeconfig")
    assert config.playbooks == tmp_path / "playbooks"
    assert {path.name for path in (tmp_path / "playbooks").rglob("*.yaml")} == {"own.yaml", "own-cause.yaml"}


def test_a_changed_configuration_restarts_the_bot(folder: Path, plain: Rendered) -> None:
    def annotation(rendered: Rendered) -> str:
        return rendered.of("Deployment")["spec"]["template"]["metadata"]["annotations"]["apidown/configuration"]

    assert annotation(render(folder, merged(SECRETS, HOME_CLUSTER))) != annotation(plain)
    assert annotation(render(folder, SECRETS)) == annotation(plain)


def test_the_store_is_the_bundled_one_or_yours(folder: Path, plain: Rendered) -> None:
    assert plain.environment()["APIDOWN_REDIS_URL"] == "redis://apidown-valkey:6379/0"
    slack = {"slack": SECRETS["slack"]}
    own = render(folder, merged(slack, OWN_REDIS))
    assert own.environment()["APIDOWN_REDIS_URL"] == OWN_REDIS["redis"]["url"]
    assert "APIDOWN_REDIS_PASSWORD" not in own.environment()
    assert "StatefulSet" not in own.kinds()
    password = render(folder, merged(slack, OWN_REDIS, {"redis": {"existingSecret": "redis"}}))
    assert password.environment()["APIDOWN_REDIS_PASSWORD"] == {"secretKeyRef": {"name": "redis", "key": "redis-password"}}
    whole = render(folder, merged(slack, {"valkey": {"enabled": False}, "redis": {"existingSecret": "redis"}}))
    assert whole.environment()["APIDOWN_REDIS_URL"] == {"secretKeyRef": {"name": "redis", "key": "redis-url"}}


def test_one_replica_has_no_budget_that_would_block_a_drain(folder: Path) -> None:
    assert "PodDisruptionBudget" not in render(folder, merged(SECRETS, {"replicas": 1})).kinds()


def test_api_servers_are_scraped_as_kube_prometheus_does_where_it_is_wanted(folder: Path, everything: Rendered) -> None:
    """By the service in the namespace default, under the job's name that rules and dashboards expect, and not without a token."""
    assert "ServiceMonitor" not in everything.kinds()
    values = {"enabled": True, "namespace": "monitoring", "labels": {"release": "stack"}, "interval": "15s"}
    made = render(folder, merged(SECRETS, {"serviceMonitor": values})).of("ServiceMonitor", "apidown-kube-apiserver")
    assert made["metadata"]["namespace"] == "monitoring"
    assert made["metadata"]["labels"]["release"] == "stack"
    spec = made["spec"]
    assert spec["jobLabel"] == "component"
    assert spec["namespaceSelector"] == {"matchNames": ["default"]}
    assert spec["selector"] == {"matchLabels": {"component": "apiserver", "provider": "kubernetes"}}
    account = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert spec["endpoints"] == [
        {
            "port": "https",
            "scheme": "https",
            "interval": "15s",
            "bearerTokenFile": f"{account}/token",
            "tlsConfig": {"caFile": f"{account}/ca.crt", "serverName": "kubernetes"},
        }
    ]


def test_the_token_for_scrapes_may_be_a_secret(folder: Path) -> None:
    dropped = {"action": "drop", "sourceLabels": ["__name__"], "regex": "apiserver_request_body_size_bytes_bucket"}
    values = {"enabled": True, "existingSecret": "scraper", "metricRelabelings": [dropped]}
    made = render(folder, merged(SECRETS, {"serviceMonitor": values}), namespace="sre")
    (endpoint,) = made.of("ServiceMonitor", "apidown-kube-apiserver")["spec"]["endpoints"]
    assert made.of("ServiceMonitor", "apidown-kube-apiserver")["metadata"]["namespace"] == "sre"
    assert endpoint["authorization"] == {"credentials": {"name": "scraper", "key": "token"}}
    assert "bearerTokenFile" not in endpoint
    assert endpoint["metricRelabelings"] == [dropped]


def test_names_of_digits_stay_names(folder: Path) -> None:
    values = {"enabled": True, "namespace": "1017", "existingSecret": "42", "tokenKey": "on"}
    made = render(folder, merged(SECRETS, {"serviceMonitor": values})).of("ServiceMonitor", "apidown-kube-apiserver")
    assert made["metadata"]["namespace"] == "1017"
    assert made["spec"]["endpoints"][0]["authorization"] == {"credentials": {"name": "42", "key": "on"}}


def test_valkey_keeps_its_data_unless_it_is_told_not_to(folder: Path, everything: Rendered) -> None:
    claim = everything.of("StatefulSet", "apidown-valkey")["spec"]["volumeClaimTemplates"][0]["spec"]
    assert claim["storageClassName"] == "fast"
    memory = render(folder, merged(SECRETS, {"valkey": {"persistence": {"enabled": False}}}))
    assert "volumeClaimTemplates" not in memory.of("StatefulSet", "apidown-valkey")["spec"]
    assert "data" in [one["name"] for one in memory.pod("StatefulSet", "apidown-valkey")["volumes"]]


def test_selectors_match_their_own_pods_and_no_others(everything: Rendered) -> None:
    pods = {
        component: everything.of(kind, name)["spec"]["template"]["metadata"]["labels"]
        for component, kind, name in (("bot", "Deployment", "apidown"), ("valkey", "StatefulSet", "apidown-valkey"))
    }
    for one in everything.objects:
        spec = one.get("spec", {})
        selector = spec.get("podSelector") or spec.get("selector")
        if not selector:
            continue
        wanted = selector.get("matchLabels", selector).items()
        matched = [component for component, labels in pods.items() if wanted <= labels.items()]
        assert matched == (["valkey"] if one["metadata"]["name"].endswith("-valkey") else ["bot"]), one["kind"]


def test_nobody_but_the_bot_reaches_valkey(everything: Rendered) -> None:
    spec = everything.of("NetworkPolicy", "apidown-valkey")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["egress"] == []
    (rule,) = spec["ingress"]
    assert [list(peer) for peer in rule["from"]] == [["podSelector"]]
    assert everything.of("NetworkPolicy")["spec"]["policyTypes"] == ["Ingress"], "the bot looks at clusters everywhere"


# What it refuses


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "slack.existingSecret is needed"),
        ({"slack": {"existingSecret": "s"}}, "valkey.existingSecret is needed"),
        (merged({"slack": SECRETS["slack"]}, {"valkey": {"enabled": False}}), "there is no store"),
        (merged(SECRETS, {"redis": {"url": "redis://redis:6379"}}), "both given"),
        (merged(SECRETS, {"rbac": {"create": True}}), "in_cluster"),
        (merged(SECRETS, HOME_CLUSTER, {"rbac": {"podLogs": True}}), "set rbac.create=true"),
        (merged(SECRETS, HOME_CLUSTER, {"rbac": {"create": True, "podLogs": "yes"}}), "podLogs"),
        (merged(SECRETS, HOME_CLUSTER, {"rbac": {"create": True, "secrets": True}}), "secrets"),
        (merged(SECRETS, {"playbooks": {"a.yaml": "x"}, "config": {"playbooks": "own"}}), "leave config.playbooks out"),
        (merged(SECRETS, {"replica": 2}), "replica"),
        (merged(SECRETS, {"slack": {"botToken": "xoxb-1"}}), "botToken"),
        (merged(SECRETS, {"valkey": {"persistence": {"sise": "1Gi"}}}), "sise"),
        (merged(SECRETS, {"config": {"clusters": {"prod": {"kubecofnig": "x"}}}}), "kubecofnig"),
        (merged(SECRETS, {"replicas": 0}), "replicas"),
        (merged(SECRETS, {"replicas": "two"}), "replicas"),
        (merged(SECRETS, {"image": {"digest": "latest"}}), "digest"),
        (merged(SECRETS, {"log": {"level": "loud"}}), "level"),
        (merged(SECRETS, {"playbooks": {"../a.yaml": "x"}}), "playbooks"),
        (merged(SECRETS, {"env": [{"name": "A"}]}), "value"),
        (merged(SECRETS, {"env": [{"name": "APIDOWN_HEALTH_PORT", "value": "1"}]}), "which the chart sets itself"),
        (merged(SECRETS, {"ca": {"existingSecret": "a", "existingConfigMap": "b"}}), "both given"),
        (merged(SECRETS, {"valkey": {"image": {"tag": ""}}}), "tag"),
        (merged({"slack": SECRETS["slack"]}, OWN_REDIS, {"redis": {"url": "redis://:pw@redis:6379/0"}}), "has a password in it"),
        (merged(SECRETS, {"config": {"clusters": {"a": {"kubeconfig": "a.yaml"}}}}), "a.kubeconfig is a relative path"),
        (
            merged(SECRETS, {"config": {"clusters": {"a": {"kubeconfig": "/etc/apidown/clusters/a"}}}}),
            "clusterFiles.existingSecret is needed",
        ),
        (merged(SECRETS, {"redis": {"url": "http://redis"}}), "url"),
    ],
)
def test_wrong_values_are_refused_by_name(folder: Path, values: dict[str, Any], says: str) -> None:
    assert says in refusal(folder, values)


# Its schema and its documents

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())


def objects(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield path, schema
        for key, inner in schema.items():
            yield from objects(inner, f"{path}.{key}")
    elif isinstance(schema, list):
        for inner in schema:
            yield from objects(inner, path)


def test_the_schema_is_closed_at_every_level() -> None:
    for path, schema in objects(SCHEMA):
        more = schema.get("additionalProperties")
        closed = more is False or isinstance(more, dict) or schema.get("maxProperties") == 0
        assert closed, path


def test_every_value_is_in_the_schema_and_has_a_comment() -> None:
    for path in leaves(VALUES):
        schema = SCHEMA
        for key in path.split("."):
            schema = schema["properties"][key]
    assert set(leaves(VALUES)) == {path for path, _, _ in documented()}


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("", ConfigForm),
        ("properties.clusters.additionalProperties", ClusterForm),
        ("properties.clusters.additionalProperties.properties.prometheus.anyOf.1", PrometheusForm),
        ("properties.clusters.additionalProperties.properties.prometheus.anyOf.1.properties.jobs", JobsForm),
        ("properties.clusters.additionalProperties.properties.balancer.anyOf.0", BalancerForm),
        ("properties.clusters.additionalProperties.properties.balancer.anyOf.1.items", BalancerForm),
        ("properties.clusters.additionalProperties.properties.etcd", EtcdForm),
        ("properties.channels.additionalProperties", ChannelForm),
        ("properties.may_start", MayStartForm),
        ("properties.alerts", AlertsForm),
        ("properties.alerts.properties.names.items.anyOf.1", AlertForm),
    ],
)
def test_the_configurations_schema_has_the_keys_of_the_configuration(path: str, form: type[BaseModel]) -> None:
    schema: Any = SCHEMA["properties"]["config"]
    for key in filter(None, path.split(".")):
        schema = schema[int(key)] if isinstance(schema, list) else schema[key]
    assert set(schema["properties"]) == {field.alias or name for name, field in form.model_fields.items()}


def test_the_charts_version_is_the_projects() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_documents_values_and_secrets_fit_the_chart(folder: Path) -> None:
    text = (ROOT / "docs" / "install.md").read_text()
    values = re.search(r"`my-values.yaml`:\n\n```yaml\n(.*?)```", text, re.S)
    assert values
    rendered = render(folder, yaml.safe_load(values[1]))
    made = {
        name: set(re.findall(r"--from-literal=([a-z-]+)=", rest))
        for name, rest in re.findall(r"create secret generic (\S+)(.*)", text)
        if "--from-literal" in rest
    }
    asked: dict[str, set[str]] = {}
    pods = [rendered.pod(), rendered.pod("StatefulSet", "apidown-valkey")]
    for one in [entry for pod in pods for entry in pod["containers"][0]["env"]]:
        if key := one.get("valueFrom", {}).get("secretKeyRef"):
            asked.setdefault(key["name"], set()).add(key["key"])
    assert made == asked


# What a real API server says to it


def place_of(one: dict[str, Any]) -> str:
    """Where an object of this kind is made."""
    group, _, version = one["apiVersion"].rpartition("/")
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    plural = "networkpolicies" if one["kind"] == "NetworkPolicy" else f"{one['kind'].lower()}s"
    where = "" if one["kind"].startswith("Cluster") else f"/namespaces/{one['metadata'].get('namespace', 'default')}"
    return f"{root}{where}/{plural}"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane")) as made:
        for namespace in ("default", "kube-system", "kube-public"):
            wait_until(lambda: made.status(f"/api/v1/namespaces/{namespace}") == 200, namespace, within=30)  # noqa: B023
        yield made


@pytest.mark.lab
def test_a_real_api_server_takes_every_object(plane: ControlPlane, everything: Rendered, plain: Rendered) -> None:
    for one in [*plain.objects, *everything.objects]:
        status, said = plane.request(f"{place_of(one)}?dryRun=All&fieldValidation=Strict", "POST", one)
        assert status == 201, f"{one['kind']} {one['metadata']['name']}: {said}"


@pytest.mark.lab
@pytest.mark.parametrize("logs", [False, True])
def test_its_service_account_may_read_what_the_documents_say_and_no_more(
    plane: ControlPlane, folder: Path, *, logs: bool
) -> None:
    release = "with-logs" if logs else "without"
    values = merged(SECRETS, HOME_CLUSTER, {"rbac": {"create": True, "podLogs": logs}})
    rendered = render(folder, values, release=release)
    for one in rendered.objects:
        if one["kind"] == "ServiceAccount" or "Role" in one["kind"]:
            status, said = plane.request(place_of(one), "POST", one)
            assert status == 201, said
    name = rendered.pod(name=f"{release}-apidown")["serviceAccountName"]
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    status, said = plane.request(f"/api/v1/namespaces/default/serviceaccounts/{name}/token", "POST", asked)
    assert status == 201, said
    token = json.loads(said)["status"]["token"]
    for path in (*MAY, *([LOG] if logs else [])):
        wait_until(lambda: status_of(plane, token, path) in (200, 404), path, within=10)  # noqa: B023
    for path in (*MUST_NOT, *([] if logs else [LOG])):
        assert status_of(plane, token, path) == 403, path
    for method in ("POST", "DELETE"):
        assert status_of(plane, token, "/api/v1/namespaces/kube-system/pods", method) == 403


# What its Valkey does


def test_valkeys_script_starts_a_server_that_wants_the_password(plain: Rendered, tmp_path: Path) -> None:
    """The chart's own script and configuration with a real server; only its paths and its port are of this test."""
    client = shutil.which("valkey-cli") or shutil.which("redis-cli")
    if client is None or find_redis() is None:
        missing("redis", "redis-server and redis-cli are not installed")
    programs, port = tmp_path / "programs", free_port()
    programs.mkdir()
    (programs / "valkey-server").symlink_to(find_server())
    (programs / "valkey-cli").symlink_to(client)
    for name in ("data", "run"):
        (tmp_path / name).mkdir()
    data = plain.of("ConfigMap", "apidown-valkey")["data"]
    for name, text in data.items():
        moved = text.replace("/etc/valkey", str(tmp_path)).replace("/run/valkey", str(tmp_path / "run"))
        moved = moved.replace("dir /data", f"dir {tmp_path / 'data'}\nport {port}\nbind 127.0.0.1")
        (tmp_path / name).write_text(moved.replace("valkey-cli -h 127.0.0.1", f"valkey-cli -h 127.0.0.1 -p {port}"))
    password = 'it\'s a "pass word" with $signs and % in it'
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "VALKEY_PASSWORD": password}

    def sh(name: str) -> int:
        return subprocess.run(["sh", tmp_path / name], env=environment, capture_output=True, timeout=10, check=False).returncode

    def ask(*words: str, secret: str = password) -> str:
        command = [client, "-p", str(port), *words]
        environ = {"PATH": os.environ["PATH"], "REDISCLI_AUTH": secret}
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=10, check=False).stdout.strip()

    assert sh("ready.sh") == 1, "nothing runs yet"
    with subprocess.Popen(["sh", tmp_path / "start.sh"], env=environment, stdout=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: sh("ready.sh") == 0, "Valkey is ready", within=20)
            assert ask("config", "get", "maxmemory-policy").split() == ["maxmemory-policy", "noeviction"]
            assert ask("config", "get", "appendonly").split() == ["appendonly", "yes"]
            assert ask("set", "a", "1") == "OK"
            assert "NOAUTH" in ask("get", "a", secret="wrong")
            written = b"".join(path.read_bytes() for path in (tmp_path / "run").iterdir())
            assert written
            assert password.encode() not in written
        finally:
            server.terminate()
