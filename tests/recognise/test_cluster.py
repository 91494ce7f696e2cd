from __future__ import annotations

from types import MappingProxyType

import pytest

from bot.config import Channel, ClusterDefinition, Config
from bot.errors import UsageError
from bot.model.target import Endpoint
from bot.recognise.cluster import cluster_meant

PROD = ClusterDefinition(
    name="prod",
    server="https://api.prod.example:6443",
    aliases=("production",),
    nodes=(Endpoint(host="10.0.0.11", port=6443),),
)
STAGING = ClusterDefinition(name="staging", server="https://10.9.0.1:6443")
CONFIG = Config(
    clusters=MappingProxyType({"prod": PROD, "staging": STAGING}),
    channels=MappingProxyType({"C0PROD": Channel(cluster="prod"), "C0ONLYSTAG": Channel(allow_clusters=("staging",))}),
)


def meant(text, channel=None):
    return cluster_meant(text.split(), CONFIG, channel=channel)


@pytest.mark.parametrize(
    "text",
    [
        "prod",
        "Production is down again",
        "https://api.prod.example:6443",
        "https://API.prod.example:6443/api/v1/nodes?limit=500",
        "api.prod.example",
        "10.0.0.11:6443",
        "The connection to the server api.prod.example:6443 was refused - did you specify the right host or port?",
        'Unable to connect: Get "https://api.prod.example:6443/api?timeout=32s": dial tcp 10.1.1.1:6443: i/o timeout',
        "Unable to connect to the server: dial tcp: lookup api.prod.example on 10.0.0.2:53: no such host",
        "read tcp 10.1.2.3:51234->10.0.0.11:6443: read: connection reset by peer",
        "E1120 14:03:22.123456 12 memcache.go:265] couldn't get list: dial tcp 10.0.0.11:6443: connect: connection refused",
    ],
)
def test_a_configured_cluster_is_found_by_name_or_address_anywhere_in_the_text(text):
    assert meant(text).name == "prod"
    assert meant(text).configured


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://other.example:8443", "https://other.example:8443"),
        ("https://rancher.example/k8s/clusters/c-1/api/v1/nodes", "https://rancher.example:443/k8s/clusters/c-1"),
        ("dial tcp [fd00::1]:6443: i/o timeout", "https://[fd00::1]:6443"),
        ("10.7.7.7:9", "https://10.7.7.7:9"),
        ("localhost:6443", "https://localhost:6443"),
        ("read tcp 10.1.2.3:51234->10.7.7.7:6443: reset", "https://10.7.7.7:6443"),
        ("see https://other.example:8443, it is down.", "https://other.example:8443"),
    ],
)
def test_any_other_address_is_an_ad_hoc_cluster_without_credentials(text, url):
    cluster = meant(text, "C0PROD")
    assert cluster.target.url == url
    assert not cluster.configured
    assert cluster.name.startswith("url-")


def test_a_configured_host_at_another_port_is_not_the_configured_cluster():
    assert not meant("https://api.prod.example:9443").configured


def test_a_link_before_the_servers_address_does_not_hide_the_configured_cluster():
    text = "see https://docs.example.com/outage - the connection to the server api.prod.example:6443 was refused"
    assert meant(text).name == "prod"


def test_a_channel_is_told_of_its_own_clusters_only():
    with pytest.raises(UsageError) as caught:
        meant("whatever", "C0ONLYSTAG")
    assert "prod" not in str(caught.value)


def test_without_words_the_channels_own_cluster_is_meant():
    assert meant("", "C0PROD").name == "prod"
    assert meant("", "C0ONLYSTAG").name == "staging"


def test_pasted_text_without_an_address_means_the_channels_own_cluster():
    assert meant("error: You must be logged in to the server (Unauthorized)", "C0PROD").name == "prod"


@pytest.mark.parametrize(
    ("text", "channel", "says"),
    [
        ("", None, "the clusters are prod, staging"),
        ("prdo", "C0PROD", "did you mean 'prod'?"),
        ("prdo is not answering any more", "C0PROD", "did you mean 'prod'?"),
        ("prod", "C0ONLYSTAG", "not for this channel"),
        ("https://api.prod.example:6443", "C0ONLYSTAG", "not for this channel"),
        ("whatever", None, "the clusters are prod, staging"),
        ("other.example", "C0PROD", "a server's URL"),
        ("10.0.0.2:53:53:99999", None, "/apidown help"),
        ("https://user:secret@other.example:6443", None, "password"),
        ("lookup unknown.example on 10.0.0.2:53: no such host", None, "/apidown help"),
    ],
)
def test_what_is_not_understood_is_answered_with_what_to_type(text, channel, says):
    with pytest.raises(UsageError) as caught:
        meant(text, channel)
    assert says in str(caught.value)
