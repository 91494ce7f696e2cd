from __future__ import annotations

from types import MappingProxyType

import pytest

from bot.config import Channel, ClusterDefinition, Config
from bot.errors import UsageError
from bot.model.recognised import About
from bot.recognise.cluster import cluster_meant
from bot.recognise.wish import kept, pasted

CONFIG = Config(
    clusters=MappingProxyType(
        {
            "prod": ClusterDefinition(name="prod", server="https://api.prod.example:6443"),
            "redis-eu": ClusterDefinition(name="redis-eu", server="https://10.9.0.1:6443"),
        }
    ),
    channels=MappingProxyType({"C0PROD": Channel(cluster="prod"), "C0REDIS": Channel(allow_clusters=("redis-eu",))}),
)
PULL = 'Failed to pull image "web:1": dial tcp 203.0.113.9:443: connect: connection refused'


def meant(text, channel=None):
    seen = pasted(text, CONFIG, channel)
    return cluster_meant(
        text.split(), CONFIG, channel=channel, recognised=None if seen is None or seen.named else seen.recognised
    )


@pytest.mark.parametrize(
    "text",
    ["", "prod", "redis-eu", "redis-eu is down", "https://postgres.example:5432", "10.0.0.1:6379", "https://a.example it fails"],
)
def test_a_name_or_a_url_is_no_pasted_text_whatever_it_is_called(text):
    assert pasted(text, CONFIG) is None


@pytest.mark.parametrize("head", ["prod", "redis-eu", "https://api.other.example:6443", "https://api.other.example/"])
def test_behind_a_cluster_or_a_server_any_text_is_looked_at(head):
    seen = pasted(f"{head} {PULL}", CONFIG)
    assert seen is not None
    assert seen.recognised.about is About.SOMETHING_ELSE
    assert not seen.is_something_else


@pytest.mark.parametrize(
    "text", [PULL, f"https://registry.example/v2/ {PULL}", f"help! {PULL}", "[FIRING:1] KubePodCrashLooping"]
)
def test_a_text_about_something_else_is_for_an_answer(text):
    seen = pasted(text, CONFIG)
    assert seen is not None
    assert seen.is_something_else


@pytest.mark.parametrize(
    "text",
    [
        "everything is down since the mysql upgrade",
        "redis and kafka are fine but nobody can deploy",
        "grafana is empty, please look at it",
    ],
)
def test_a_mere_mention_of_something_else_keeps_nobody_from_looking(text):
    seen = pasted(text, CONFIG)
    assert seen is not None
    assert not seen.is_something_else
    assert seen.worth_saying is None


def test_the_name_of_a_cluster_that_a_channel_may_not_ask_about_is_no_name_there():
    seen = pasted(f"prod {PULL}", CONFIG, "C0REDIS")
    assert seen is not None
    assert seen.is_something_else


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Error from server: error dialing backend: dial tcp 10.1.4.9:10250: i/o timeout", "prod"),
        ("Failed to list *v1.Pod: Get https://10.96.0.1:443/api/v1/pods: dial tcp 10.96.0.1:443: i/o timeout", "prod"),
        ("[FIRING:1] KubeAPIDown", "prod"),
        ("{'alertname': 'KubeAPIDown'}", "prod"),
        ("Unable to connect to the server: Post https://oauth2.googleapis.com/token: i/o timeout", "prod"),
        ("Prod: Unable to connect to the server: EOF", "prod"),
    ],
)
def test_what_is_no_api_servers_address_means_the_channels_own_cluster(text, name):
    assert meant(text, "C0PROD").name == name


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (
            'Get "https://api.other.example:8443/api/v1/nodes": dial tcp 10.7.7.7:8443: i/o timeout',
            "https://api.other.example:8443",
        ),
        ("see https://docs.example/x The connection to the server 10.7.7.7:6443 was refused", "https://10.7.7.7:6443"),
        ("Unable to connect to the server: dial tcp [fd00::1]:6443: i/o timeout", "https://[fd00::1]:6443"),
        ('Get "https://rancher.example/k8s/clusters/c-1/api/v1/nodes": EOF', "https://rancher.example:443/k8s/clusters/c-1"),
    ],
)
def test_the_recognised_address_is_looked_at(text, url):
    cluster = meant(text, "C0PROD")
    assert cluster.target.url == url
    assert not cluster.configured


def test_a_text_that_names_no_server_where_there_is_no_own_cluster_is_told_so():
    for text in (
        "Unable to connect to the server: net/http: TLS handshake timeout",
        "dial tcp 10.1.0.4:10250: i/o timeout from apiserver",
    ):
        with pytest.raises(UsageError) as caught:
            meant(text)
        assert "does not say which API server" in str(caught.value)
        assert "prod" in str(caught.value)


def test_the_log_keeps_a_short_redacted_line():
    secret = "abcdefghijklmnopqrstuvwxyz0123456789"
    line = kept(f"prod it fails\nAuthorization: Bearer {secret}\n" + "word " * 5000)
    assert line.startswith("prod it fails Authorization")
    assert secret not in line
    assert len(line) <= 302
    assert line.endswith(" …")
    assert kept("prod") == "prod"
    assert kept("x" * 100_000) == "…"
