"""Alertmanager's notifications: which alerts are meant, of which cluster, since when; and whatever else may be posted."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.config import Config
from bot.errors import UsageError
from bot.model.alert import DEFAULT_RULES, SOURCE
from bot.registry import Heard
from bot.triggers.alertmanager import MAX_ALERTS, alertmanager
from tests.require import missing
from tests.triggers.payloads import STARTED, alert, body, resolved

NOW = datetime(2025, 11, 20, 14, 4, tzinfo=UTC)
STARTED_AT = datetime(2025, 11, 20, 14, 3, 22, 123000, tzinfo=UTC)
TWO = """\
clusters:
  prod: {server: api.prod, aliases: [production], channels: [C0PROD, C0ALSO]}
  staging: {server: api.staging, channels: C0STAGING, incident_channel: C0ONCALL}
  lonely: {server: api.lonely}
"""


def loaded(text: str, folder: Path) -> Config:
    path = folder / "clusters.yaml"
    path.write_text(text)
    return Config.load(path)


@pytest.fixture
def two(tmp_path: Path) -> Config:
    return loaded(TWO, tmp_path)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return loaded("clusters: {prod: {server: api.prod, channels: C0PROD}}", tmp_path_factory.mktemp("config"))


def read(config: Config, *alerts: Any, now: datetime = NOW, **more: Any) -> Heard:
    return alertmanager.read(body(*alerts, **more), config, now)


# Which alerts


NAMED = ["KubeAPIDown", "KubeAPIInstanceUnreachable", "KubeAPITerminatedRequests", "KubeAggregatedAPIDown"]
NAMED += ["KubeAggregatedAPIErrors", "KubeClientCertificateExpiration", "KubeletDown"]


@pytest.mark.parametrize(
    "told",
    [
        *(alert(name) for name in NAMED),
        alert("KubeAPIErrorBudgetBurn", long="1h", short="5m"),
        alert("TargetDown", job="apiserver"),
    ],
)
def test_the_alerts_of_an_api_server_open_an_investigation(one: Config, told: dict[str, Any]) -> None:
    (request,) = read(one, told).requests
    assert request.trigger.kind == "alert"
    assert request.trigger.text == told["labels"]["alertname"]
    assert (request.cluster.name, request.thread and request.thread.channel) == ("prod", "C0PROD")


@pytest.mark.parametrize(
    "told",
    [
        alert("Watchdog"),
        alert("KubePodCrashLooping"),
        alert("kubeapidown"),
        alert("KubeAPIErrorBudgetBurn", long="3d", short="6h"),
        alert("KubeAPIErrorBudgetBurn", long="6h", short="30m"),
        alert("KubeAPIErrorBudgetBurn"),
        alert("TargetDown", job="node-exporter"),
        alert("TargetDown"),
    ],
)
def test_other_alerts_are_left_alone(one: Config, told: dict[str, Any]) -> None:
    assert read(one, told) == Heard()


def test_the_configuration_says_which_alerts(tmp_path: Path) -> None:
    text = "clusters: {prod: {server: a, channels: C0PROD}}\nalerts: {names: [ApiGone, {name: TargetDown, labels: {job: api}}]}"
    config = loaded(text, tmp_path)
    assert len(read(config, alert("ApiGone"), alert("TargetDown", job="api")).requests) == 2
    assert read(config, alert("KubeAPIDown"), alert("TargetDown", job="apiserver")) == Heard()


# Which cluster


def test_the_label_names_the_cluster_and_its_channel_is_told(two: Config) -> None:
    told = [alert(cluster=name) for name in ("production", "staging")]
    requests = read(two, *told).requests
    assert [(one.cluster.name, one.thread and one.thread.channel) for one in requests] == [
        ("prod", "C0PROD"),
        ("staging", "C0ONCALL"),
    ]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({}, "KubeAPIDown: the alert has no label 'cluster' that names its cluster"),
        ({"cluster": "prd"}, "KubeAPIDown: there is no cluster 'prd'"),
        (
            {"cluster": "lonely"},
            "KubeAPIDown: cluster 'lonely' has no channel: set its incident_channel, or channels, in the configuration",
        ),
    ],
)
def test_an_alert_that_cannot_be_placed_is_said_and_holds_up_no_other(two: Config, labels: dict[str, str], said: str) -> None:
    heard = read(two, alert(**labels), alert("KubeletDown", cluster="prod"))
    assert heard.problems == (said,)
    assert [one.trigger.text for one in heard.requests] == ["KubeletDown"]


def test_another_label_and_a_default_cluster_may_be_set(tmp_path: Path) -> None:
    config = loaded(TWO + "alerts: {cluster_label: k8s_cluster, default_cluster: staging}\n", tmp_path)
    requests = read(config, alert(k8s_cluster="prod"), alert("KubeletDown", cluster="prod")).requests
    assert {one.trigger.text: one.cluster.name for one in requests} == {"KubeAPIDown": "prod", "KubeletDown": "staging"}


# Which firing


def test_a_repetition_has_the_same_key_and_another_firing_has_not(one: Config) -> None:
    (first,) = read(one, alert()).requests
    (again,) = read(one, alert(), now=NOW + timedelta(hours=4), receiver="another").requests
    (later,) = read(one, alert(starts="2025-11-20T15:00:00Z")).requests
    (elsewhere,) = read(one, alert(instance="10.0.0.2:6443")).requests
    (ended,) = read(one, resolved()).resolutions
    assert first.key == again.key == ended.key
    assert len({first.key, later.key, elsewhere.key}) == 3


def test_a_missing_fingerprint_is_made_from_the_labels(one: Config) -> None:
    keys = set()
    for given_one in (None, "", "../../x", 7):
        told = {**alert(), "fingerprint": given_one}
        keys.add(read(one, told).requests[0].key)
    assert len(keys) == 1
    assert read(one, {**alert(instance="b"), "fingerprint": None}).requests[0].key not in keys


def test_the_newest_alert_opens_and_the_others_join_it(one: Config) -> None:
    heard = read(one, alert("KubeletDown", starts="2025-11-17T00:00:00Z"), alert())
    assert [request.trigger.text for request in heard.requests] == ["KubeAPIDown", "KubeletDown"]


def test_a_resolved_alert_opens_nothing_and_says_when_it_ended(one: Config) -> None:
    heard = read(one, resolved(ends="2025-11-20T14:03:50Z"))
    assert heard.requests == ()
    (ended,) = heard.resolutions
    assert (ended.cluster, ended.trigger.kind) == ("prod", "alert-resolved")
    assert ended.trigger.alert is not None
    assert ended.trigger.alert.resolved_at == datetime(2025, 11, 20, 14, 3, 50, tzinfo=UTC)


# Since when


def test_the_onset_is_before_the_rules_own_patience(one: Config) -> None:
    (request,) = read(one, alert()).requests
    assert request.trigger.alert is not None
    onset = request.trigger.alert.onset
    assert onset is not None
    assert onset.source == SOURCE
    assert onset.first_bad == STARTED_AT - timedelta(minutes=15)
    assert onset.last_good == STARTED_AT - timedelta(minutes=20)


def test_a_warning_ahead_of_a_failure_says_nothing_of_an_onset(one: Config) -> None:
    (request,) = read(one, alert("KubeClientCertificateExpiration")).requests
    assert request.trigger.alert is not None
    assert request.trigger.alert.onset is None


def test_the_patience_of_a_rule_may_be_set_and_without_it_the_start_is_open(tmp_path: Path) -> None:
    text = "clusters: {prod: {server: a, channels: C0PROD}}\nalerts: {names: [Mine, {name: KubeAPIDown, for: 3m}]}"
    requests = read(loaded(text, tmp_path), alert(), alert("Mine")).requests
    onsets = {one.trigger.text: one.trigger.alert.onset for one in requests if one.trigger.alert and one.trigger.alert.onset}
    assert onsets["KubeAPIDown"].first_bad == STARTED_AT - timedelta(minutes=3)
    assert (onsets["Mine"].first_bad, onsets["Mine"].last_good) == (STARTED_AT, None)


def test_an_alert_from_a_clock_that_is_ahead_began_now_at_the_latest(one: Config) -> None:
    (request,) = read(one, alert(starts="2025-11-20T16:00:00+01:30"), now=NOW).requests
    assert request.trigger.alert is not None
    assert request.trigger.alert.onset is not None
    assert request.trigger.alert.onset.first_bad <= NOW


# Whatever is posted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b"\xff\xfe", "the body is not JSON"),
        (b'"\\ud800"', "the body is not JSON"),
        (b"[" * 100_000, "the body is not JSON"),
        (b"[]", "not an Alertmanager notification of version 4: the body is not an object"),
        (b"{}", "it has no version"),
        (b'{"version": "1", "alerts": []}', "its version is not 4"),
        (b'{"version": "4"}', "'alerts' is not a list"),
        (b'{"version": "4", "alerts": [1]}', r"alerts\[0\] is not an object"),
        (body({**alert(), "labels": {"alertname": 7}}), r"alerts\[0\].labels does not hold texts"),
        (body({**alert(), "status": "pending"}), r"alerts\[0\].status is neither firing nor resolved"),
        (body({**alert(), "startsAt": "yesterday"}), r"alerts\[0\].startsAt is not a time such as"),
        (body(alert(starts="2025-11-20T14:03:22")), r"alerts\[0\].startsAt is not a time such as"),
        (body(alert(starts="0001-01-01T00:00:00+14:00")), r"alerts\[0\].startsAt is not a time such as"),
        (body(alert(starts="9999-12-31T23:59:59-14:00")), r"alerts\[0\].startsAt is not a time such as"),
    ],
)
def test_what_is_not_alertmanagers_is_refused_in_one_sentence(one: Config, text: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refusal:
        alertmanager.read(text, one, NOW)
    assert "\n" not in refusal.value.what


def test_extra_keys_and_nanoseconds_are_taken_as_they_come(one: Config) -> None:
    told = {**alert(starts="2025-11-20T14:03:22.123456789Z"), "new": {"key": [1]}}
    (request,) = read(one, told, notificationReason="repeat").requests
    assert request.trigger.alert is not None
    assert request.trigger.alert.starts_at == STARTED_AT


def test_long_labels_and_many_alerts_are_bounded(one: Config) -> None:
    many = [alert(instance=str(number)) for number in range(MAX_ALERTS + 7)]
    heard = read(one, *many)
    assert len(heard.requests) == MAX_ALERTS
    assert heard.problems == (f"7 alerts more than {MAX_ALERTS} were left out; set max_alerts in the receiver",)
    (request,) = read(one, alert(**{f"label{number}": "x" * 5_000 for number in range(100)})).requests
    assert request.trigger.alert is not None
    assert len(request.trigger.alert.model_dump_json()) < 8_000


@pytest.mark.parametrize("wrong", [None, {"labels": {"a": 1}}, {"labels": {"alertname": "KubeAPIDown"}, "status": "firing"}])
def test_an_alert_that_cannot_be_read_keeps_no_other_unheard(one: Config, wrong: Any) -> None:
    heard = alertmanager.read(body(wrong, alert()), one, NOW)
    assert len(heard.requests) == 1
    assert "alerts[0]" in heard.problems[0]


def test_what_is_wrong_with_an_alert_that_is_not_meant_is_of_no_interest(one: Config) -> None:
    heard = alertmanager.read(body({"labels": {"alertname": "Watchdog"}, "startsAt": "0001-01-01T00:00:00Z"}, alert()), one, NOW)
    assert (len(heard.requests), heard.problems) == (1, ())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
near = st.fixed_dictionaries({"version": st.just("4"), "alerts": st.lists(json_values, max_size=3)} | {"status": json_values})
nearer = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["firing", "resolved"]),
        "labels": st.just({"alertname": "KubeAPIDown"}) | st.dictionaries(st.text(max_size=9), st.text(), max_size=3),
        "startsAt": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z") | json_values | st.just(STARTED),
        "endsAt": st.datetimes().map(lambda moment: f"{moment.isoformat()}+14:00") | json_values,
        "fingerprint": json_values,
    }
)


@given(st.one_of(json_values, near, nearer.map(lambda one: {"version": "4", "alerts": [one]})))
def test_whatever_json_is_posted_is_read_or_refused(one: Config, value: Any) -> None:
    heard = Heard()
    with suppress(UsageError):
        heard = alertmanager.read(json.dumps(value).encode(), one, NOW)
    acted_on = len(heard.requests) + len(heard.resolutions)
    assert not acted_on or acted_on <= len(value["alerts"])


@given(st.binary(max_size=200))
def test_whatever_bytes_are_posted_are_read_or_refused(one: Config, value: bytes) -> None:
    with pytest.raises(UsageError):
        alertmanager.read(value, one, NOW)


# What clusters really have


def real(pattern: str) -> list[Path]:
    """Rules and notifications of others; not part of this repository."""
    seeds = os.environ.get("APIDOWN_SEEDS")
    found = sorted((Path(seeds).parent / "alerts").glob(pattern)) if seeds else []
    return found or missing("data", "there are no alerts beside APIDOWN_SEEDS")


def rules() -> list[dict[str, Any]]:
    documents = [yaml.safe_load(path.read_text()) for path in real("*.yaml")]
    return [rule for document in documents for group in document["spec"]["groups"] for rule in group["rules"] if "alert" in rule]


def meant(name: str, labels: dict[str, str]) -> bool:
    if name == "KubeAPIErrorBudgetBurn":
        return labels.get("long") == "1h"
    return name in NAMED


def test_of_the_real_rules_those_of_the_list_open_and_no_other(one: Config) -> None:
    seen = set()
    for rule in rules():
        name, labels = rule["alert"], rule.get("labels", {})
        requests = read(one, alert(name, **labels)).requests
        assert bool(requests) == meant(name, labels), rule
        seen |= {name} if requests else set()
    assert seen == {*NAMED, "KubeAPIErrorBudgetBurn"}


def test_the_patience_that_is_known_is_that_of_the_real_rules(one: Config) -> None:
    known = {rule.name: rule for rule in DEFAULT_RULES}
    shortest: dict[str, timedelta] = {}
    for rule in rules():
        if rule["alert"] in known and (rule["alert"] == "TargetDown" or meant(rule["alert"], rule.get("labels", {}))):
            number, unit = re.fullmatch(r"(\d+)([mh])", rule["for"]).groups()
            length = timedelta(**{{"m": "minutes", "h": "hours"}[unit]: int(number)})
            shortest[rule["alert"]] = min(length, shortest.get(rule["alert"], length))
    assert set(shortest) == set(known)
    assert {name for name, length in shortest.items() if known[name].pending not in (length, None)} == set()
    assert [rule.name for rule in DEFAULT_RULES if rule.pending is None] == ["KubeClientCertificateExpiration"]


@pytest.mark.parametrize(
    ("name", "opens"),
    [
        ("KubeAPIDown", True),
        ("KubeletDown", True),
        ("TargetDown", True),
        ("KubeAPIErrorBudgetBurn-1h-5m", True),
        ("KubeAPIErrorBudgetBurn-3d-6h", False),
    ],
)
def test_real_notifications_are_read(one: Config, name: str, opens: bool) -> None:
    (path,) = real(f"*_{name}.*.json")
    heard = alertmanager.read(path.read_bytes(), one, NOW)
    assert bool(heard.requests) == opens
    assert heard.problems == ()
