"""Kubeconfigs as kubectl takes them, on real files, real exec plugins and real TLS."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
import stat
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.adapters.kubeconfig.access import FileDirectory, from_kubeconfig, resolve, with_known_servers
from bot.adapters.kubeconfig.credentials import FileCredentials, claims
from bot.adapters.kubeconfig.files import ExecPlugin, Pem, User
from bot.adapters.kubeconfig.plugin import ExecCredential, parse_credential, run_plugin
from bot.clock import SystemClock, stamp, to_milliseconds
from bot.config import ClusterDefinition, Config, ad_hoc
from bot.errors import ApidownError, ConfigError, Unavailable
from bot.model.target import CredentialKind
from bot.ports import ClusterAccess
from bot.recognise.cluster import cluster_meant
from bot.settings import Settings
from tests.pki import Authority

V1 = "client.authentication.k8s.io/v1"
AUTHORITY = Authority()
CA_PEM = AUTHORITY.pem
CLIENT = AUTHORITY.issue(common_name="apidown")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def kubeconfig(
    path: Path, *, user: Mapping[str, Any] | None = None, cluster: Mapping[str, Any] | None = None, name: str = "prod", **top: Any
) -> Path:
    # JSON is YAML, so what is written here needs no quoting of its own.
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": "https://api.example.com:6443", **(cluster or {})}}],
        "users": [{"name": f"{name}-user", "user": dict(user or {})}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": f"{name}-user"}}],
    }
    path.write_text(json.dumps(body | top))
    return path


def access_of(folder: Path, **options: Any) -> ClusterAccess:
    return from_kubeconfig(kubeconfig(folder / "config", **options), None, Settings())


def credentials(user: User, *, clock: Any = None, **environment: str) -> FileCredentials:
    inherited = {"PATH": os.environ["PATH"], **environment}
    return FileCredentials(user, clock=clock or SystemClock(), environment=inherited, cluster={"server": "https://api:6443"})


def token(**payload: Any) -> str:
    parts = [json.dumps({"alg": "none"}), json.dumps(payload), "signature"]
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


# The file -------------------------------------------------------------------------------------------------------------


def test_a_context_gives_server_ca_and_credentials(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text(CA_PEM)
    cluster = {"certificate-authority": "ca.crt", "tls-server-name": "api", "proxy-url": "http://proxy:3128"}
    access = access_of(tmp_path, cluster=cluster, user={"token": "abc"})
    assert access.problems == ()
    target = access.cluster.target
    assert (target.url, target.server_name, target.proxy_url) == ("https://api.example.com:6443", "api", "http://proxy:3128")
    assert target.ca_pem == CA_PEM
    assert access.cluster.configured
    assert (access.cluster.name, access.cluster.kubeconfig_context) == ("prod", "prod")
    assert access.cluster.credentials is CredentialKind.TOKEN


def test_inline_data_goes_before_a_file(tmp_path: Path) -> None:
    cluster = {"certificate-authority": "missing.crt", "certificate-authority-data": encoded(CA_PEM)}
    access = access_of(tmp_path, cluster=cluster)
    assert access.problems == ()
    assert access.cluster.target.ca_pem == CA_PEM


def test_a_user_without_credentials_gives_none(tmp_path: Path) -> None:
    access = access_of(tmp_path)
    assert access.credentials is None
    assert access.cluster.credentials is CredentialKind.NONE


def test_of_several_files_the_first_to_name_a_thing_wins(tmp_path: Path) -> None:
    first = kubeconfig(tmp_path / "a", user={"token": "first"})
    other = kubeconfig(tmp_path / "b", name="other")
    second = kubeconfig(tmp_path / "c", cluster={"server": "https://wrong:1"})
    configured = Settings(kubeconfig=(first, tmp_path / "missing", other, second))
    assert from_kubeconfig(None, None, configured).cluster.target.host == "api.example.com"
    assert from_kubeconfig(None, "other", configured).cluster.name == "other"


@pytest.mark.parametrize("text", ["", "\n  \n", "# nothing yet\n", "---\n", "null\n"])
def test_of_several_files_an_empty_one_says_nothing_as_for_kubectl(tmp_path: Path, text: str) -> None:
    one, empty = kubeconfig(tmp_path / "a"), tmp_path / "empty"
    empty.write_text(text)
    for files in ((one, empty), (empty, one)):
        assert from_kubeconfig(None, None, Settings(kubeconfig=files)).cluster.name == "prod"
    with pytest.raises(ConfigError, match="this is not a kubeconfig"):
        from_kubeconfig(empty, None, Settings())


def test_of_several_files_one_that_is_no_kubeconfig_is_refused_as_by_kubectl(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("[]\n")
    with pytest.raises(ConfigError, match="list: this is not a kubeconfig"):
        from_kubeconfig(None, None, Settings(kubeconfig=(kubeconfig(tmp_path / "a"), tmp_path / "list")))


def test_the_command_that_lists_contexts_has_the_files_that_were_read(tmp_path: Path) -> None:
    one, two = kubeconfig(tmp_path / "my config"), kubeconfig(tmp_path / "b", name="other")
    with pytest.raises(ConfigError) as caught:
        from_kubeconfig(one, "prd", Settings())
    assert caught.value.next == f"kubectl config get-contexts --kubeconfig '{one}'"
    with pytest.raises(ConfigError) as caught:
        from_kubeconfig(None, "prd", Settings(kubeconfig=(one, two)))
    assert caught.value.next == f"KUBECONFIG='{one}:{two}' kubectl config get-contexts"


def test_a_context_may_be_called_anything(tmp_path: Path) -> None:
    access = access_of(tmp_path, name="arn:aws:eks:eu-1:123:cluster/{Prod}")
    assert access.cluster.name == "arn-aws-eks-eu-1-123-cluster-prod"
    assert access.cluster.kubeconfig_context == "arn:aws:eks:eu-1:123:cluster/{Prod}"


def test_without_a_server_clients_take_localhost(tmp_path: Path) -> None:
    access = access_of(tmp_path, cluster={"server": ""})
    assert access.cluster.target.url == "http://localhost:8080"
    assert access.problems == ("The kubeconfig names no server, so clients take http://localhost:8080.",)


@pytest.mark.parametrize(
    ("top", "context", "what", "nearest"),
    [
        ({"current-context": ""}, None, "no current-context is set", "there are prod"),
        ({}, "prd", "there is no context 'prd'", "did you mean 'prod'?"),
        ({"contexts": []}, None, "there is no context 'prod'", ""),
        ({"clusters": []}, None, "context 'prod' names the cluster 'prod', which is not there", ""),
    ],
)
def test_what_gives_no_server_is_refused(tmp_path: Path, top: Any, context: str | None, what: str, nearest: str) -> None:
    path = kubeconfig(tmp_path / "config", **top)
    with pytest.raises(ConfigError) as caught:
        from_kubeconfig(path, context, Settings())
    assert (caught.value.where, caught.value.what, caught.value.nearest) == (str(path), what, nearest)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="config: the file cannot be read: No such file or directory"):
        from_kubeconfig(tmp_path / "config", None, Settings())
    with pytest.raises(ConfigError, match=r"a, .*b: there is no kubeconfig"):
        from_kubeconfig(None, None, Settings(kubeconfig=(tmp_path / "a", tmp_path / "b")))


def test_a_broken_file_is_placed_and_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("users:\n- name: a\n  user:\n    token: opensesame: x\n")
    with pytest.raises(ConfigError) as caught:
        from_kubeconfig(tmp_path / "config", None, Settings())
    assert caught.value.where == f"{tmp_path}/config:4:22"
    assert "opensesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("user", "sentence"),
    [
        ({"username": "u", "password": "opensesame"}, "user name and password, which API servers do not take"),
        ({"auth-provider": {"name": "gcp"}}, "auth-provider, which clients do not support any more"),
        ({"as": "root", "token": "t"}, "impersonates another one"),
        ({"client-certificate-data": encoded(CLIENT.pem)}, "without its key"),
        ({"client-key-data": "%", "client-certificate-data": "%"}, "'client-key-data' is not base64"),
        ({"token": 12345}, "'token' is not text"),
        ({"exec": {"apiVersion": V1}}, "names no command"),
        ({"exec": {"command": "x", "apiVersion": "client.authentication.k8s.io/v1alpha1"}}, "does not speak"),
        ({"exec": {"command": "x", "apiVersion": V1, "interactiveMode": "Always"}}, "a person at a terminal"),
        ({"exec": {"command": "x", "apiVersion": V1, "args": [1]}}, "not lists of text"),
    ],
)
def test_what_is_not_used_is_said_in_a_sentence(tmp_path: Path, user: Any, sentence: str) -> None:
    access = access_of(tmp_path, user=user)
    assert any(sentence in problem for problem in access.problems)
    assert "opensesame" not in str(access)


def test_verification_is_never_skipped(tmp_path: Path) -> None:
    access = access_of(tmp_path, cluster={"insecure-skip-tls-verify": True}, user={"token": "t"})
    assert access.problems == (
        "The kubeconfig says insecure-skip-tls-verify; the server's certificate is verified all the same.",
    )


def test_a_ca_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    missing = access_of(tmp_path, cluster={"certificate-authority": "none.crt"})
    wrong = access_of(tmp_path, cluster={"certificate-authority-data": encoded("not a certificate")})
    assert "No such file or directory" in missing.problems[0]
    assert "it is no certificate" in wrong.problems[0]
    assert missing.cluster.target.ca_pem is wrong.cluster.target.ca_pem is None


# The definition and the directory -------------------------------------------------------------------------------------


def test_without_the_ca_that_was_meant_no_credentials_are_sent(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "c", user={"token": "t0ken-of-prod"}, cluster={"certificate-authority": "gone.crt"})
    access = resolve(ClusterDefinition(name="prod", kubeconfig=path), Settings())
    assert access.credentials is None
    assert access.cluster.credentials is CredentialKind.NONE
    assert "no credentials are sent" in access.problems[0]


def test_a_pasted_address_is_known_as_the_cluster_whose_kubeconfig_has_it(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "c", cluster={"server": "https://10.9.8.7:6443"})
    clusters = {
        "prod": ClusterDefinition(name="prod", kubeconfig=path),
        "lost": ClusterDefinition(name="lost", kubeconfig=tmp_path / "missing"),
    }
    config = with_known_servers(Config(clusters=clusters), Settings())
    words = "The connection to the server 10.9.8.7:6443 was refused - did you specify the right host or port?"
    meant = cluster_meant(words.split(), config)
    assert (meant.name, meant.configured, meant.target.url) == ("prod", True, "https://10.9.8.7:6443")
    assert config.clusters["lost"].known_server is None


def test_a_definition_with_a_server_needs_no_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    definition = ClusterDefinition(
        name="prod", server="https://api:6443", ca_pem=CA_PEM, token_file=tmp_path / "token", tls_server_name="x"
    )
    access = resolve(definition, Settings())
    assert access.cluster.target.ca_pem == CA_PEM
    assert access.cluster.target.server_name == "x"
    assert access.cluster.credentials is CredentialKind.TOKEN
    assert access.cluster.kubeconfig_context is None


async def test_in_a_pod_the_service_account_is_used(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc")
    (tmp_path / "ca.crt").write_text(CA_PEM)
    definition = ClusterDefinition(name="here", in_cluster=True)
    pod = Settings(kubernetes_service_host="fd00::1", kubernetes_service_port=443)
    access = resolve(definition, pod, account=tmp_path)
    assert access.cluster.target.url == "https://[fd00::1]:443"
    assert access.credentials is not None
    assert await access.credentials.headers() == {"Authorization": "Bearer abc"}
    with pytest.raises(ConfigError, match="does not run in a pod"):
        resolve(definition, Settings(kubernetes_service_host=None))


async def test_a_bare_url_is_returned_as_it_is() -> None:
    cluster = ad_hoc("https://api:6443")
    access = await FileDirectory(Config.empty, Settings()).access(cluster)
    assert access == ClusterAccess(cluster=cluster)


async def test_files_are_read_at_each_access(tmp_path: Path) -> None:
    definition = ClusterDefinition(name="prod", kubeconfig=tmp_path / "config")
    directory = FileDirectory(lambda: Config(clusters={"prod": definition}), Settings())
    with pytest.raises(ConfigError):
        await directory.access(definition.cluster())
    kubeconfig(tmp_path / "config", user={"token": "t"})
    first = await directory.access(definition.cluster())
    assert first.cluster.target.host == "api.example.com"
    (tmp_path / "config").unlink()
    later = await directory.access(first.cluster)
    unsure = first.cluster.target.model_copy(update={"authority_known": False})
    assert later.cluster == first.cluster.model_copy(update={"target": unsure})
    assert later.credentials is None
    assert "No such file or directory" in later.problems[0]


async def test_a_cluster_that_is_no_longer_configured_has_no_credentials(tmp_path: Path) -> None:
    access = access_of(tmp_path, user={"token": "t"})
    later = await FileDirectory(Config.empty, Settings()).access(access.cluster)
    assert later.credentials is None
    assert later.problems == ("Cluster prod is not configured any more, so its credentials are not used.",)


# Tokens and certificates ----------------------------------------------------------------------------------------------


async def test_a_token_file_is_read_every_time(tmp_path: Path) -> None:
    path = tmp_path / "token"
    own = credentials(User(token="old", token_file=path))
    with pytest.raises(Unavailable, match="cannot be read: No such file"):
        await own.headers()
    path.write_text("one\n")
    assert await own.headers() == {"Authorization": "Bearer one"}
    path.write_text("two")
    assert await own.headers() == {"Authorization": "Bearer two"}
    path.write_text(" \n")
    with pytest.raises(Unavailable, match="is empty"):
        await own.headers()


@pytest.mark.parametrize("text", ["a\r\nHost: evil", "a b", "tökén"])
async def test_a_token_cannot_add_a_header(text: str) -> None:
    with pytest.raises(Unavailable, match="characters that no token has"):
        await credentials(User(token=text)).headers()


def test_secrets_do_not_show_in_reprs() -> None:
    user = User(token="opensesame", key=Pem(data=b"opensesame"), plugin=ExecPlugin(command="x", env={"A": "opensesame"}))
    shown = f"{user!r} {credentials(user)!r} {ExecCredential(token='opensesame', key_pem='opensesame')!r}"
    assert "opensesame" not in shown


def handshake(client: ssl.SSLContext) -> Any:
    """The client's subject as a server sees it, over memory buffers."""
    server = AUTHORITY.issue("api").server_context(client_ca_pem=CA_PEM)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname="api")
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(10):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return theirs.getpeercert()


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=CA_PEM)
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return context


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "files"])
def test_a_client_certificate_is_presented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inline: bool) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    (tmp_path / "c").write_text(CLIENT.pem)
    (tmp_path / "k").write_text(CLIENT.key_pem)
    files = User(certificate=Pem(path=tmp_path / "c"), key=Pem(path=tmp_path / "k"))
    data = User(certificate=Pem(data=CLIENT.pem.encode()), key=Pem(data=CLIENT.key_pem.encode()))
    context = client_context()
    credentials(data if inline else files).load_client_certificate(context)
    assert (("commonName", "apidown"),) in handshake(context)["subject"]
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_certificate_that_cannot_be_loaded_is_said(tmp_path: Path) -> None:
    other = AUTHORITY.issue(common_name="other")
    wrong = User(certificate=Pem(data=CLIENT.pem.encode()), key=Pem(data=other.key_pem.encode()))
    missing = User(certificate=Pem(path=tmp_path / "c"), key=Pem(path=tmp_path / "k"))
    with pytest.raises(Unavailable, match="not a usable pair"):
        credentials(wrong).load_client_certificate(client_context())
    with pytest.raises(Unavailable, match=f"{tmp_path}/c: No such file or directory") as caught:
        credentials(missing).load_client_certificate(client_context())
    assert caught.value.next == f"look at {tmp_path}/c and {tmp_path}/k"
    (tmp_path / "c").write_text(CLIENT.pem)
    with pytest.raises(Unavailable, match=f"{tmp_path}/k: No such file or directory"):
        credentials(missing).load_client_certificate(client_context())


def test_a_token_is_described_by_its_own_claims() -> None:
    own = token(sub="system:serviceaccount:a:b", iss="https://issuer", aud=["api"], exp=1795183200, iat=1795179600)
    said = credentials(User(token=own)).describe()
    assert said == {
        "kind": "token",
        "subject": "system:serviceaccount:a:b",
        "issuer": "https://issuer",
        "audience": ["api"],
        "not_before": "2026-11-20T13:00:00.000Z",
        "not_after": "2026-11-20T14:00:00.000Z",
    }
    assert own.split(".")[1] not in json.dumps(said)


def test_a_token_that_says_nothing_is_described_as_one() -> None:
    assert credentials(User(token="opaque")).describe() == {"kind": "token"}


def test_a_certificate_is_described_by_its_dates() -> None:
    own = User(certificate=Pem(data=CLIENT.pem.encode()), key=Pem(data=CLIENT.key_pem.encode()))
    said = credentials(own).describe()
    assert (said["kind"], said["subject"], said["issuer"]) == ("client-certificate", "CN=apidown", "CN=kubernetes")
    assert said["not_after"] == stamp(CLIENT.certificate.not_valid_after_utc)
    assert said["not_before"] == stamp(CLIENT.certificate.not_valid_before_utc)


def test_what_cannot_be_described_says_why(tmp_path: Path) -> None:
    missing = User(certificate=Pem(path=tmp_path / "c"), key=Pem(path=tmp_path / "k"))
    assert credentials(missing).describe()["problem"] == (
        f"the client certificate cannot be read: {tmp_path}/c: No such file or directory"
    )
    garbage = User(certificate=Pem(data=b"x"), key=Pem(data=b"x"))
    assert credentials(garbage).describe()["problem"] == "the client certificate is not PEM"
    assert "cannot be read" in credentials(User(token_file=tmp_path / "t")).describe()["problem"]


@given(
    st.text(max_size=60), st.recursive(st.none() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3))
)
def test_any_token_can_be_described(text: str, odd: Any) -> None:
    assert isinstance(claims(text), dict)
    found = claims(token(sub=odd, iss=odd, aud=odd, exp=odd, nbf=odd, iat=odd))
    json.dumps(found, allow_nan=False)


# Exec plugins ---------------------------------------------------------------------------------------------------------


def plugin(folder: Path, body: str, **options: Any) -> ExecPlugin:
    path = folder / "get-token"
    path.write_text(f"#!{sys.executable}\nimport json, os, sys, time\n{body}\n")
    path.chmod(0o755)
    return ExecPlugin(command=str(path), **options)


def printing(status: str, version: str = V1) -> str:
    return f'print(json.dumps({{"kind": "ExecCredential", "apiVersion": "{version}", "status": {status}}}))'


async def run(own: ExecPlugin, **options: Any) -> ExecCredential:
    environment = {"PATH": os.environ["PATH"], "INHERITED": "yes"}
    return await run_plugin(own, environment=environment, cluster={"server": "https://api:6443"}, **options)


async def test_a_plugin_hands_out_a_token(tmp_path: Path) -> None:
    status = '{"token": "-".join(sys.argv[1:] + [os.environ["OWN"], os.environ["INHERITED"]])}'
    own = plugin(tmp_path, printing(status), args=("$(id)", "b"), env={"OWN": "own"})
    assert (await run(own)).token == "$(id)-b-own-yes"


async def test_what_was_read_is_known_to_whoever_must_not_show_it(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("opaque-one\n")
    own = credentials(User(token_file=token))
    assert own.secrets() == frozenset()
    await own.headers()
    token.write_text("opaque-two")
    await own.headers()
    assert own.secrets() == {"opaque-one", "opaque-two"}
    env = {"AWS_SECRET_ACCESS_KEY": "opaque-key", "AWS_PROFILE": "production"}
    handed = credentials(User(plugin=plugin(tmp_path, printing('{"token": "opaque-three"}'), env=env)))
    assert handed.secrets() == {"opaque-key"}
    await handed.headers()
    assert handed.secrets() == {"opaque-key", "opaque-three"}


def test_the_secrets_of_a_cluster_are_its_token_and_its_proxys_password(tmp_path: Path) -> None:
    cluster = {"proxy-url": "http://user:a%2Fpassword@proxy:3128"}
    path = kubeconfig(tmp_path / "config", user={"token": "opaque-token"}, cluster=cluster)
    access = from_kubeconfig(path, None, Settings())
    assert access.secrets() == {"opaque-token", "a%2Fpassword", "a/password"}


async def test_a_plugin_is_told_of_the_cluster_only_if_it_asks(tmp_path: Path) -> None:
    status = '{"token": os.environ["KUBERNETES_EXEC_INFO"].replace(" ", "")}'
    told = json.loads((await run(plugin(tmp_path, printing(status), provide_cluster_info=True))).token or "")
    assert told == {
        "kind": "ExecCredential",
        "apiVersion": V1,
        "spec": {"interactive": False, "cluster": {"server": "https://api:6443"}},
    }
    untold = json.loads((await run(plugin(tmp_path, printing(status)))).token or "")
    assert untold["spec"] == {"interactive": False}


async def test_a_plugin_has_no_terminal_to_wait_for(tmp_path: Path) -> None:
    own = plugin(tmp_path, printing('{"token": repr(sys.stdin.read()) + "-x"}'))
    assert (await run(own)).token == "''-x"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('sys.exit("first\\nexpired: token=opensesame\\n")', r"ends with status 1 \(expired: token=\[redacted\]\)"),
        ("sys.exit(3)", r"ends with status 3(?!.*\()"),
        ('print("hello")', "prints no JSON"),
        ("", "prints no JSON"),
        ('print("[" * 100000)', "prints no JSON"),
        ("print('x' * 2_000_000)", "prints no JSON"),
        ("print(json.dumps([]))", "prints no ExecCredential"),
        (printing("None"), "without a status"),
        (printing("{}"), "neither a token nor a client certificate"),
        (printing('{"token": 1}'), "a part that is not text"),
        (printing('{"token": "a b"}'), "characters that no token has"),
        (printing('{"clientCertificateData": "x"}'), "without its key"),
        (printing('{"token": "t", "expirationTimestamp": "soon"}'), "expirationTimestamp that is no time"),
        (printing('{"token": "t"}', "client.authentication.k8s.io/v1beta1"), "another version"),
    ],
)
async def test_a_plugin_that_fails_is_unavailable_with_its_reason(tmp_path: Path, body: str, said: str) -> None:
    with pytest.raises(Unavailable, match=said) as caught:
        await run(plugin(tmp_path, body))
    assert "opensesame" not in str(caught.value)
    assert "the exec plugin get-token" in str(caught.value)


async def test_a_plugin_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="none cannot be started: No such file or directory"):
        await run(ExecPlugin(command=str(tmp_path / "none")))


async def test_a_silent_plugin_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"does not answer within 0\.5 s"):
        await run(plugin(tmp_path, "time.sleep(1000)"), deadline_s=0.5)


async def test_a_cancelled_plugin_is_ended_with_all_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    body = f"""
import subprocess
child = subprocess.Popen(["sleep", "1000"])
open("{pids}.part", "w").write(f"{{os.getpid()}} {{child.pid}}")
os.rename("{pids}.part", "{pids}")
time.sleep(1000)
"""
    running = asyncio.create_task(run(plugin(tmp_path, body), deadline_s=60))
    while not pids.exists() and not running.done():
        await asyncio.sleep(0.02)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    for pid in pids.read_text().split():
        assert await gone(int(pid))


async def gone(pid: int) -> bool:
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        await asyncio.sleep(0.05)
    return False


class Moving:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = to_milliseconds(datetime.now(UTC))

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0


def counting(folder: Path, status: str) -> ExecPlugin:
    counter = folder / "runs"
    return plugin(folder, f"open({str(counter)!r}, 'a').write('x')\n{status}")


async def test_a_plugin_runs_again_only_when_what_it_gave_expires(tmp_path: Path) -> None:
    clock = Moving()
    expires = (clock.at + timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
    own = credentials(
        User(plugin=counting(tmp_path, printing(f'{{"token": "t", "expirationTimestamp": "{expires}"}}'))), clock=clock
    )
    both = await asyncio.gather(own.headers(), own.headers())
    assert both == [{"Authorization": "Bearer t"}] * 2
    assert (tmp_path / "runs").read_text() == "x"
    assert own.describe() == {"kind": "exec", "command": "get-token", "not_after": stamp(clock.at + timedelta(minutes=1))}
    clock.at += timedelta(minutes=2)
    await own.headers()
    assert (tmp_path / "runs").read_text() == "xx"


async def test_a_plugin_that_failed_is_not_run_again_in_the_round(tmp_path: Path) -> None:
    own = credentials(User(plugin=counting(tmp_path, "sys.exit(1)")))
    for _ in range(2):
        with pytest.raises(Unavailable):
            await own.headers()
    assert (tmp_path / "runs").read_text() == "x"


async def test_a_plugins_certificate_is_presented(tmp_path: Path) -> None:
    pair = json.dumps({"clientCertificateData": CLIENT.pem, "clientKeyData": CLIENT.key_pem})
    own = credentials(User(plugin=plugin(tmp_path, printing(pair))))
    assert await own.headers() == {}
    context = client_context()
    own.load_client_certificate(context)
    assert (("commonName", "apidown"),) in handshake(context)["subject"]
    assert own.describe()["subject"] == "CN=apidown"


async def test_a_plugin_beside_the_kubeconfig_is_found(tmp_path: Path) -> None:
    plugin(tmp_path, printing('{"token": "t"}'))
    exec_form = {"command": "./get-token", "apiVersion": V1, "args": None, "env": None}
    access = access_of(tmp_path, user={"exec": exec_form})
    assert access.cluster.credentials is CredentialKind.EXEC
    assert access.credentials is not None
    assert await access.credentials.headers() == {"Authorization": "Bearer t"}


def test_a_key_is_on_disk_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    modes: list[int] = []

    class Watching(ssl.SSLContext):
        def load_cert_chain(self, certfile: Any, keyfile: Any = None, password: Any = None) -> None:
            modes.extend(stat.S_IMODE(Path(name).stat().st_mode) for name in (certfile, keyfile))

    own = credentials(User(certificate=Pem(data=b"c"), key=Pem(data=b"k")))
    own.load_client_certificate(Watching(ssl.PROTOCOL_TLS_CLIENT))
    assert modes == [0o600, 0o600]
    assert list(tmp_path.iterdir()) == []


# Anything at all ------------------------------------------------------------------------------------------------------

JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from(["prod", "prod-user", "x", V1]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "cluster", "user", "server", "exec", "command", "token", "args", "env"]), inner
        )
    ),
    max_leaves=10,
)
TOP = st.fixed_dictionaries({}, optional=dict.fromkeys(("current-context", "clusters", "users", "contexts"), JSONISH))


@given(st.one_of(st.binary(max_size=60), TOP.map(lambda body: json.dumps(body).encode())))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_kubeconfig_gives_access_or_an_error_in_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config"
    path.write_bytes(content)
    try:
        found: ClusterAccess | None = from_kubeconfig(path, None, Settings())
    except ApidownError as error:
        found = None
        said = str(error)
        assert said
    if found is not None and found.credentials is not None:
        json.dumps(found.credentials.describe())


@given(JSONISH, JSONISH, JSONISH)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_entry_gives_access_or_an_error_in_words(tmp_path: Path, cluster: Any, user: Any, exec_form: Any) -> None:
    path = tmp_path / "config"
    body: dict[str, Any] = {
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "prod-user"}}],
        "clusters": [{"name": "prod", "cluster": cluster}],
        "users": [{"name": "prod-user", "user": user if isinstance(user, dict) else {"exec": exec_form}}],
    }
    path.write_text(json.dumps(body))
    try:
        found: ClusterAccess | None = from_kubeconfig(path, None, Settings())
    except ApidownError:
        found = None
    if found is not None and found.credentials is not None:
        json.dumps(found.credentials.describe())


@given(st.one_of(st.binary(max_size=60), JSONISH.map(lambda body: json.dumps(body).encode())))
def test_any_output_gives_a_credential_or_a_reason(output: bytes) -> None:
    wrapped = b'{"kind": "ExecCredential", "apiVersion": "' + V1.encode() + b'", "status": ' + output + b"}"
    for text in (output, wrapped):
        try:
            found: ExecCredential | None = parse_credential(text, V1)
        except ValueError as error:
            found = None
            assert str(error).startswith(("prints", "answers"))  # noqa: PT017 - either outcome is right
        assert found is None or found.token or found.certificate_pem
