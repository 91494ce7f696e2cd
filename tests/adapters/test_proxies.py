"""The proxy of the environment, by the rules that Go's clients keep, and whom it is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.adapters.kubeconfig.access import from_kubeconfig
from bot.adapters.kubeconfig.proxies import proxy_for
from bot.cli_target import Wanted, access_to
from bot.config import Config
from bot.model.target import Target
from bot.settings import Settings
from tests.adapters.test_kubeconfig import kubeconfig

PROXY = "http://proxy.example.com:3128"
NAMED = "https://api.example.com:6443"
GIVEN = "https://10.1.2.3:6443"


@pytest.mark.parametrize(
    ("server", "environment", "variable"),
    [
        (NAMED, {"HTTPS_PROXY": PROXY}, "HTTPS_PROXY"),
        (NAMED, {"https_proxy": PROXY}, "https_proxy"),
        (NAMED, {"HTTPS_PROXY": PROXY, "https_proxy": "http://other:1"}, "HTTPS_PROXY"),
        (NAMED, {"HTTP_PROXY": PROXY}, None),
        ("http://api.example.com", {"HTTP_PROXY": PROXY}, "HTTP_PROXY"),
        ("http://api.example.com", {"HTTPS_PROXY": PROXY}, None),
        (NAMED, {"HTTPS_PROXY": ""}, None),
        ("https://localhost:6443", {"HTTPS_PROXY": PROXY}, None),
        ("https://127.0.0.5:6443", {"HTTPS_PROXY": PROXY}, None),
        ("https://[::1]:6443", {"HTTPS_PROXY": PROXY}, None),
    ],
)
def test_the_scheme_says_which_variable_counts(server: str, environment: dict[str, str], variable: str | None) -> None:
    found = proxy_for(Target.from_url(server), environment)
    assert (found and found.variable) == variable
    assert found is None or found.url == PROXY


@pytest.mark.parametrize(
    ("server", "exceptions", "straight"),
    [
        (NAMED, "*", True),
        (NAMED, "other.test, *", True),
        (NAMED, "example.com", True),
        (NAMED, ".example.com", True),
        (NAMED, "*.example.com", True),
        (NAMED, "API.example.com", True),
        (NAMED, "api.example.com:6443", True),
        (NAMED, "api.example.com:443", False),
        (NAMED, "pi.example.com", False),
        (NAMED, "example.org,,", False),
        ("https://example.com:6443", ".example.com", False),
        ("https://example.com:6443", "example.com", True),
        (GIVEN, "10.1.0.0/16", True),
        (GIVEN, "10.2.0.0/16", False),
        (GIVEN, "10.1.2.3", True),
        (GIVEN, "10.1.2.3:6443", True),
        (GIVEN, "10.1.2.3:443", False),
        (NAMED, "10.1.0.0/16", False),
        (NAMED, "10.1.0.0/99", False),
        ("https://[2001:db8::1]:6443", "2001:db8::/32", True),
        ("https://[2001:db8::1]:6443", "[2001:db8::1]:6443", True),
        ("https://[2001:db8::1]:6443", "2001:db8::1", True),
        ("https://[2001:db8::1]:6443", "2001:db8::2", False),
    ],
)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_what_is_excepted_goes_straight(server: str, exceptions: str, straight: bool, variable: str) -> None:
    found = proxy_for(Target.from_url(server), {"HTTPS_PROXY": PROXY, variable: exceptions})
    assert (found is None) is straight


def test_a_proxy_without_a_scheme_is_an_http_one() -> None:
    found = proxy_for(Target.from_url(NAMED), {"HTTPS_PROXY": "proxy.example.com:3128"})
    assert found is not None
    assert found.url == PROXY


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://ann:pass%2Fword@proxy.example.com:3128")
    return monkeypatch


def test_the_command_line_goes_the_way_of_kubectl_and_says_so(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    access = access_to(Wanted(kubeconfig=kubeconfig(tmp_path / "config")), Config.empty(), Settings())
    assert access.cluster.target.proxy_variable == "HTTPS_PROXY"
    assert str(access.cluster.target.proxy) == "proxy.example.com:3128"
    assert access.notes == (
        "The server is asked through the proxy proxy.example.com:3128, as kubectl would: HTTPS_PROXY in the environment says so.",
    )
    assert {"pass%2Fword", "pass/word"} <= access.secrets()


def test_a_bare_server_goes_the_same_way(environment: pytest.MonkeyPatch) -> None:
    assert access_to(Wanted(server=NAMED), Config.empty(), Settings()).cluster.target.proxy_variable == "HTTPS_PROXY"


def test_a_proxy_of_the_kubeconfig_wins(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", cluster={"proxy-url": "http://own:1"})
    target = access_to(Wanted(kubeconfig=path), Config.empty(), Settings()).cluster.target
    assert (target.proxy_url, target.proxy_variable) == ("http://own:1", None)


def test_a_server_of_the_configuration_goes_as_it_is_written_there(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "apidown.yaml"
    path.write_text(f"clusters:\n  prod:\n    server: {NAMED}\n")
    access = access_to(Wanted(cluster="prod"), Config.load(path), Settings())
    assert (access.cluster.target.proxy_url, access.notes) == (None, ())


def test_the_bots_own_way_to_slack_is_not_the_clusters(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert from_kubeconfig(kubeconfig(tmp_path / "config"), None, Settings()).cluster.target.proxy_url is None


def test_programs_that_are_started_keep_the_proxy(environment: pytest.MonkeyPatch) -> None:
    assert "HTTPS_PROXY" in Settings().child_environment()
