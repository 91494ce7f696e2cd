"""Settings: the environment in, typed values out, secrets never shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.document import DocumentErrors
from bot.redact import Redactor
from bot.settings import LogFormat, LogLevel, Settings
from bot.store_url import StoreUrl


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("APIDOWN_", "SLACK_", "KUBE")) or name == "XDG_STATE_HOME":
            monkeypatch.delenv(name)


def environment(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def messages() -> str:
    with pytest.raises(DocumentErrors) as caught:
        Settings.read()
    return str(caught.value)


def test_nothing_has_to_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, HOME="/home/ann")
    settings = Settings.read()
    assert settings.redis_url is None
    assert settings.slack_bot_token is None
    assert settings.slack_base_url == "https://slack.com/api/"
    assert settings.state_dir == Path("/home/ann/.local/state/apidown")
    assert settings.kubeconfig_files == (Path("/home/ann/.kube/config"),)
    assert (settings.log_level, settings.log_format) == (LogLevel.INFO, LogFormat.JSON)
    assert settings.replica.endswith(f"-{os.getpid()}")
    assert settings.secrets() == ()


def test_every_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "APIDOWN_REDIS_URL": "redis://redis:6379/0",
        "APIDOWN_REDIS_PASSWORD": "store-password",
        "APIDOWN_SLACK_BOT_TOKEN": "xoxb-bot",
        "APIDOWN_SLACK_APP_TOKEN": "xapp-app",
        "APIDOWN_SLACK_BASE_URL": "http://localhost:1/api",
        "APIDOWN_CONFIG": "/etc/apidown.yaml",
        "APIDOWN_STATE_DIR": "/state",
        "APIDOWN_LOG_LEVEL": "DEBUG",
        "APIDOWN_LOG_FORMAT": "Text",
        "APIDOWN_HEALTH_HOST": "127.0.0.1",
        "APIDOWN_HEALTH_PORT": "0",
        "APIDOWN_WEBHOOK_TOKEN": "0123456789abcdef",
        "APIDOWN_REPLICA": "one",
        "APIDOWN_KUBECONFIG": "/a::~/b",
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        "KUBERNETES_SERVICE_PORT": "6443",
    }
    assert set(given) == set(Settings.variables())
    environment(monkeypatch, HOME="/home/ann", **given)
    settings = Settings.read()
    assert settings.slack_base_url == "http://localhost:1/api/"
    assert settings.config == Path("/etc/apidown.yaml")
    assert settings.state_dir == Path("/state")
    assert (settings.log_level, settings.log_format) == (LogLevel.DEBUG, LogFormat.TEXT)
    assert (settings.health_host, settings.health_port) == ("127.0.0.1", 0)
    assert settings.replica == "one"
    assert settings.kubeconfig == (Path("/a"), Path("/home/ann/b"))
    assert (settings.kubernetes_service_host, settings.kubernetes_service_port) == ("10.0.0.1", 6443)


def test_every_setting_says_what_it_is() -> None:
    assert all(len(description) > 20 for description in Settings.variables().values())


def test_customary_names_are_taken_and_ours_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, SLACK_BOT_TOKEN="xoxb-plain", SLACK_APP_TOKEN="xapp-plain", KUBECONFIG="/k", XDG_STATE_HOME="/x")
    settings = Settings.read()
    assert settings.secrets() == ("xoxb-plain", "xapp-plain")
    assert settings.kubeconfig_files == (Path("/k"),)
    assert settings.state_dir == Path("/x/apidown")
    environment(monkeypatch, APIDOWN_SLACK_BOT_TOKEN="xoxb-ours")
    assert Settings.read().secrets() == ("xoxb-ours", "xapp-plain")


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, APIDOWN_REDIS_URL="", APIDOWN_HEALTH_PORT="", SLACK_BOT_TOKEN="")
    assert Settings.read().redis_url is None


def test_secrets_are_listed_for_the_redactor_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, APIDOWN_REDIS_URL="rediss://:open%2Fsesame@r/0", SLACK_BOT_TOKEN="xoxb-hidden")
    settings = Settings.read()
    assert set(settings.secrets()) == {"rediss://:open%2Fsesame@r/0", "open%2Fsesame", "open/sesame", "xoxb-hidden"}
    assert "sesame" not in f"{settings!r}{settings}"
    assert "hidden" not in f"{settings!r}{settings}"


def test_every_wrong_variable_is_named_with_its_right_form(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(
        monkeypatch,
        APIDOWN_REDIS_URL="http://:opensesame@redis",
        SLACK_BOT_TOKEN="xapp-opensesame",
        APIDOWN_SLACK_APP_TOKEN="xoxb-opensesame",
        APIDOWN_LOG_LEVEL="loud",
        APIDOWN_HEALTH_PORT="tcp://10.0.0.1:80",
    )
    said = messages()
    heads = [line for line in said.splitlines() if not line.startswith(" ")]
    assert heads == [
        "APIDOWN_HEALTH_PORT: it should be a valid integer, unable to parse string as an integer",
        "APIDOWN_LOG_LEVEL: it should be 'debug', 'info', 'warning' or 'error'",
        "APIDOWN_REDIS_URL: the store's URL has an unknown scheme",
        "APIDOWN_SLACK_APP_TOKEN: it is a token that starts with xapp-",
        "SLACK_BOT_TOKEN: it is a token that starts with xoxb-",
    ]
    assert "opensesame" not in said


def test_a_misspelt_variable_is_not_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, APIDOWN_REDIS_ULR="redis://redis")
    assert messages() == (
        "APIDOWN_REDIS_ULR: there is no such setting\n  did you mean 'APIDOWN_REDIS_URL'?"
        "\n  Next: correct the variable; docs/settings.md lists them all"
    )


def test_a_description_in_a_message_is_for_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, APIDOWN_WEBHOOK_TOKEN="short", APIDOWN_REDIS_URL="http://redis")
    said = messages()
    assert "The bearer token that alerts are posted with" in said
    assert "](" not in said
    assert Redactor().text(said) == said, "an example is no secret"
    assert "APIDOWN_REDIS_PASSWORD" in said


def test_variables_that_kubernetes_sets_for_a_service_are_no_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["APIDOWN_SERVICE_HOST", "APIDOWN_SERVICE_PORT", "APIDOWN_PORT", "APIDOWN_PORT_8080_TCP_ADDR", "APIDOWN_REDIS_PORT"]
    environment(monkeypatch, **dict.fromkeys(names, "tcp://10.0.0.1:8080"))
    assert Settings.read().health_port == 8080


def test_programs_we_start_do_not_inherit_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(
        monkeypatch,
        APIDOWN_REDIS_URL="redis://:opensesame@r",
        SLACK_BOT_TOKEN="xoxb-opensesame",
        SLACK_APP_TOKEN="xapp-opensesame",
        AWS_PROFILE="prod",
    )
    inherited = Settings.read().child_environment()
    assert inherited["AWS_PROFILE"] == "prod"
    assert "PATH" in inherited
    assert not any("opensesame" in value for value in inherited.values())


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("redis://redis:6379/0", "redis://:a%40b%2Fc%20d@redis:6379/0"),
        ("rediss://ann@redis:6379/0?ssl_cert_reqs=none", "rediss://ann:a%40b%2Fc%20d@redis:6379/0?ssl_cert_reqs=none"),
        ("redis://:other@redis:6379/0", "redis://:other@redis:6379/0"),
        ("redis+sentinel://one:26379,two:26379/main", "redis+sentinel://:a%40b%2Fc%20d@one:26379,two:26379/main"),
    ],
)
def test_the_stores_password_goes_into_its_url_and_is_a_secret(monkeypatch: pytest.MonkeyPatch, url: str, whole: str) -> None:
    environment(monkeypatch, APIDOWN_REDIS_URL=url, APIDOWN_REDIS_PASSWORD="a@b/c d")
    settings = Settings.read()
    assert settings.store_url == whole
    assert "a@b/c d" in settings.secrets()
    assert "a@b/c d" not in repr(settings)
    assert "APIDOWN_REDIS_PASSWORD" not in settings.child_environment()


def test_without_a_url_the_store_is_the_embedded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, APIDOWN_REDIS_PASSWORD="a@b/c d")
    assert Settings.read().store_url is None


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("redis+sentinel://:hunter22@s1:26379,s2", "names the service behind them"),
        ("redis+sentinel://:hunter22@s1/mymaster/x", "not a database number"),
        ("redis+sentinel://s1/mymaster?sentinel_password=hunter22&sentinel_user=x", "unknown options: sentinel_user"),
        ("redis+cluster://:hunter22@n1/3", "database 0 only"),
        ("redis://:hunter22@h1,h2", "redis+sentinel:// or a redis+cluster://"),
        ("redis://:hunter22@h?ssl_ca_certs=/ca.pem", "unknown options: ssl_ca_certs"),
        ("rediss://:hunter22@h?ssl_keyfile=/k.pem", "a client key without its certificate"),
        ("rediss://:hunter22@h?ssl_cert_reqs=maybe", "one of required, none"),
        ("rediss://:hunter22@h?ssl_check_hostname=perhaps", "yes or no"),
        ("redis://:hunter22/part@h:6379/0", "%2F"),
        ("hunter22", "unknown scheme"),
    ],
)
def test_a_store_url_that_cannot_be_used_is_explained_without_repeating_it(
    monkeypatch: pytest.MonkeyPatch, url: str, what: str
) -> None:
    environment(monkeypatch, APIDOWN_REDIS_URL=url)
    said = messages()
    assert said.startswith("APIDOWN_REDIS_URL: ")
    assert what in said
    assert "\n  " in said
    assert "hunter22" not in said


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://", "localhost:6379"),
        ("redis://u:p@h:1/2", "h:1"),
        ("rediss://[fd00::1]:6390", "[fd00::1]:6390"),
        ("unix:///run/redis.sock", "/run/redis.sock"),
        ("redis+sentinel://:p@s1,s2:26380/my-master/3", "my-master of the Sentinels s1:26379, s2:26380"),
        ("rediss+cluster://n1,n2:7001", "n1:6379, n2:7001"),
    ],
)
def test_a_store_url_of_each_kind_is_read(monkeypatch: pytest.MonkeyPatch, url: str, shown: str) -> None:
    environment(monkeypatch, APIDOWN_REDIS_URL=url)
    assert Settings.read().redis_url is not None
    assert StoreUrl.parse(url).shown == shown


def test_both_passwords_of_a_store_are_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, APIDOWN_REDIS_URL="redis+sentinel://u:one%2Fpass@s1/m?sentinel_password=two-pass")
    assert {"one/pass", "one%2Fpass", "two-pass"} <= set(Settings.read().secrets())
