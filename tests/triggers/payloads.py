"""Alertmanager's notifications for tests, in its version 4 form."""

from __future__ import annotations

import json
from typing import Any

from bot.ids import digest

STARTED = "2025-11-20T14:03:22.123Z"
NEVER = "0001-01-01T00:00:00Z"


def alert(
    name: str = "KubeAPIDown", *, status: str = "firing", starts: str = STARTED, ends: str = NEVER, **labels: str
) -> dict[str, Any]:
    labels = {"alertname": name, "severity": "critical", **labels}
    return {
        "status": status,
        "labels": labels,
        "annotations": {"summary": "The API is gone.", "runbook_url": "https://runbooks.example.com/api"},
        "startsAt": starts,
        "endsAt": ends,
        "generatorURL": "http://prometheus.example.com/graph?g0.expr=up",
        "fingerprint": digest(json.dumps(labels, sort_keys=True), length=16),
    }


def resolved(name: str = "KubeAPIDown", *, ends: str = "2025-11-20T14:05:00Z", **more: str) -> dict[str, Any]:
    return alert(name, status="resolved", ends=ends, **more)


def payload(*alerts: Any, **more: Any) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": '{}:{alertname="KubeAPIDown"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "apidown",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.com",
        "alerts": list(alerts),
        **more,
    }


def body(*alerts: Any, **more: Any) -> bytes:
    return json.dumps(payload(*alerts, **more)).encode()
