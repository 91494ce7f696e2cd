"""Alertmanager's alerts of an API server open an investigation, and their end is noted.

Alertmanager posts groups of alerts, version 4 of its webhook, and posts them again: when a group changes, when it is time
to remind, and when an answer was lost. So each firing has a key, and is heard once. An alert that is none of those the
configuration names is left alone. Extra keys are too: Alertmanager adds some over time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json

from bot.config import Config
from bot.errors import UsageError
from bot.ids import digest
from bot.model.alert import Alert, AlertRule
from bot.model.events import Thread, Trigger
from bot.ports import Request, Resolution
from bot.registry import Heard, webhook

MAX_ALERTS = 500
"""How many alerts of one body are acted on: each is a round trip to the store."""

WHO = "alertmanager"

_LABELS = 16
_LABEL_LENGTH = 200
_SENTENCE_LENGTH = 400
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_FINGERPRINT = re.compile(r"[0-9A-Za-z]{1,64}")


@webhook(max_bytes=256 * 1024)
def alertmanager(body: bytes, config: Config, now: datetime) -> Heard:
    """What this body asks for. Raises UsageError for one that is not Alertmanager's."""
    told, problems = _told(_alerts(body), config)
    # The newest one made Alertmanager speak, so it opens the thread; the others join it.
    told.sort(key=lambda item: item[0]["startsAt"], reverse=True)
    requests, resolutions = [], []
    for alert, rule in told[:MAX_ALERTS]:
        try:
            if alert["status"] == "resolved":
                resolutions.append(_resolution(alert, rule, config, now))
            else:
                requests.append(_request(alert, rule, config, now))
        except UsageError as error:
            problems.append(_cut(f"{rule.name}: {error.what}", _SENTENCE_LENGTH))
    if len(told) > MAX_ALERTS:
        problems.append(f"{len(told) - MAX_ALERTS} alerts more than {MAX_ALERTS} were left out; set max_alerts in the receiver")
    return Heard(requests=tuple(requests), resolutions=tuple(resolutions), problems=tuple(dict.fromkeys(problems)))


def _told(alerts: list[Any], config: Config) -> tuple[list[tuple[dict[str, Any], AlertRule]], list[str]]:
    """The alerts that are meant, and what is wrong with others: one that cannot be read must not keep the rest unheard, because
    Alertmanager does not try a refused notification again. Raises UsageError when there is none that can be read."""
    told, problems = [], []
    for index, alert in enumerate(alerts):
        try:
            rule = _rule(_labels(alert, f"alerts[{index}]"), config)
            if rule is not None:
                told.append((_alert(alert, f"alerts[{index}]"), rule))
        except UsageError as error:
            problems.append(error.what)
    if problems and len(problems) == len(alerts):
        raise UsageError(problems[0])
    return told, problems


def _alerts(body: bytes) -> list[Any]:
    try:
        payload = from_json(body)
    except ValueError as error:
        raise UsageError("the body is not JSON", nearest=str(error)) from error
    if not isinstance(payload, dict):
        raise _refused("the body is not an object")
    version = payload.get("version")
    if version != "4":
        raise _refused("it has no version" if version is None else "its version is not 4")
    alerts = payload.get("alerts")
    if not isinstance(alerts, list):
        raise _refused("'alerts' is not a list")
    return alerts


def _labels(alert: Any, place: str) -> dict[str, str]:
    if not isinstance(alert, dict):
        raise _refused(f"{place} is not an object")
    labels = alert.get("labels")
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise _refused(f"{place}.labels does not hold texts")
    return labels


def _alert(alert: dict[str, Any], place: str) -> dict[str, Any]:
    """What is used of an alert, checked: texts are texts, times are times."""
    labels = alert["labels"]
    if alert.get("status") not in ("firing", "resolved"):
        raise _refused(f"{place}.status is neither firing nor resolved")
    fingerprint = alert.get("fingerprint")
    if not isinstance(fingerprint, str) or not _FINGERPRINT.fullmatch(fingerprint):
        fingerprint = digest(repr(sorted(labels.items())), length=16)
    return {
        "labels": labels,
        "status": alert["status"],
        "fingerprint": fingerprint,
        "startsAt": _moment(alert.get("startsAt"), f"{place}.startsAt"),
        "endsAt": _moment(alert["endsAt"], f"{place}.endsAt") if alert["status"] == "resolved" and "endsAt" in alert else None,
    }


def _moment(text: Any, place: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        good = moment.tzinfo is not None and _EARLIEST <= moment <= _LATEST
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good:
        raise _refused(f"{place} is not a time such as 2026-11-20T14:03:22.123Z")
    return moment


def _refused(why: str) -> UsageError:
    return UsageError(f"this is not an Alertmanager notification of version 4: {why}")


def _rule(labels: Mapping[str, str], config: Config) -> AlertRule | None:
    return next((rule for rule in config.alerts.rules if rule.selects(labels)), None)


def _request(told: dict[str, Any], rule: AlertRule, config: Config, now: datetime) -> Request:
    definition = config.cluster_of_alert(told["labels"])
    channel = config.incident_channel(definition.name)
    if channel is None:
        raise UsageError(
            f"cluster '{definition.name}' has no channel: set its incident_channel, or channels, in the configuration"
        )
    alert = _made(told, rule, now)
    return Request(
        cluster=definition.cluster(),
        trigger=Trigger(kind="alert", who=WHO, text=alert.name, alert=alert),
        thread=Thread(channel=channel),
        key=_key(alert),
    )


def _resolution(told: dict[str, Any], rule: AlertRule, config: Config, now: datetime) -> Resolution:
    definition = config.cluster_of_alert(told["labels"])
    ended = min(told["endsAt"] or now, now)
    alert = _made(told, rule, now).model_copy(update={"resolved_at": ended})
    trigger = Trigger(kind="alert-resolved", who=WHO, text=alert.name, alert=alert)
    return Resolution(cluster=definition.name, trigger=trigger, key=_key(alert))


def _made(told: dict[str, Any], rule: AlertRule, now: datetime) -> Alert:
    """A start that lies ahead, by another clock than ours, is now for the onset, and stays as it is in the name."""
    labels = {_cut(name): _cut(value) for name, value in sorted(told["labels"].items()) if name != "alertname"}
    return Alert(
        name=_cut(told["labels"]["alertname"]),
        fingerprint=told["fingerprint"],
        starts_at=told["startsAt"],
        labels=dict(list(labels.items())[:_LABELS]),
        onset=rule.onset(min(told["startsAt"], now)),
    )


def _key(alert: Alert) -> str:
    """The same for every repetition of this firing, on every replica."""
    return f"{alert.name}/{alert.fingerprint}/{alert.starts_at:%Y%m%dT%H%M%S.%f}"


def _cut(text: str, length: int = _LABEL_LENGTH) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
