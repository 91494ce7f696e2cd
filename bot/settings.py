"""The environment, read once: how this process runs. What it watches is ``bot.config``'s.

Names start with ``APIDOWN_``. The names that other tools made customary (``SLACK_BOT_TOKEN``, ``KUBECONFIG``) are taken where
ours is not set. Secrets are typed as secrets, so that no log or traceback shows them.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.document import DocumentErrors, Position, Problem
from bot.errors import ConfigError
from bot.store_url import StoreUrl


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    JSON = "json"
    TEXT = "text"


def _customary(own: str, other: str) -> AliasChoices:
    return AliasChoices(f"APIDOWN_{own}", other)


def _token(prefix: str) -> AfterValidator:
    def check(secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not secret.get_secret_value().startswith(prefix):
            raise ValueError(f"it is a token that starts with {prefix}")
        return secret

    return AfterValidator(check)


def _scheme(*schemes: str) -> AfterValidator:
    def check(value: Any) -> Any:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        try:
            good = text is None or urlsplit(text).scheme in schemes
        except ValueError:
            good = False
        if not good:
            raise ValueError(f"it is a URL that starts with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return value

    return AfterValidator(check)


def _store_url(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None:
        try:
            StoreUrl.parse(secret.get_secret_value())
        except ConfigError as error:
            raise _Unusable(error) from error
    return secret


class _Unusable(ValueError):
    """An error of ours inside pydantic's, which would keep its first line only."""

    def __init__(self, error: ConfigError) -> None:
        super().__init__(error.what)
        self.nearest = error.nearest


def _long_enough(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None and len(secret.get_secret_value()) < _SHORTEST_TOKEN:
        raise ValueError(f"it has {_SHORTEST_TOKEN} characters or more")
    return secret


_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
_SHORTEST_TOKEN = 16
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
"""A link as the documents have it; in a terminal only its text is of use."""


def _ending_slash(url: str) -> str:
    return url if url.endswith("/") else f"{url}/"


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _paths(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(Path(part).expanduser() for part in value.split(os.pathsep) if part)


def _state_dir() -> Path:
    # The XDG base directory specification ignores a relative path.
    base = Path(os.environ.get("XDG_STATE_HOME") or "")
    return (base if base.is_absolute() else Path.home() / ".local" / "state") / "apidown"


def _replica() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


class Settings(BaseSettings):
    """One process's settings. Use ``Settings.read()``, which says what is wrong by the variable's name."""

    model_config = SettingsConfigDict(
        env_prefix="APIDOWN_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    redis_url: Annotated[SecretStr | None, AfterValidator(_store_url)] = Field(
        default=None,
        description="Where events and leases live, such as `redis://redis:6379/0`, in one of [four forms](#the-store). Not set: "
        "an embedded store in the state folder, for one replica.",
    )
    redis_password: SecretStr | None = Field(
        default=None, description="The password of `APIDOWN_REDIS_URL`, where it is not in the URL; as it is, not URL-encoded."
    )
    slack_bot_token: Annotated[SecretStr | None, _token("xoxb-")] = Field(
        default=None,
        validation_alias=_customary("SLACK_BOT_TOKEN", "SLACK_BOT_TOKEN"),
        description="The Slack app's bot token, `xoxb-…`.",
    )
    slack_app_token: Annotated[SecretStr | None, _token("xapp-")] = Field(
        default=None,
        validation_alias=_customary("SLACK_APP_TOKEN", "SLACK_APP_TOKEN"),
        description="The Slack app's app-level token for Socket Mode, `xapp-…`.",
    )
    slack_base_url: Annotated[str, _scheme("https", "http"), AfterValidator(_ending_slash)] = Field(
        default="https://slack.com/api/", description="Slack's web API; another one for GovSlack or a test."
    )
    config: Path | None = Field(default=None, description="The YAML file of clusters, channels and people.")
    state_dir: Path = Field(
        default_factory=_state_dir, description="Where the embedded store keeps its data; `$XDG_STATE_HOME/apidown` if not set."
    )
    log_level: Annotated[LogLevel, BeforeValidator(_lower)] = Field(
        default=LogLevel.INFO, description="What is logged: `debug`, `info`, `warning` or `error`."
    )
    log_format: Annotated[LogFormat, BeforeValidator(_lower)] = Field(
        default=LogFormat.JSON, description="How it is logged: `json` or `text`."
    )
    health_host: str = Field(default="0.0.0.0", description="The address that health and webhooks are served on.")  # noqa: S104 - a pod's probes and Alertmanager come from elsewhere
    health_port: int = Field(default=8080, ge=0, le=65535, description="The port of health and webhooks; 0 takes a free one.")
    webhook_token: Annotated[SecretStr | None, AfterValidator(_long_enough)] = Field(
        default=None,
        description="The bearer token that [alerts](alerts.md) are posted with, 16 characters or more, such as `openssl rand "
        "-hex 32` makes. Not set: none are taken.",
    )
    replica: str = Field(
        default_factory=_replica,
        min_length=1,
        max_length=100,
        description="This process's name in leases and logs; host name and process id if not set.",
    )
    kubeconfig: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_paths)] = Field(
        default=(),
        validation_alias=_customary("KUBECONFIG", "KUBECONFIG"),
        description="Kubeconfig files for the command line, separated by colons, first one wins; `~/.kube/config` if not set.",
    )
    kubernetes_service_host: str | None = Field(
        default=None,
        validation_alias="KUBERNETES_SERVICE_HOST",
        description="Set by Kubernetes in a pod: the API server's address for `in_cluster`.",
    )
    kubernetes_service_port: int = Field(
        default=443,
        ge=1,
        le=65535,
        validation_alias="KUBERNETES_SERVICE_PORT",
        description="Set by Kubernetes in a pod: the API server's port for `in_cluster`.",
    )

    @classmethod
    def read(cls) -> Settings:
        """The environment's settings; raises DocumentErrors that name every wrong variable and its right form."""
        problems = list(cls._misspelt())
        try:
            settings = cls()
        except ValidationError as error:
            problems += [_problem(details["loc"], details["msg"], details) for details in error.errors()]
        if problems:
            raise DocumentErrors(problems, next="correct the variable; docs/settings.md lists them all")
        return settings

    @classmethod
    def variables(cls) -> dict[str, str]:
        """Every variable that is read, and what it means; the first name of each setting."""
        return {_variable(name): field.description or "" for name, field in cls.model_fields.items()}

    @property
    def kubeconfig_files(self) -> tuple[Path, ...]:
        """The kubeconfigs that are used when none is named, as kubectl chooses them."""
        return self.kubeconfig or (Path.home() / ".kube" / "config",)

    @property
    def store_url(self) -> str | None:
        """The store's URL with its password in it; a secret. None: the embedded store."""
        if self.redis_url is None or self.redis_password is None:
            return self.redis_url.get_secret_value() if self.redis_url else None
        parts = urlsplit(self.redis_url.get_secret_value())
        user, _, place = parts.netloc.rpartition("@")
        if ":" in user:
            return parts.geturl()
        password = quote(self.redis_password.get_secret_value(), safe="")
        return parts._replace(netloc=f"{user}:{password}@{place}").geturl()

    def secrets(self) -> tuple[str, ...]:
        """Everything that must never be shown, for the redactor."""
        known = (self.redis_url, self.redis_password, self.slack_bot_token, self.slack_app_token, self.webhook_token)
        values = [secret.get_secret_value() for secret in known if secret is not None]
        return tuple(values + (_passwords(self.redis_url.get_secret_value()) if self.redis_url else []))

    def proxy_environment(self) -> dict[str, str]:
        """The variables by which programs are told of a proxy. Their values may have passwords in them."""
        return {name: os.environ[name] for name in (*_PROXIES, *map(str.lower, _PROXIES)) if os.environ.get(name)}

    def child_environment(self) -> dict[str, str]:
        """What the programs we start (exec plugins of kubeconfigs) inherit: the environment without our own secrets."""
        own = {*self.variables(), "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"} - {"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"}
        return {name: value for name, value in os.environ.items() if name not in own}

    @classmethod
    def _misspelt(cls) -> Iterator[Problem]:
        # Kubernetes sets variables of its own for a Service called apidown, so only what is very near is a mistake.
        known = cls.variables()
        for name in sorted(os.environ):
            near = get_close_matches(name, known, n=1, cutoff=0.9) if name.startswith("APIDOWN_") else []
            if near and name not in known:
                nearest = f"did you mean '{near[0]}'?"
                yield Problem(where=Position(file=name), what="there is no such setting", nearest=nearest)


def _passwords(store_url: str) -> list[str]:
    """As they are, and as they stand in the URL."""
    url = StoreUrl.parse(store_url)
    _, _, written = urlsplit(store_url).netloc.rpartition("@")[0].partition(":")
    return [*url.secrets, *([written] if written else [])]


def _variable(name: str) -> str:
    alias = Settings.model_fields[name].validation_alias
    first = alias.choices[0] if isinstance(alias, AliasChoices) else alias
    return str(first or f"APIDOWN_{name.upper()}")


def _problem(loc: tuple[int | str, ...], said: str, details: Mapping[str, Any]) -> Problem:
    """pydantic names a field by its own name or by its first alias, whichever variable was read."""
    name = str(loc[0])
    field = next((own for own in Settings.model_fields if name in (own, _variable(own))), None)
    description = _LINK.sub(r"\1", Settings.model_fields[field].description or "") if field else ""
    what = said.removeprefix("Value error, ").removeprefix("Input should be ")
    what = what if details["type"] == "value_error" else f"it should be {what}"
    variable = _variable(field) if field else name
    other = next((str(choice) for choice in _choices(field) if str(choice) in os.environ), variable)
    nearest = getattr(details.get("ctx", {}).get("error"), "nearest", "") or description
    return Problem(where=Position(file=variable if variable in os.environ else other), what=what, nearest=nearest)


def _choices(field: str | None) -> list[object]:
    alias = Settings.model_fields[field].validation_alias if field else None
    return list(alias.choices) if isinstance(alias, AliasChoices) else []
