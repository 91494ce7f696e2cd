"""Whether alerts can open investigations: the token that they come with, and a channel for each cluster; pure, no I/O."""

from __future__ import annotations

from collections.abc import Iterator

from bot.config import Alerts, Config
from bot.doctor.lines import Line
from bot.model.finding import Status
from bot.settings import Settings

_CHECK = "alerts"
_TOKEN = "APIDOWN_WEBHOOK_TOKEN"  # noqa: S105 - the name of a setting


def look(settings: Settings, config: Config) -> list[Line]:
    """One line; without a token, whether one is missed; with one, a line more for each cluster without a channel."""
    if settings.webhook_token is None:
        return [_without_token(config)]
    if not config.clusters:
        said = f"{_TOKEN} is set, and no cluster is configured: no alert can be acted on."
        return [_line(Status.PROBLEM, said, "write the clusters into the configuration; apidown init makes a first one")]
    if not config.alerts.rules:
        return [_line(Status.OK, "They are taken, and alerts.names is empty: none opens an investigation.")]
    taken = f"They are taken at /webhooks/alertmanager on port {settings.health_port}. {_cluster_of_each(config)}"
    return [_line(Status.OK, taken), *_without_channel(config)]


def _without_token(config: Config) -> Line:
    alone = [name for name, one in config.clusters.items() if one.incident_channel]
    meant = "alerts" if config.alerts != Alerts() else f"an incident_channel for {alone[0]}" if alone else ""
    if not meant:
        return _line(Status.NOT_APPLICABLE, f"{_TOKEN} is not set, so none are taken.")
    said = f"The configuration has {meant}, and {_TOKEN} is not set, so none are taken."
    return _line(
        Status.PROBLEM, said, "set it to what this prints, and give it to Alertmanager (docs/alerts.md): openssl rand -hex 32"
    )


def _cluster_of_each(config: Config) -> str:
    """How an alert says which cluster it is about."""
    default = config.alerts.default_cluster or (next(iter(config.clusters)) if len(config.clusters) == 1 else None)
    named = f"The label '{config.alerts.cluster_label}' names the cluster"
    return f"{named}; without it, it is {default}." if default else f"{named}; without it, nothing is done."


def _without_channel(config: Config) -> Iterator[Line]:
    for name in sorted(config.clusters):
        if config.incident_channel(name) is None:
            said = "It has no channel, so its alerts open nothing."
            yield _line(Status.PROBLEM, said, f"give {name} channels or an incident_channel in the configuration", subject=name)


def _line(status: Status, sentence: str, remedy: str = "", *, subject: str = "") -> Line:
    return Line(check=_CHECK, subject=subject, status=status, sentence=sentence, remedy=remedy)
