"""Alerts: what a monitoring system says is wrong, which of them start an investigation, and since when they say it fails.

An alert's time is when it fired. The rule had been true for its whole ``for:`` by then, and what it measures had failed for
a while before the rule became true. Both are known for the rules that most clusters have, so an alert gives an interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.model.base import Moment, Value
from bot.model.change import Onset

SOURCE = "alert"
"""The source of an onset that an alert gave."""

LAG = timedelta(minutes=5)
"""How long a rule about the last sample may need to notice: Prometheus takes a sample for the present for 5 minutes."""


class Alert(Value):
    """One firing of one alert. ``labels`` are those worth showing. ``onset`` is when the failure began as far as this alert
    tells, None for one that warns ahead of a failure. ``resolved_at`` is set in what reports its end."""

    name: str
    fingerprint: str
    starts_at: Moment
    labels: dict[str, str] = {}
    onset: Onset | None = None
    resolved_at: Moment | None = None

    @property
    def firing(self) -> tuple[str, str, datetime]:
        """Names this firing, whoever reports it and whether it still fires."""
        return (self.name, self.fingerprint, self.starts_at)


class AlertRule(Value):
    """An alert that starts an investigation: its name, and labels that it must have.

    ``pending`` is the rule's ``for:``; None when it is not known. ``lag`` is how long its expression may need to become
    true after the failure began. ``ahead`` marks a rule that warns of a failure to come, and so says nothing of an onset.
    """

    name: str
    labels: dict[str, str] = {}
    pending: timedelta | None = None
    lag: timedelta = LAG
    ahead: bool = False

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with these labels is meant."""
        return labels.get("alertname") == self.name and all(labels.get(name) == value for name, value in self.labels.items())

    def onset(self, starts_at: datetime) -> Onset | None:
        """When the failure began if an alert of this rule fired then."""
        if self.ahead:
            return None
        if self.pending is None:
            return Onset(first_bad=starts_at, source=SOURCE)
        true_since = starts_at - self.pending
        return Onset(first_bad=true_since, last_good=true_since - self.lag, source=SOURCE)


def _minutes(number: int) -> timedelta:
    return timedelta(minutes=number)


DEFAULT_RULES = (
    AlertRule(name="KubeAPIDown", pending=_minutes(15)),
    AlertRule(name="KubeAPIInstanceUnreachable", pending=_minutes(15)),
    # The windows of 6 h and more are about a budget that shrinks slowly, which is no outage.
    AlertRule(name="KubeAPIErrorBudgetBurn", labels={"long": "1h"}, pending=_minutes(2), lag=_minutes(60)),
    AlertRule(name="KubeAPITerminatedRequests", pending=_minutes(5), lag=_minutes(10)),
    AlertRule(name="KubeAggregatedAPIDown", pending=_minutes(5), lag=_minutes(10)),
    AlertRule(name="KubeAggregatedAPIErrors", pending=_minutes(10)),
    AlertRule(name="KubeClientCertificateExpiration", ahead=True),
    AlertRule(name="KubeletDown", pending=_minutes(15)),
    AlertRule(name="TargetDown", labels={"job": "apiserver"}, pending=_minutes(10)),
)
"""What starts an investigation when the configuration names no alerts, with the times of the rules that kube-prometheus
and OpenShift ship. Where those differ, the shorter ``for:`` stands: it leaves the later, surer end of the interval."""


def known_rule(name: str) -> AlertRule:
    """The rule of this name as it is shipped, without labels; for another name, one of which nothing is known."""
    shipped = next((rule for rule in DEFAULT_RULES if rule.name == name), AlertRule(name=name))
    return shipped.model_copy(update={"labels": {}})
