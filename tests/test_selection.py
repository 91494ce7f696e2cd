"""Every symptom leads to one playbook, and an alert leads to one where the ladder shows no symptom."""

from __future__ import annotations

import pytest

from bot.app import build_registry
from bot.diagnosis.ladder import LAYER_OF
from bot.diagnosis.triage import for_alerts
from bot.diagnosis.triage_rules import RULES, SYMPTOMS
from bot.model.alert import DEFAULT_RULES
from bot.model.playbook import Playbook, Selects
from bot.playbook import default_folder, load_library
from tests.diagnosis.facts import answer, ladder

LIBRARY = load_library(default_folder(), build_registry())
PLAYBOOKS = tuple(LIBRARY.playbooks.values())
CUT_OFF = {"controls-unreachable", "no-network"}
"""The machine that asks is cut off: a playbook that ran there would say nothing of the cluster."""

EXPECTED = {
    "connection-refused": "connection-refused starting checks-failing etcd-check-failing",
    "cannot-access-api": (
        "connection-rejected connection-reset proxy-gateway tls-closed tls-reset tls-reset-but-listening comes-and-goes "
        "server-error"
    ),
    "tcp-timeouts": "connect-timeout tls-silent tls-silent-but-listening http-silent overloaded unanswered alpn-rejected answers",
    "network-connectivity": (
        "name-not-found name-has-no-address proxy-name-not-found resolver-failing resolver-timeout nameservers-disagree "
        "answers-differ host-unreachable host-unreachable-at-once network-unreachable no-local-route local-route-refuses "
        "proxy-failed proxy-gateway-only certificate-expired certificate-not-yet-valid clocks-disagree certificate-name-mismatch "
        "certificate-authority-rebuilt certificate-unknown-authority certificate-namesake certificate-unidentified "
        "certificate-foreign certificate-invalid tls-intercepted tls-large-packets-lost tls-alert not-tls http-closed http-reset "
        "https-expected not-an-apiserver authentication-required forbidden credentials-missing credentials-rejected "
        "token-rejected client-certificate-expired token-expired authentication-refused permission-denied"
    ),
}


def test_every_symptom_has_the_playbook_that_is_meant_for_it() -> None:
    meant = {symptom: playbook for playbook, symptoms in EXPECTED.items() for symptom in symptoms.split()}
    found = {symptom: playbook.id for playbook in PLAYBOOKS for symptom in playbook.selects.symptoms}
    assert found == meant
    assert SYMPTOMS - set(found) == CUT_OFF


@pytest.mark.parametrize(
    ("probe", "outcome"),
    sorted(
        (probe, outcome)
        for probe, layer in LAYER_OF.items()
        for where, outcome in RULES
        if where is layer and outcome in SYMPTOMS
    ),
)
def test_the_ladders_symptom_selects_it(probe: str, outcome: str) -> None:
    said = answer(ladder(probe, outcome)).triage
    assert said.symptom == outcome
    assert outcome in EXPECTED[said.playbook or ""].split()


def test_every_shipped_alert_that_tells_of_an_outage_leads_somewhere() -> None:
    assert {rule.name for rule in DEFAULT_RULES if for_alerts([rule.name], PLAYBOOKS) is None} == set()


@pytest.mark.parametrize(
    ("alert", "playbook"),
    [
        ("KubeAPIDown", "connection-refused"),
        ("KubeletDown", "connection-refused"),
        ("TargetDown", "cannot-access-api"),
        ("KubeAPITerminatedRequests", "tcp-timeouts"),
        ("KubeClientCertificateExpiration", "network-connectivity"),
    ],
)
def test_an_alert_selects(alert: str, playbook: str) -> None:
    assert getattr(for_alerts([alert], PLAYBOOKS), "id", None) == playbook


def test_both_documents_that_tell_of_an_alert_have_it() -> None:
    assert {one.id for one in PLAYBOOKS if "KubeAPIDown" in one.selects.alerts} == {"connection-refused", "cannot-access-api"}


def test_the_alert_that_is_told_first_comes_first() -> None:
    assert getattr(for_alerts(["TargetDown", "KubeAPIDown"], PLAYBOOKS), "id", None) == "cannot-access-api"
    assert getattr(for_alerts(["Unknown", "KubeAPIDown"], PLAYBOOKS), "id", None) == "connection-refused"
    assert for_alerts(["Unknown"], PLAYBOOKS) is None


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [(("A",), ("B", "A"), "one"), (("B", "A"), ("A",), "two"), (("A", "B"), ("A",), "one"), (("A",), ("A", "B"), "one")],
)
def test_of_several_playbooks_the_one_that_names_it_earlier_is_followed_and_then_the_first_by_id(
    first: tuple[str, ...], second: tuple[str, ...], chosen: str
) -> None:
    """Whatever the order in which they were read."""
    any_steps = PLAYBOOKS[0].steps

    def book(name: str, alerts: tuple[str, ...]) -> Playbook:
        return Playbook(id=name, title=name, meaning=name, impact=name, selects=Selects(alerts=alerts), steps=any_steps)

    books = [book("one", first), book("two", second)]
    assert getattr(for_alerts(["A"], books), "id", None) == chosen
    assert getattr(for_alerts(["A"], books[::-1]), "id", None) == chosen
