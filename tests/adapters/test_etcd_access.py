"""The configuration's `etcd`: its form, its files, and what a round is given of them."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from bot.adapters.kubeconfig.access import FileDirectory, resolve
from bot.clock import SystemClock
from bot.config import Config
from bot.document import DocumentErrors
from bot.model.target import CredentialKind, Endpoint
from bot.settings import Settings
from tests import pki

HEAD = "clusters:\n  prod:\n    server: https://127.0.0.1:1\n    etcd:\n"
WHOLE = """\
      endpoints: ["10.0.0.11:2379", "[fd00::1]:2379"]
      ca: pki/ca.crt
      client_certificate: pki/client.crt
      client_key: pki/client.key
"""


def loaded(folder: Path, text: str) -> Config:
    path = folder / "apidown.yaml"
    path.write_text(HEAD + text)
    return Config.load(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    authority, place = pki.Authority(common_name="etcd-ca"), tmp_path / "pki"
    client = authority.issue(common_name="apidown")
    place.mkdir()
    for name, text in (("ca.crt", authority.pem), ("client.crt", client.pem), ("client.key", client.key_pem)):
        (place / name).write_text(text)
    return tmp_path


def test_members_and_files_are_what_the_configuration_says(folder: Path) -> None:
    access = resolve(loaded(folder, WHOLE).clusters["prod"], Settings()).etcd
    assert access is not None
    assert access.etcd.endpoints == (Endpoint(host="10.0.0.11", port=2379), Endpoint(host="fd00::1", port=2379))
    assert access.ca_pem == (folder / "pki" / "ca.crt").read_text()
    assert access.problem is None
    assert access.credentials is not None
    assert access.credentials.kind is CredentialKind.CLIENT_CERTIFICATE
    access.credentials.load_client_certificate(ssl.create_default_context())


def test_a_metrics_listener_needs_no_files_and_a_cluster_no_etcd(folder: Path) -> None:
    config = loaded(folder, '      endpoints: "10.0.0.11:2381"\n      scheme: http\n')
    access = resolve(config.clusters["prod"], Settings()).etcd
    assert access is not None
    assert (access.etcd.scheme, access.ca_pem, access.credentials) == ("http", None, None)
    (folder / "apidown.yaml").write_text("clusters: {prod: {server: 'https://127.0.0.1:1'}}")
    assert resolve(Config.load(folder / "apidown.yaml").clusters["prod"], Settings()).etcd is None


@pytest.mark.parametrize("broken", ["gone", "no certificate"])
def test_without_the_authority_that_was_meant_no_credentials_are_used(folder: Path, broken: str) -> None:
    authority = folder / "pki" / "ca.crt"
    authority.unlink() if broken == "gone" else authority.write_text(broken)
    access = resolve(loaded(folder, WHOLE).clusters["prod"], Settings()).etcd
    assert access is not None
    assert access.credentials is None
    assert access.problem is not None
    assert str(authority) in access.problem


async def test_a_cluster_whose_own_files_are_broken_keeps_its_etcd(folder: Path) -> None:
    config = loaded(folder, WHOLE)
    (folder / "apidown.yaml").write_text((HEAD + WHOLE).replace("server: https://127.0.0.1:1", "kubeconfig: gone"))
    broken = Config.load(folder / "apidown.yaml")
    cluster = config.clusters["prod"].cluster()
    access = await FileDirectory(lambda: broken, Settings(), clock=SystemClock()).access(cluster)
    assert access.credentials is None
    assert access.etcd is not None
    assert access.etcd.credentials is not None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("      endpoints: []\n", "none is named"),
        ("      ca: ca.crt\n", "endpoints"),
        ("      endpoints: 10.0.0.11:2379\n      client_key: x\n", "go together"),
        ("      endpoints: 10.0.0.11:2381\n      scheme: http\n      ca: x\n", "goes with https"),
        ("      endpoints: 10.0.0.11:2379\n      cert: x\n", "cert"),
        ("      endpoints: https://10.0.0.11:2379\n", "host:port"),
    ],
)
def test_a_mistake_is_said(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DocumentErrors) as caught:
        loaded(tmp_path, text)
    assert says in str(caught.value)
