"""A first configuration: valid as it is, explained, and without anything secret of the kubeconfig."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.config import Config
from bot.config_form import ClusterForm, ConfigForm
from bot.errors import ConfigError, UsageError
from bot.first_config import Found, text, write
from bot.first_config import find as contexts_of

SECRETS = ("c2VjcmV0LWtleQ==", "abcdef.0123456789abcdef", "s3cret-password")


def kubeconfig(path: Path, *contexts: str, current: str | None = None, server: str = "https://api.example.com:6443") -> Path:
    body: dict[str, Any] = {
        "current-context": current or (contexts[0] if contexts else ""),
        "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority-data": SECRETS[0]}}],
        "users": [{"name": "u", "user": {"token": SECRETS[1], "password": SECRETS[2], "client-key-data": SECRETS[0]}}],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in contexts],
    }
    path.write_text(json.dumps(body))
    return path


def find(files: list[Path], context: str | None) -> list[Found]:
    return contexts_of(files, context).clusters


def loaded(tmp_path: Path, content: str) -> Config:
    file = tmp_path / "apidown.yaml"
    file.write_text(content)
    return Config.load(file)


def test_every_context_becomes_a_cluster_and_the_current_one_is_first(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config", "dev", "Prod Admin@EU", "prod-admin-eu", current="prod-admin-eu")
    config = loaded(tmp_path, content := text(find([file], None)))
    assert {name: one.context for name, one in config.clusters.items()} == {
        "prod-admin-eu": "prod-admin-eu",
        "dev": "dev",
        "prod-admin-eu-2": "Prod Admin@EU",
    }
    assert {one.kubeconfig for one in config.clusters.values()} == {file}
    assert content.index("  prod-admin-eu:") < content.index("  dev:")
    assert "# https://api.example.com:6443" in content


def test_nothing_secret_is_copied(tmp_path: Path) -> None:
    content = text(find([kubeconfig(tmp_path / "config", "prod")], None))
    assert not [secret for secret in SECRETS if secret in content]
    content = text(find([kubeconfig(tmp_path / "config", "prod", server="https://ann:s3cret-password@api:6443")], None))
    assert "s3cret-password" not in content


def test_every_optional_key_is_explained_and_valid_when_it_is_uncommented(tmp_path: Path) -> None:
    content = text(find([kubeconfig(tmp_path / "config", "prod")], None))
    body = re.sub(r"^( *)# (?=[ a-z0-9_]+:|  )", r"\1", content.split("clusters:", 1)[1], flags=re.M | re.I)
    # A channel has one default cluster, so the second way to say it stays a comment.
    config = loaded(tmp_path, "clusters:" + body.replace("    channels: [C0123ABCD]", "    # channels"))
    assert config.users == {"U0123ABCD"}
    assert config.controls
    assert config.clusters["prod"].nodes
    given_elsewhere = {"server", "in_cluster", "ca", "token_file", "client_certificate", "client_key", "tls_server_name"}
    explained = set(re.findall(r"(\w+):", content))
    assert set(ConfigForm.model_fields) <= explained
    assert set(ClusterForm.model_fields) - given_elsewhere - {"proxy_url"} <= explained


def test_one_context_can_be_chosen(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config", "dev", "prod")
    assert [one.context for one in find([file], "prod")] == ["prod"]
    with pytest.raises(UsageError, match="there is no context 'prd'") as caught:
        find([file], "prd")
    assert "prod" in caught.value.nearest
    assert caught.value.next == f"kubectl config get-contexts --kubeconfig {file}"


def test_of_several_files_each_context_keeps_its_own(tmp_path: Path) -> None:
    one, two = kubeconfig(tmp_path / "one", "dev"), kubeconfig(tmp_path / "two", "dev", "prod")
    found = find([one, tmp_path / "missing", two], None)
    assert {(each.context, each.file) for each in found} == {("dev", one), ("prod", two)}
    (tmp_path / "empty").write_text("# nothing yet\n")
    assert {each.context for each in find([one, tmp_path / "empty"], None)} == {"dev"}


def test_a_context_whose_name_no_file_can_carry_is_left_out_and_said(tmp_path: Path) -> None:
    found = contexts_of([kubeconfig(tmp_path / "config", "prod", "a\x1b[2Jb")], None)
    assert [one.context for one in found.clusters] == ["prod"]
    (said,) = found.left_out
    assert "cannot be written" in said
    assert said.isprintable()


def test_a_clouds_long_context_becomes_the_clusters_own_name_unless_two_have_it(tmp_path: Path) -> None:
    arn, gke = "arn:aws:eks:eu-west-1:123456789012:cluster/Prod", "gke_my-project_europe-west1-b_stage"
    assert [one.name for one in find([kubeconfig(tmp_path / "one", arn, gke)], None)] == ["prod", "stage"]
    other = arn.replace("eu-west-1", "us-east-1")
    assert [one.name for one in find([kubeconfig(tmp_path / "two", arn, other)], None)] == [
        "arn-aws-eks-eu-west-1-123456789012-cluster-prod",
        "arn-aws-eks-us-east-1-123456789012-cluster-prod",
    ]


def test_a_context_that_is_called_as_a_word_of_the_command_gives_a_valid_file(tmp_path: Path) -> None:
    config = loaded(tmp_path, text(find([kubeconfig(tmp_path / "config", "status", "help")], None)))
    assert set(config.clusters) == {"cluster-status", "cluster-help"}


def test_what_apidown_needs_or_does_not_do_is_said_beside_the_cluster(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config", "prod")
    body = json.loads(file.read_text())
    body["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
    body["users"][0]["user"] = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/opt/bin/aws"}}
    file.write_text(json.dumps(body))
    content = text(find([file], None))
    assert "# The kubeconfig says insecure-skip-tls-verify" in content
    assert "from the program aws, which must be there" in content
    assert set(loaded(tmp_path, content).clusters) == {"prod"}


def test_a_kubeconfig_without_clusters_is_refused_with_what_to_do(tmp_path: Path) -> None:
    missing, empty = tmp_path / "missing", tmp_path / "empty"
    empty.write_text("")
    for files, says in (
        ([kubeconfig(tmp_path / "config")], "no context in it"),
        ([missing], "cannot be read"),
        ([missing, tmp_path / "gone"], "none of these files"),
        ([empty], "not a kubeconfig"),
    ):
        with pytest.raises(ConfigError, match=says) as caught:
            find(files, None)
        assert "docs/configuration.md" in caught.value.next


def test_a_named_context_without_its_cluster_says_which_is_missing(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config", "prod", "old")
    body = json.loads(file.read_text())
    body["contexts"][1]["context"]["cluster"] = "gone"
    file.write_text(json.dumps(body))
    found = contexts_of([file], None)
    assert [one.context for one in found.clusters] == ["prod"]
    assert found.left_out == ["Context 'old' names the cluster 'gone', which is not there."]
    assert contexts_of([file], "prod").left_out == [], "what nobody asked for is not left out"
    with pytest.raises(ConfigError, match="names the cluster 'gone', which is not there"):
        find([file], "old")


def test_what_is_there_is_never_overwritten_unasked(tmp_path: Path) -> None:
    file = tmp_path / "apidown.yaml"
    write(file, "one", force=False)
    with pytest.raises(UsageError, match="stays as it is"):
        write(file, "two", force=False)
    assert file.read_text() == "one"
    write(file, "two", force=True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("apidown.yaml", "two")]
    with pytest.raises(ConfigError):
        write(tmp_path / "no" / "folder", "x", force=False)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80), min_size=1, max_size=6, unique=True),
    st.text(max_size=60),
)
def test_any_context_and_any_server_give_a_valid_file(tmp_path: Path, contexts: list[str], host: str) -> None:
    file = kubeconfig(tmp_path / "config", *contexts, server=f"https://{host}")
    try:
        found = find([file], None)
    except ConfigError:
        return  # a name that YAML itself cannot carry
    config = loaded(tmp_path, text(found))
    assert {one.context for one in config.clusters.values()} == {one.context for one in found}
